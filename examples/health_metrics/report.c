/* Figures as measured, beside what the report that this example follows had claimed. */
#include "report.h"

#include <stdio.h>
#include <string.h>

/* How often something stands in the part of the report about what was imported. */
static uint32_t count_of(const char *json, const char *what) {
    uint32_t count = 0;
    const char *end = strstr(json, "\"left_to_the_database\"");
    for (const char *at = strstr(json, what); at != NULL && at < end; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

/* Names and reasons of what is left, cut out of the report's JSON. */
static void print_left(const char *json) {
    const char *at = strstr(json, "\"left_to_the_database\"");
    while (at != NULL && (at = strstr(at, "\"name\":\"")) != NULL) {
        const char *name = at + 8;
        const char *reason = strstr(name, "\"reason\":\"");
        if (reason == NULL) {
            return;
        }
        reason += 10;
        printf("    left to the database: %.*s, %.*s\n", (int)strcspn(name, "\""), name,
               (int)strcspn(reason, "\""), reason);
        at = reason;
    }
}

bool report_imports(hm_host *host) {
    for (int kind = 0; kind < KINDS; kind++) {
        char *json = NULL;
        trigperf_validator *validator = host_validator(host, kind, false, -1, 0, &json);
        if (validator == NULL) {
            return false;
        }
        printf("  %-10s %2u columns, %2u checks, %u of domains, %2u not null imported\n",
               kinds[kind].family, count_of(json, "\"kind\":\"column\""),
               count_of(json, "\"kind\":\"check\""), count_of(json, "\"kind\":\"domain check\""),
               count_of(json, "\"kind\":\"not null\""));
        print_left(json);
        trigperf_string_free(json);
        trigperf_validator_free(validator);
    }
    return true;
}

static double hit_rate(const hm_way *way) {
    uint64_t all = way->cached + way->missed;
    return all == 0 ? 0 : 100.0 * (double)way->cached / (double)all;
}

void report_study(const char *title, const hm_study *study) {
    printf("%s: %llu records, %llu values\n", title, (unsigned long long)study->records,
           (unsigned long long)study->values);
    for (int i = 0; i < WAYS; i++) {
        const hm_way *way = &study->ways[i];
        printf("  %-22s %7.0f ns a record, %5.1f %% of the first", ways[i], way->ns,
               100 * way->ns / study->ways[0].ns);
        if (i % KEEPS != 0) {
            printf("; %.1f %% of %llu lookups found", hit_rate(way),
                   (unsigned long long)(way->missed + way->cached));
        } else if (i > 0) {
            printf("; %.1f %% of the values equal an earlier one of their batch",
                   100.0 * (double)way->repeated / (double)(way->repeated + way->judged));
        }
        printf("\n");
    }
}

static double quantile_ms(const trigperf_histogram *histogram, double share) {
    uint64_t ns = 0;
    return trigperf_histogram_quantile(histogram, share, &ns, NULL) == 0 ? (double)ns / 1e6 : 0;
}

static void print_stage(const trigperf_reading *reading, const char *stage,
                        trigperf_histogram *histogram) {
    static const char *const names[] = {"stage"};
    uint32_t index = 0;
    trigperf_histogram_reset(histogram);
    if (trigperf_reading_find(reading, "health_batch_seconds", names, &stage, 1, &index) == 0 &&
        trigperf_reading_histogram(reading, index, histogram, NULL) == 0) {
        printf("  %-12s p50 %8.3f ms, p95 %8.3f ms, p99 %8.3f ms of %llu batches\n", stage,
               quantile_ms(histogram, 0.50), quantile_ms(histogram, 0.95),
               quantile_ms(histogram, 0.99),
               (unsigned long long)trigperf_histogram_count(histogram));
    }
}

bool report_durations(hm_host *host) {
    trigperf_reading *reading = NULL;
    trigperf_histogram *histogram = NULL;
    trigperf_error *error = NULL;
    if (trigperf_series_read(host->context, 0, &reading, &error) != 0 ||
        trigperf_histogram_new(&histogram, &error) != 0) {
        trigperf_reading_free(reading);
        return host_complain("cannot read the series", error);
    }
    for (int i = 0; i < STAGES; i++) {
        print_stage(reading, stages[i], histogram);
    }
    trigperf_histogram_free(histogram);
    trigperf_reading_free(reading);
    return true;
}

static void claim(const char *what, const char *claimed, double low, double high, double measured,
                  const char *unit) {
    printf("  %-42s claimed %-10s measured %.1f %s%s\n", what, claimed, measured, unit,
           measured < low    ? ": not reached"
           : measured > high ? ": better"
                             : ": as claimed");
}

static double saved(const hm_study *study, int way) {
    return 100 - 100 * study->ways[way].ns / study->ways[0].ns;
}

static void claim_memory(hm_host *host) {
    trigperf_cache_stats stats = {.struct_size = sizeof stats};
    if (trigperf_cache_stats_get(host->context, &stats, NULL) == 0) {
        printf("  %-42s claimed %-10s measured %.0f KB for %llu\n", "memory of 10,000 verdicts",
               "176 KB", (double)stats.bytes / 1000, (unsigned long long)stats.capacity);
    }
}

void report_claims(hm_host *host, const hm_report *report) {
    claim("hit rate, all verdicts kept, row by row", "80-95 %", 80, 95,
          hit_rate(&report->imported.ways[1]), "%");
    claim("time saved: the tables' rules, all kept", "50-70 %", 50, 70, saved(&report->imported, 1),
          "%");
    claim("time saved: the tables' rules, dear kept", "50-70 %", 50, 70,
          saved(&report->imported, 2), "%");
    claim("time saved: with a function, all kept", "50-70 %", 50, 70, saved(&report->checked, 1),
          "%");
    claim("time saved: with a function, dear kept", "50-70 %", 50, 70, saved(&report->checked, 2),
          "%");
    claim("time saved: with a function, in batches", "50-70 %", 50, 70, saved(&report->checked, 5),
          "%");
    claim_memory(host);
    printf("  %-42s claimed %-10s measured %llu bytes\n", "statistics of duplicates", "24 bytes",
           (unsigned long long)report->intake.stats_bytes);
}

static bool promise(bool kept, const char *what) {
    printf("  %s: %s\n", kept ? "kept" : "BROKEN", what);
    return kept;
}

static bool same_answers(const hm_study *study) {
    bool same = true;
    for (int i = 0; i < WAYS; i++) {
        same = same && study->ways[i].invalid == study->spoilt;
    }
    return same;
}

bool report_promises(const hm_report *report) {
    const hm_intake *intake = &report->intake;
    bool kept = promise(same_answers(&report->imported) && same_answers(&report->checked),
                        "every way of checking finds exactly the records that were spoilt");
    kept = promise(intake->invalid == intake->spoilt && intake->spoilt > 0, "so does the intake") &&
           kept;
    kept = promise(intake->duplicates == intake->repeated && intake->repeated > 0,
                   "exactly the records that came twice were found") &&
           kept;
    kept = promise(intake->stored > 0, "the server took every record that was found valid") && kept;
    kept = promise(intake->probed > 0 && intake->taken == 0,
                   "the server refused every invalid record that it was asked about") &&
           kept;
    kept = promise(report->noticed && report->holds,
                   "a constraint that was added is noticed, and holds after importing anew") &&
           kept;
    return kept;
}
