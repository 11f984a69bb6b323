/* One rule applied to one series: the level it has, the level that was told, and what waits to be
 * told. */
#ifndef TP_CORE_ALERT_STATE_H
#define TP_CORE_ALERT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/alert_rule.h"

/* A change of level. */
typedef struct tp_alert_event {
    uint64_t number; /* from 1, in the order in which they were raised */
    tp_alert_level from;
    tp_alert_level to;
    double value;
    double threshold;
    double usual; /* NaN except for rules of the usual */
    uint64_t samples;
    uint64_t unix_ms;
} tp_alert_event;

/* What a judgement is made of. */
typedef struct tp_alert_finding {
    double value;
    double usual;
    uint64_t samples;
    uint64_t now_ms;
    uint64_t unix_ms;
    uint64_t silent_until_ms; /* 0: not silent */
} tp_alert_finding;

/* A zeroed one is OK, told, and has nothing waiting. */
typedef struct tp_alert_state {
    tp_alert_level level;
    tp_alert_level told;
    bool holding; /* a higher level is waiting for hold_ms */
    bool has_told;
    uint64_t held_since_ms;
    uint64_t told_ms;
    double value; /* the newest */
    uint32_t waiting;
    tp_alert_event events[2];
} tp_alert_state;

/* Takes a finding into account; true when an event was added (numbered by the caller's count). */
bool tp_alert_state_judge(tp_alert_state *state, const tp_alert_rule *rule,
                          const tp_alert_finding *finding, uint64_t *numbers);
/* The oldest event waiting; false when there is none. */
bool tp_alert_state_take(tp_alert_state *state, tp_alert_event *out);

#endif
