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

/* p50_ms, p95_ms and p99_ms of rows (objects with `at`, and `hours` that they are of): lines from
 * one time to another, or bars where a single row has some. */
void chart_percentiles(FILE *out, const char *id, const char *title, const json_t *const *rows,
                       size_t count, double since, double until);

/* Narrows a time to what rows have percentiles of, if any has. */
void chart_span(const json_t *rows, double *since, double *until);

/* Seconds since 1970 for people, in UTC. */
void chart_moment(FILE *out, double seconds);

/* The same of a time as the server writes it, which stays in the markup. */
void chart_time(FILE *out, const char *text);

#endif
