/* What a rule takes from a series: the value to judge, out of two readings. */
#ifndef TP_CORE_ALERT_WATCH_H
#define TP_CORE_ALERT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/alert_rule.h"
#include "core/reading.h"

/* What was read the last time a value was made. Zeroed means never. */
typedef struct tp_alert_watch {
    bool begun;
    uint64_t count;
    uint64_t other; /* of the second series */
    uint64_t sum;
    uint64_t at_ms;
    uint64_t judgements; /* of rules that look at a present value */
    int64_t *entries;    /* owned; for quantiles */
    uint32_t entry_count;
} tp_alert_watch;

typedef enum tp_alert_watched {
    TP_WATCH_VALUE,   /* a value was made */
    TP_WATCH_NOT_YET, /* too few samples, or the first reading */
    TP_WATCH_UNFIT,   /* the series is of a type that the rule cannot measure */
    TP_WATCH_NOMEM
} tp_alert_watched;

/* The second series is NULL except for ratio and share. fresh: the series appeared after the rule
 * was applied for the first time, so that all of it is new. */
tp_alert_watched tp_alert_watch_read(tp_alert_watch *watch, const tp_alert_rule *rule,
                                     const tp_series_view *series, const tp_series_view *over,
                                     uint64_t now_ms, bool fresh, double *value, uint64_t *samples);
void tp_alert_watch_free(tp_alert_watch *watch);

#endif
