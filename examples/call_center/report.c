/* On a terminal the live line overwrites itself; elsewhere each is a line of its own. */
#include "report.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double hit_rate_promised = 80;

static double share(uint64_t part, uint64_t whole) {
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t reads_of(const cc_figures_copy *figures) {
    return figures->counters[FIGURE_HITS] + figures->counters[FIGURE_MISSES];
}

static double hit_rate(const cc_figures_copy *figures) {
    return share(figures->counters[FIGURE_HITS], reads_of(figures));
}

cc_live live_start(const cc_world *world) {
    return (cc_live){
        .phase = "",
        .terminal = isatty(STDOUT_FILENO) == 1,
        .begin_ns = now_ns(),
        .last_ns = now_ns(),
        .last = figures_take(&world->figures),
    };
}

void live_phase(cc_live *live, const cc_world *world, const char *phase) {
    live->phase = phase;
    live->last_ns = now_ns();
    live->last = figures_take(&world->figures);
}

/* What fits on the terminal; a line that wraps could not be overwritten. */
static int room(const cc_live *live) {
    struct winsize size;
    if (!live->terminal) {
        return INT_MAX;
    }
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

void live_note(const cc_live *live, const char *note) {
    char line[256];
    snprintf(line, sizeof line, "%4.0f s  %-8s %s", ms_between(live->begin_ns, now_ns()) / 1000,
             live->phase, note);
    printf("%s%.*s%s", live->terminal ? "\r" : "", room(live), line,
           live->terminal ? "\033[K" : "\n");
    fflush(stdout);
}

void live_line(cc_live *live, cc_world *world) {
    uint64_t now = now_ns();
    double seconds = ms_between(live->last_ns, now) / 1000;
    cc_figures_copy delta = figures_since(&world->figures, &live->last);
    const uint64_t *counters = delta.counters;
    char line[200];
    snprintf(line, sizeof line,
             "%5.1f %% hits %6.0f reads/s | %4.0f tx/s %5.0f rows/s %5.0f changes/s %5.0f keys/s |"
             " %6" PRIu64 " entries",
             hit_rate(&delta), (double)reads_of(&delta) / seconds,
             (double)(counters[FIGURE_COMMITS] + counters[FIGURE_ROLLBACKS]) / seconds,
             (double)counters[FIGURE_ROWS] / seconds, (double)counters[FIGURE_CHANGES] / seconds,
             (double)counters[FIGURE_KEYS] / seconds, cache_count(world->cache));
    live_note(live, line);
    live->last_ns = now;
    live->last = figures_take(&world->figures);
}

void live_end(cc_live *live) {
    if (live->terminal) {
        fputs("\r\033[K", stdout);
    }
    fflush(stdout);
}

static void print_reads(const char *name, cc_stretch *stretch) {
    printf("  %-22s %.0f answers/s, p50 %.3f ms, p99 %.3f ms\n", name,
           (double)reads_of(&stretch->figures) / stretch->seconds,
           samples_percentile(&stretch->reads, 50), samples_percentile(&stretch->reads, 99));
}

static void print_writes(const uint64_t *counters) {
    printf("  %-22s %" PRIu64 " transactions committed, %" PRIu64 " rolled back, %" PRIu64
           " ended by a conflict; %" PRIu64 " held open a while\n",
           "writes", counters[FIGURE_COMMITS], counters[FIGURE_ROLLBACKS],
           counters[FIGURE_CONFLICTS], counters[FIGURE_HELD]);
    printf("  %-22s %" PRIu64 " rows written, %" PRIu64
           " changes of keys or watched columns (a moved key: two)\n",
           "changes", counters[FIGURE_ROWS], counters[FIGURE_CHANGES]);
    printf("  %-22s %" PRIu64 " in %" PRIu64 " batches; %" PRIu64
           " without coalescing, so %.1f %% fewer\n",
           "keys", counters[FIGURE_KEYS], counters[FIGURE_BATCHES], counters[FIGURE_KEYS_ALONE],
           100 - share(counters[FIGURE_KEYS], counters[FIGURE_KEYS_ALONE]));
}

static void print_cache(const cc_report *report) {
    const uint64_t *counters = report->load.figures.counters;
    printf("  %-22s %.1f %% of %" PRIu64 " reads; %" PRIu64 " entries at the end\n", "hit rate",
           hit_rate(&report->load.figures), reads_of(&report->load.figures),
           report->load_check.entries);
    printf("  %-22s %" PRIu64 " of %" PRIu64 " fills taken back; of %" PRIu64
           " late on purpose, %" PRIu64 "\n",
           "fence", counters[FIGURE_DISCARDED], counters[FIGURE_MISSES],
           counters[FIGURE_LATE_FILLS], counters[FIGURE_LATE_FILLS_NOTICED]);
    printf("  %-22s %" PRIu64 " of %" PRIu64 " seen through the cache\n", "own writes",
           counters[FIGURE_OWN_WRITES_SEEN], counters[FIGURE_OWN_WRITES]);
}

static void print_latency(cc_latency *latency) {
    char name[40];
    snprintf(name, sizeof name, "latency, window %" PRId64, latency->window_ms);
    printf("  %-22s p50 %.1f ms, p99 %.1f ms from commit to host (%zu commits, light load)\n", name,
           samples_percentile(&latency->samples, 50), samples_percentile(&latency->samples, 99),
           latency->samples.count);
}

static void print_kpis(const cc_kpis *kpis) {
    printf(
        "  %-22s %" PRId64 " updates: %" PRId64 " executions, %.0f ms; UPDATE OF and IF: %" PRId64
        " executions, so %.1f %% skipped, %.0f ms\n",
        "KPIs, single rows", kpis->writes, kpis->single.naive, kpis->single.naive_ms,
        kpis->single.ours, 100 - share((uint64_t)kpis->single.ours, (uint64_t)kpis->single.naive),
        kpis->single.ours_ms);
    printf("  %-22s %" PRId64 " rows in one statement: %" PRId64
           " writes, %.0f ms; grouped: %" PRId64 " writes, %.0f ms\n",
           "KPIs, bulk", kpis->bulk, kpis->many.naive, kpis->many.naive_ms, kpis->many.ours,
           kpis->many.ours_ms);
    printf("  %-22s %" PRId64 " rows written: %" PRId64 " refreshes, %" PRId64 " of %" PRId64
           " payloads stale at the end; dirty marks: %" PRId64 " refreshes, %" PRId64 " stale\n",
           "dashboards, a burst", kpis->burst, kpis->refreshes.naive, kpis->naive_stale,
           kpis->users, kpis->refreshes.ours, kpis->stale);
    printf("  %-22s %.1f %% against a refresh for each row; %" PRId64
           " waited for the end of their minute\n",
           "cache updates saved",
           100 - share((uint64_t)kpis->refreshes.ours, (uint64_t)kpis->burst), kpis->waiting);
}

static bool promise(bool held, const char *broken) {
    if (!held) {
        printf("  BROKEN: %s\n", broken);
    }
    return held;
}

static bool promises(const cc_report *report) {
    const uint64_t *counters = report->load.figures.counters;
    bool held = promise(report->load_check.stale == 0, "an entry of the cache was stale");
    held &= promise(report->load_check.entries > 0, "the cache was empty, nothing was checked");
    held &= promise(report->control_check.stale > 0,
                    "deliveries were lost on purpose, and the checker noticed nothing");
    held &= promise(report->resyncs == 0, "a resync came after the start");
    held &= promise(hit_rate(&report->load.figures) >= hit_rate_promised,
                    "the hit rate was under 80 %");
    held &= promise(counters[FIGURE_OWN_WRITES] > 0 &&
                        counters[FIGURE_OWN_WRITES_SEEN] == counters[FIGURE_OWN_WRITES],
                    "a write was not seen by its own writer");
    held &= promise(counters[FIGURE_LATE_FILLS_NOTICED] == counters[FIGURE_LATE_FILLS],
                    "the fence did not notice a late fill");
    for (int i = 0; i < LATENCIES; i++) {
        held &= promise(report->latencies[i].samples.count > 0, "no latency was measured");
        held &= promise(report->latencies[i].missing == 0, "a commit was never delivered");
    }
    held &= promise(report->kpis.wrong == 0, "a KPI differs from a recomputation");
    held &= promise(report->kpis.stale == 0, "a dashboard was stale after the burst");
    held &= promise(report->kpis.naive_stale > 0, "the burst left nothing stale to be noticed");
    return held;
}

bool report_print(cc_report *report) {
    puts("\nsummary");
    print_reads("without the cache", &report->uncached);
    print_reads("with the cache", &report->load);
    print_writes(report->load.figures.counters);
    print_cache(report);
    for (int i = 0; i < LATENCIES; i++) {
        print_latency(&report->latencies[i]);
    }
    print_kpis(&report->kpis);
    printf("  %-22s %" PRIu64 "\n", "resyncs after start", report->resyncs);
    printf("  %-22s %" PRIu64 " stale of %" PRIu64 " entries, after a second of lost deliveries\n",
           "negative control", report->control_check.stale, report->control_check.entries);
    if (report->load_check.example != NULL) {
        printf("  a stale entry: %s\n", report->load_check.example);
    }
    printf("  stale entries: %" PRIu64 "\n", report->load_check.stale);
    bool held = promises(report);
    puts(held ? "every promise held" : "a promise was broken");
    fflush(stdout);
    return held;
}

void report_free(cc_report *report) {
    samples_free(&report->uncached.reads);
    samples_free(&report->load.reads);
    verdict_free(&report->load_check);
    verdict_free(&report->control_check);
    for (int i = 0; i < LATENCIES; i++) {
        samples_free(&report->latencies[i].samples);
    }
}
