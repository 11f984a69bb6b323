/* Alerts as the host gets them: labels, message, JSON. */
#ifndef TP_CORE_ALERT_TEXT_H
#define TP_CORE_ALERT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "core/alert.h"

/* An owned copy of labels. Zeroed means none. */
typedef struct tp_alert_labels {
    char *text;
    tp_label *items;
    uint32_t count;
} tp_alert_labels;

/* False when memory is short: then it holds nothing. */
bool tp_alert_labels_copy(tp_alert_labels *labels, const tp_label *items, uint32_t count);
void tp_alert_labels_free(tp_alert_labels *labels);
/* What tells one series of a rule from another. */
void tp_alert_labels_key(const tp_label *items, uint32_t count, tp_strbuf *key);
void tp_alert_labels_json(const tp_alert_labels *labels, tp_strbuf *json);

/* NULL when memory is short. */
tp_alert *tp_alert_make(const tp_alert_rule *rule, const tp_alert_event *event,
                        const tp_alert_labels *labels);

#endif
