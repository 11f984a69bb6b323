/* Charts as inline SVG that fits any width: bars, and lines over time. */
#ifndef TRIGPERF_TOOL_REPORT_CHART_H
#define TRIGPERF_TOOL_REPORT_CHART_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct chart_bar {
    const char *label;
    double value;
    double before; /* of the period before; negative: not known */
} chart_bar;

/* how: writes a value for people. */
void chart_bars(FILE *out, const char *id, const char *title, const chart_bar *bars, size_t count,
                void (*how)(FILE *out, double value));

/* Lines of p50_ms, p95_ms and p99_ms over rows (objects with `at`) from one time to another. */
void chart_lines(FILE *out, const char *id, const char *title, const json_t *const *rows,
                 size_t count, double since, double until);

/* Seconds since 1970 of an ISO time as the server writes it; NaN when it is none. */
double chart_time(const char *text);

/* Such a time for people, in UTC. */
void chart_moment(FILE *out, double seconds);

#endif
