/* A call centre that caches dashboards, calls, agents and balances in its own process while others
 * write to the database. The phases:
 *   set up       tables, rows, and which changes mean which cache keys
 *   no cache     readers ask the database every time, for comparison
 *   warm up      readers and writers with the cache
 *   load         the same, counted; then every entry of the cache is compared with the database
 *   lost         deliveries are dropped for a second: the same comparison must find stale entries
 *   latency      from commit to host, with the library's window and without
 *   KPIs         tables of counts and dashboards in the database, by two kinds of triggers */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "feed.h"
#include "report.h"
#include "setup.h"

static cc_world the_world; /* for the signal handler */

static void interrupt(int signal) {
    (void)signal;
    atomic_store(&the_world.interrupted, true);
}

static void catch_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void pause_shortly(cc_live *live, cc_world *world) {
    const uint64_t second_ns = 1000000000;
    usleep(10000);
    if (now_ns() >= live->last_ns + second_ns) {
        live_line(live, world);
    }
}

/* Lets the threads work, with a live line each second. A busy machine gets more time, until the
 * figure has grown by as much as the phase is about: what is promised does not depend on speed. */
static void watch(cc_live *live, cc_world *world, double seconds, int figure, uint64_t wanted) {
    const uint64_t patience_ns = 120 * UINT64_C(1000000000);
    uint64_t before = figures_get(&world->figures, figure);
    uint64_t enough_ns = now_ns() + (uint64_t)(seconds * 1e9);
    uint64_t end_ns = enough_ns + patience_ns;
    while (!world_ending(world) && now_ns() < end_ns &&
           (now_ns() < enough_ns || figures_get(&world->figures, figure) - before < wanted)) {
        pause_shortly(live, world);
    }
}

/* The share is of the reads that the pace asks for: so many find something in the cache. */
static void watch_hits(cc_live *live, cc_world *world, double seconds, double share) {
    double reads = seconds * world->options->read_rate;
    watch(live, world, seconds, FIGURE_HITS, (uint64_t)(share * reads));
}

static bool warm_up(cc_live *live, cc_world *world, cc_feed *feed, double seconds) {
    cc_crew *crew = crew_start(world, feed);
    if (crew == NULL) {
        return false;
    }
    live_phase(live, world, "warm up");
    watch_hits(live, world, seconds, 0.7);
    crew_stop(crew, NULL);
    return !world_ending(world);
}

/* The figures begin before anybody works: of two that belong together none is cut in half. */
static bool work(cc_live *live, cc_world *world, cc_feed *feed, const char *phase, double seconds,
                 cc_stretch *stretch) {
    cc_figures_copy begin = figures_take(&world->figures);
    cc_crew *crew = crew_start(world, feed);
    if (crew == NULL) {
        return false;
    }
    live_phase(live, world, phase);
    uint64_t begin_ns = now_ns();
    watch_hits(live, world, seconds, feed == NULL ? 0 : 0.25);
    stretch->seconds = ms_between(begin_ns, now_ns()) / 1000;
    crew_stop(crew, &stretch->reads);
    bool fine = !world_ending(world) && (feed == NULL || feed_catch_up(feed));
    stretch->figures = figures_since(&world->figures, &begin);
    return fine;
}

static bool check(cc_live *live, cc_world *world, cc_verdict *verdict) {
    live_phase(live, world, "check");
    live_note(live, "every entry of the cache against the database");
    return checker_run(world, verdict);
}

static bool control(cc_live *live, cc_world *world, cc_feed *feed, cc_verdict *verdict) {
    cc_crew *crew = crew_start(world, feed);
    if (crew == NULL) {
        return false;
    }
    live_phase(live, world, "lost");
    live_note(live, "deliveries are dropped for a second, on purpose");
    watch_hits(live, world, 0.25, 0);
    feed_drop(feed, true);
    watch(live, world, 1, FIGURE_LOST, 20);
    feed_drop(feed, false);
    watch_hits(live, world, 0.25, 0);
    crew_stop(crew, NULL);
    return !world_ending(world) && feed_catch_up(feed) && check(live, world, verdict);
}

static bool with_feed(cc_live *live, cc_world *world, double seconds, cc_report *report) {
    cc_feed *feed = feed_start(world, -1, NULL, NULL);
    if (feed == NULL) {
        return false;
    }
    double warming = 0.12 * seconds > 1.2 ? 0.12 * seconds : 1.2;
    bool fine = warm_up(live, world, feed, warming) &&
                work(live, world, feed, "load", 0.46 * seconds, &report->load) &&
                check(live, world, &report->load_check) &&
                control(live, world, feed, &report->control_check);
    report->resyncs = feed_resyncs(feed);
    feed_stop(feed);
    cache_clear_prefix(world->cache, "");
    return fine;
}

static bool phases(cc_live *live, cc_world *world, cc_report *report) {
    double seconds = world->options->seconds - 1.5;
    if (!work(live, world, NULL, "no cache", 0.10 * seconds, &report->uncached) ||
        !with_feed(live, world, seconds, report)) {
        return false;
    }
    static const int32_t windows[LATENCIES] = {-1, 0};
    for (int i = 0; i < LATENCIES; i++) {
        live_phase(live, world, "latency");
        live_note(live, windows[i] < 0 ? "with the default window" : "without a window");
        if (!latency_run(world, windows[i], 0.15 * seconds, &report->latencies[i])) {
            return false;
        }
        report->resyncs += report->latencies[i].resyncs;
    }
    live_phase(live, world, "KPIs");
    live_note(live, "the obvious triggers, and those that the library makes");
    return !world_ending(world) && kpis_run(world->options, &report->kpis);
}

static bool set_up(const cc_options *options) {
    uint64_t begin = now_ns();
    printf("call_center: %u users, %u agents, %u calls; %u writers, %u readers\n", options->users,
           options->agents, options->calls, options->writers, options->readers);
    fflush(stdout);
    if (!setup_tables(options) || !setup_attach(options)) {
        return false;
    }
    printf("tables filled and attached in %.1f s\n", ms_between(begin, now_ns()) / 1000);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv) {
    cc_options options;
    int exit_code = 0;
    if (!options_parse(argc, argv, &options, &exit_code)) {
        return exit_code;
    }
    cc_world *world = &the_world;
    if (!world_open(world, &options)) {
        return 1;
    }
    catch_signals();
    cc_report report = {.resyncs = 0};
    bool fine = set_up(&options);
    if (fine) {
        cc_live live = live_start(world);
        fine = phases(&live, world, &report);
        live_end(&live);
        fine = fine && report_print(&report);
    }
    report_free(&report);
    world_close(world);
    if (atomic_load(&world->interrupted)) {
        fputs("call_center: interrupted\n", stderr);
    }
    return fine ? 0 : 1;
}
