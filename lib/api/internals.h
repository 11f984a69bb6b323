/* What a context tells about itself: series whose names begin with trigperf_. */
#ifndef TP_API_INTERNALS_H
#define TP_API_INTERNALS_H

#include "api/meter.h"

void tp_internals_put(trigperf_context *context, const tp_metrics_counters *counters,
                      tp_wanted_fn wanted, void *user, tp_reading *into);

#endif
