/* Rules of alerts: what is measured, against which thresholds, how patiently. Written as text:
 *
 *     measure=mean series=host_query_seconds warn=0.1 critical=0.5 min_samples=20
 */
#ifndef TP_CORE_ALERT_RULE_H
#define TP_CORE_ALERT_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef enum tp_alert_measure {
    TP_ALERT_VALUE,    /* of a gauge or counter */
    TP_ALERT_RATE,     /* increase per second of a counter, or of a histogram's count */
    TP_ALERT_MEAN,     /* of the durations since the last judgement, in seconds */
    TP_ALERT_QUANTILE, /* the same */
    TP_ALERT_RATIO,    /* increase of one counter by that of another */
    TP_ALERT_SHARE,    /* increase of one counter by that of both */
    TP_ALERT_FED       /* handed in */
} tp_alert_measure;

typedef enum tp_alert_level { TP_ALERT_OK, TP_ALERT_WARNING, TP_ALERT_CRITICAL } tp_alert_level;

#define TP_ALERT_NAME_MAX 100u
#define TP_ALERT_TEXT_MAX 4096u
#define TP_ALERT_LABELS_MAX 8u

typedef struct tp_alert_label {
    char *name;
    char *value;
} tp_alert_label;

typedef struct tp_alert_rule {
    char *name;
    char *text; /* as written */
    tp_alert_measure measure;
    char *series; /* NULL for fed ones */
    char *over;   /* the second series of ratio and share */
    double quantile;
    bool below; /* otherwise above */
    bool usual; /* the value is by how many percent it is above its usual */
    bool has_warn;
    bool has_critical;
    double warn;
    double critical;
    double hysteresis; /* part of the threshold, 0 to 1 */
    uint64_t min_samples;
    uint64_t hold_ms;
    uint64_t cooldown_ms;
    tp_alert_label labels[TP_ALERT_LABELS_MAX]; /* that a series must have */
    uint32_t label_count;
} tp_alert_rule;

/* E_INVALID with the key and what was expected of it. */
int32_t tp_alert_rule_parse(const char *name, const char *text, tp_alert_rule **out,
                            trigperf_error **err);
void tp_alert_rule_free(tp_alert_rule *rule);

const char *tp_alert_measure_name(tp_alert_measure measure);
const char *tp_alert_level_name(tp_alert_level level); /* ok, warning, critical */

/* Whether a value is beyond a threshold of this rule; margin moves it towards the good side. */
bool tp_alert_rule_beyond(const tp_alert_rule *rule, double value, double threshold, double margin);
/* Level of a value, given the level before: what was reached is kept within the hysteresis. */
tp_alert_level tp_alert_rule_level(const tp_alert_rule *rule, double value, tp_alert_level before);
/* The threshold of a level above OK; of the lower one when it has none of its own. */
double tp_alert_rule_threshold(const tp_alert_rule *rule, tp_alert_level level);

#endif
