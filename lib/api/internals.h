/* What a context tells about itself: series whose names begin with trigperf_. */
#ifndef TP_API_INTERNALS_H
#define TP_API_INTERNALS_H

#include "api/meter.h"
#include "pg/feed.h"

/* Durations that a context records about itself. */
typedef struct tp_internals tp_internals;

/* How many series they are. */
#define TP_INTERNALS_SERIES 2u

int32_t tp_internals_new(tp_meter *meter, tp_internals **out, trigperf_error **err);
void tp_internals_free(tp_internals *internals);
/* A turn took so long; calls exclude each other. */
void tp_internals_turn(tp_internals *internals, uint64_t ns);
/* A batch was acknowledged so long after it was pulled; calls exclude each other. */
void tp_internals_applied(void *internals, uint64_t ns);
/* What the source counts, as of this turn. Any thread may put them into a reading meanwhile. */
void tp_internals_measure(tp_internals *internals, const tp_feed *source);

void tp_internals_put(trigperf_context *context, const tp_metrics_counters *counters,
                      tp_wanted_fn wanted, void *user, tp_reading *into);

#endif
