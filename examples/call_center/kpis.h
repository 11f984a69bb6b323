/* KPIs and dashboards in the database: the obvious triggers beside those that the library makes. */
#ifndef EXAMPLES_CALL_CENTER_KPIS_H
#define EXAMPLES_CALL_CENTER_KPIS_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/* The same writes under the obvious triggers and under ours. */
typedef struct cc_pair {
    double naive_ms;
    double ours_ms;
    int64_t naive; /* executions, or writes to the target */
    int64_t ours;
} cc_pair;

typedef struct cc_kpis {
    int64_t writes; /* single rows written one by one */
    int64_t bulk;   /* rows of one statement */
    int64_t burst;  /* rows written in the burst */
    int64_t users;  /* whose dashboards the burst concerns */
    cc_pair single;
    cc_pair many;
    cc_pair refreshes; /* of dashboards */
    int64_t naive_stale;
    int64_t stale;
    int64_t waiting; /* dashboards that wait for their refresh at the end of the burst */
    int64_t wrong;   /* rows that differ from a recomputation */
} cc_kpis;

/* While nobody else writes. Says on stderr what failed. */
bool kpis_run(const cc_options *options, cc_kpis *kpis);

#endif
