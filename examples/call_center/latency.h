/* From the return of a commit to the arrival of its key in the host, under light load. */
#ifndef EXAMPLES_CALL_CENTER_LATENCY_H
#define EXAMPLES_CALL_CENTER_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "samples.h"
#include "world.h"

typedef struct cc_latency {
    int64_t window_ms;
    cc_samples samples;
    uint64_t missing; /* keys that never arrived: a broken promise */
    uint64_t resyncs; /* after the start */
} cc_latency;

/* Follows the database with a context of its own. window_ms < 0: the library's default. Returns
 * false after a failure, said on stderr. */
bool latency_run(cc_world *world, int32_t window_ms, double seconds, cc_latency *latency);

#endif
