/* Texts are made when an event is pulled, not when it is raised: raising must not fail. */
#include "core/alert_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

void tp_alert_labels_key(const tp_label *items, uint32_t count, tp_strbuf *key) {
    for (uint32_t i = 0; i < count; i++) {
        tp_strbuf_add(key, items[i].name, strlen(items[i].name) + 1);
        tp_strbuf_add(key, items[i].value, strlen(items[i].value) + 1);
    }
    tp_strbuf_add(key, "", 0);
}

bool tp_alert_labels_copy(tp_alert_labels *labels, const tp_label *items, uint32_t count) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_alert_labels_key(items, count, &text);
    labels->text = tp_strbuf_take(&text);
    labels->items = calloc(count + 1, sizeof *labels->items);
    if (labels->text == NULL || labels->items == NULL) {
        tp_alert_labels_free(labels);
        return false;
    }
    const char *at = labels->text;
    for (uint32_t i = 0; i < count; i++) {
        labels->items[i].name = at;
        at += strlen(at) + 1;
        labels->items[i].value = at;
        at += strlen(at) + 1;
    }
    labels->count = count;
    return true;
}

void tp_alert_labels_free(tp_alert_labels *labels) {
    free(labels->text);
    free(labels->items);
    *labels = (tp_alert_labels){NULL, NULL, 0};
}

void tp_alert_labels_json(const tp_alert_labels *labels, tp_strbuf *json) {
    tp_json_open(json, "labels", '{');
    for (uint32_t i = 0; i < labels->count; i++) {
        tp_json_text(json, labels->items[i].name, labels->items[i].value);
    }
    tp_json_close(json, '}');
}

/* host_query_seconds{table="calls"} */
static void put_subject(const tp_alert_rule *rule, const tp_alert_labels *labels, tp_strbuf *out) {
    tp_strbuf_puts(out, rule->series == NULL ? rule->name : rule->series);
    for (uint32_t i = 0; i < labels->count; i++) {
        tp_strbuf_putc(out, i == 0 ? '{' : ',');
        tp_strbuf_puts(out, labels->items[i].name);
        tp_strbuf_putc(out, '=');
        tp_json_string(out, labels->items[i].value, strlen(labels->items[i].value));
    }
    tp_strbuf_puts(out, labels->count > 0 ? "}" : "");
}

static void put_short(tp_strbuf *out, double value) {
    double scale = value == 0 ? 1 : pow(10, 4 - ceil(log10(fabs(value))));
    tp_json_digits(out, isfinite(scale) && scale > 0 ? round(value * scale) / scale : value);
}

static void put_message(const tp_alert_rule *rule, const tp_alert_event *event,
                        const tp_alert_labels *labels, tp_strbuf *out) {
    bool over = tp_alert_rule_beyond(rule, event->value, event->threshold, 0);
    put_subject(rule, labels, out);
    tp_strbuf_puts(out, ": ");
    tp_strbuf_puts(out,
                   rule->measure == TP_ALERT_FED ? "value" : tp_alert_measure_name(rule->measure));
    tp_strbuf_putc(out, ' ');
    put_short(out, event->value);
    tp_strbuf_puts(out, rule->usual ? " % above its usual " : "");
    if (rule->usual) {
        put_short(out, event->usual);
        tp_strbuf_puts(out, ", which");
    }
    tp_strbuf_puts(out, over ? " is " : " is no longer ");
    tp_strbuf_puts(out, rule->below ? "below " : "above ");
    put_short(out, event->threshold);
    tp_strbuf_puts(out, rule->usual ? " %" : "");
    tp_strbuf_puts(out, ": ");
    tp_strbuf_puts(out, tp_alert_level_name(event->from));
    tp_strbuf_puts(out, " -> ");
    tp_strbuf_puts(out, tp_alert_level_name(event->to));
}

static void put_json(const tp_alert *alert, const tp_alert_rule *rule,
                     const tp_alert_labels *labels, tp_strbuf *json) {
    const tp_alert_event *event = &alert->event;
    tp_json_open(json, NULL, '{');
    tp_json_uint(json, "number", event->number);
    tp_json_text(json, "rule", rule->name);
    tp_json_text(json, "measure", tp_alert_measure_name(rule->measure));
    tp_json_text(json, "series", rule->series);
    tp_alert_labels_json(labels, json);
    tp_json_text(json, "from", tp_alert_level_name(event->from));
    tp_json_text(json, "to", tp_alert_level_name(event->to));
    tp_json_double(json, "value", event->value);
    tp_json_double(json, "threshold", event->threshold);
    tp_json_double(json, "usual", event->usual);
    tp_json_uint(json, "samples", event->samples);
    tp_json_uint(json, "time_ms", event->unix_ms);
    tp_json_text(json, "message", alert->message);
    tp_json_close(json, '}');
}

static bool fill(tp_alert *alert, const tp_alert_rule *rule, const tp_alert_labels *labels) {
    tp_strbuf out = TP_STRBUF_INIT;
    tp_alert_labels copy = {NULL, NULL, 0};
    bool good = tp_alert_labels_copy(&copy, labels->items, labels->count);
    alert->labels = copy.items;
    alert->label_text = copy.text;
    alert->label_count = copy.count;
    alert->rule = tp_text_copy(rule->name);
    alert->series = tp_text_copy(rule->series == NULL ? "" : rule->series);
    put_message(rule, &alert->event, labels, &out);
    alert->message = tp_strbuf_take(&out);
    if (!good || alert->rule == NULL || alert->series == NULL || alert->message == NULL) {
        return false;
    }
    put_json(alert, rule, labels, &out);
    alert->json = tp_strbuf_take(&out);
    return alert->json != NULL;
}

tp_alert *tp_alert_make(const tp_alert_rule *rule, const tp_alert_event *event,
                        const tp_alert_labels *labels) {
    tp_alert *alert = calloc(1, sizeof *alert);
    if (alert == NULL) {
        return NULL;
    }
    alert->event = *event;
    if (!fill(alert, rule, labels)) {
        tp_alert_free(alert);
        return NULL;
    }
    return alert;
}

void tp_alert_free(tp_alert *alert) {
    if (alert == NULL) {
        return;
    }
    free(alert->rule);
    free(alert->series);
    free(alert->message);
    free(alert->json);
    free(alert->labels);
    free(alert->label_text);
    free(alert);
}
