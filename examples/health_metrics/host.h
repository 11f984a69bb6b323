/* The host's side of the library: a context with cache, trackers and series, and validators that
 * are imported from the tables. */
#ifndef EXAMPLES_HEALTH_METRICS_HOST_H
#define EXAMPLES_HEALTH_METRICS_HOST_H

#include <trigperf.h>

#include "options.h"
#include "records.h"

enum { STAGES = 3 };
extern const char *const stages[STAGES]; /* of the work on a batch, whose durations are recorded */

typedef struct hm_host {
    trigperf_context *context;
    trigperf_admin *admin;
    trigperf_dedup *dedup;
    trigperf_findings *findings;
    trigperf_series *durations[STAGES];
} hm_host;

bool host_open(hm_host *host, const hm_options *options);
void host_close(hm_host *host);

/* A validator of a kind's table; checked: with a function of the host over the names of foods.
 * number: its place in the cache, or -1 for none; keep: one of enum trigperf_keep. report may be
 * NULL. NULL: failed. */
trigperf_validator *host_validator(hm_host *host, int kind, bool checked, int number, uint32_t keep,
                                   char **report);

/* Prints "health_metrics: WHAT: message (hint)"; returns false. */
bool host_complain(const char *what, trigperf_error *error);

#endif
