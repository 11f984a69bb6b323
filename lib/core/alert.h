/* The alert engine: rules applied to readings, events to be pulled. Not thread-safe; no clock:
 * now_ms is monotonic, unix_ms for people. */
#ifndef TP_CORE_ALERT_H
#define TP_CORE_ALERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "core/alert_rule.h"
#include "core/alert_state.h"
#include "core/reading.h"

typedef struct tp_alerts tp_alerts;

typedef struct tp_alert_time {
    uint64_t now_ms;
    uint64_t unix_ms;
} tp_alert_time;

/* An event with everything that belongs to it, by itself. */
typedef struct tp_alert {
    tp_alert_event event;
    char *rule;
    char *series; /* "" for fed ones */
    char *message;
    char *json;
    tp_label *labels;
    uint32_t label_count;
    char *label_text;
} tp_alert;

/* max_states bounds rules times series; what is above is not watched, and counted. */
int32_t tp_alerts_new(uint32_t max_states, tp_alerts **out, trigperf_error **err);
void tp_alerts_free(tp_alerts *alerts);

/* Adds a rule, or replaces the one of that name with its states. */
int32_t tp_alerts_add(tp_alerts *alerts, const char *name, const char *text, trigperf_error **err);
int32_t tp_alerts_remove(tp_alerts *alerts, const char *name, trigperf_error **err);
uint32_t tp_alerts_count(const tp_alerts *alerts);

/* Whether a rule looks at series of that name. */
bool tp_alerts_wants(const tp_alerts *alerts, const char *name);
/* Applies all rules but the fed ones. E_NOMEM: some series were left out, and are judged the next
 * time. */
int32_t tp_alerts_judge(tp_alerts *alerts, tp_alert_time time, const tp_reading *reading,
                        trigperf_error **err);
/* The same for one rule: from this reading on. */
int32_t tp_alerts_begin(tp_alerts *alerts, const char *name, tp_alert_time time,
                        const tp_reading *reading, trigperf_error **err);
/* A value for a rule with measure=fed. E_NOT_FOUND, E_INVALID, E_LIMIT, E_NOMEM. */
int32_t tp_alerts_feed(tp_alerts *alerts, tp_alert_time time, const char *rule,
                       const tp_label *labels, uint32_t label_count, double value, uint64_t samples,
                       trigperf_error **err);

/* No events until then, of one rule or (NULL) of all; what stands afterwards is told then. */
int32_t tp_alerts_silence(tp_alerts *alerts, const char *rule, uint64_t until_ms,
                          trigperf_error **err);

/* The number of the newest event, and whether any waits. */
uint64_t tp_alerts_number(const tp_alerts *alerts);
bool tp_alerts_waiting(const tp_alerts *alerts);
/* The oldest event waiting; *out NULL when there is none. E_NOMEM: it still waits. */
int32_t tp_alerts_next(tp_alerts *alerts, tp_alert **out, trigperf_error **err);
void tp_alert_free(tp_alert *alert);

/* Rules, and the states that are not OK, as a JSON object. */
void tp_alerts_status(const tp_alerts *alerts, uint64_t now_ms, tp_strbuf *json);

#endif
