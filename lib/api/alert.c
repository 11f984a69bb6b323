/* The public side of lib/core/alert.h. */
#include <trigperf/alert.h>

#include "api/context.h"
#include "api/watch.h"
#include "base/clock.h"

#define YEAR_MS (INT64_C(366) * 24 * 3600000)

static const tp_alert *inner(const trigperf_alert *alert) {
    return (const tp_alert *)(const void *)alert;
}

int32_t trigperf_alert_rule(trigperf_context *context, const char *name, const char *definition,
                            trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    return status == TRIGPERF_OK ? tp_watch_rule(tp_context_watch(context), name, definition, error)
                                 : status;
}

int32_t trigperf_alert_rule_remove(trigperf_context *context, const char *name,
                                   trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        tp_watch *watch = tp_context_watch(context);
        status = tp_alerts_remove(tp_watch_lock(watch), name == NULL ? "" : name, error);
        tp_watch_unlock(watch);
    }
    return status;
}

static int32_t check_labels(const char *const *names, const char *const *values, uint32_t count,
                            tp_label *labels, trigperf_error **error) {
    if (count > TP_SERIES_LABELS_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use fewer labels",
                            "expected at most %u labels, got %u", TP_SERIES_LABELS_MAX, count);
    }
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        status = tp_series_check_label(names[i], values[i], error);
        labels[i] = (tp_label){names[i], values[i]};
    }
    return status;
}

int32_t trigperf_alert_feed(trigperf_context *context, const char *rule,
                            const char *const *label_names, const char *const *label_values,
                            uint32_t label_count, double value, uint64_t samples,
                            trigperf_error **error) {
    tp_label labels[TP_SERIES_LABELS_MAX];
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        status = check_labels(label_names, label_values, label_count, labels, error);
    }
    if (status == TRIGPERF_OK) {
        tp_watch *watch = tp_context_watch(context);
        tp_alert_time time = {tp_clock_ms(), tp_clock_unix_ms()};
        status = tp_alerts_feed(tp_watch_lock(watch), time, rule == NULL ? "" : rule, labels,
                                label_count, value, samples, error);
        tp_watch_unlock(watch);
    }
    return status;
}

int32_t trigperf_alert_silence(trigperf_context *context, const char *rule, int64_t duration_ms,
                               trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK && (duration_ms < 0 || duration_ms > YEAR_MS)) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "remove a rule that is never wanted",
                              "expected 0 to %lld milliseconds of silence, got %lld",
                              (long long)YEAR_MS, (long long)duration_ms);
    }
    if (status == TRIGPERF_OK) {
        tp_watch *watch = tp_context_watch(context);
        uint64_t until = duration_ms == 0 ? 0 : tp_clock_ms() + (uint64_t)duration_ms;
        status = tp_alerts_silence(tp_watch_lock(watch), rule, until, error);
        tp_watch_unlock(watch);
    }
    return status;
}

int32_t trigperf_alert_check(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    return status == TRIGPERF_OK ? tp_watch_check(tp_context_watch(context), error) : status;
}

int32_t trigperf_alert_status(trigperf_context *context, char **json, trigperf_error **error) {
    tp_strbuf out = TP_STRBUF_INIT;
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_watch *watch = tp_context_watch(context);
    tp_alerts_status(tp_watch_lock(watch), tp_clock_ms(), &out);
    tp_watch_unlock(watch);
    char *taken = tp_strbuf_take(&out);
    if (taken == NULL) {
        return tp_error_nomem(error);
    }
    *json = taken;
    return TRIGPERF_OK;
}

int32_t trigperf_alert_next(trigperf_context *context, trigperf_alert **alert,
                            trigperf_error **error) {
    tp_alert *next = NULL;
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        tp_watch *watch = tp_context_watch(context);
        status = tp_alerts_next(tp_watch_lock(watch), &next, error);
        tp_watch_unlock(watch);
    }
    if (status == TRIGPERF_OK) {
        *alert = (trigperf_alert *)(void *)next;
    }
    return status;
}

void trigperf_alert_free(trigperf_alert *alert) {
    tp_alert_free((tp_alert *)(void *)alert);
}

uint64_t trigperf_alert_number(const trigperf_alert *alert) {
    return inner(alert)->event.number;
}

const char *trigperf_alert_rule_name(const trigperf_alert *alert) {
    return inner(alert)->rule;
}

const char *trigperf_alert_series(const trigperf_alert *alert) {
    return inner(alert)->series;
}

uint32_t trigperf_alert_label_count(const trigperf_alert *alert) {
    return inner(alert)->label_count;
}

const char *trigperf_alert_label_name(const trigperf_alert *alert, uint32_t index) {
    return index < inner(alert)->label_count ? inner(alert)->labels[index].name : NULL;
}

const char *trigperf_alert_label_value(const trigperf_alert *alert, uint32_t index) {
    return index < inner(alert)->label_count ? inner(alert)->labels[index].value : NULL;
}

int32_t trigperf_alert_from(const trigperf_alert *alert) {
    return (int32_t)inner(alert)->event.from;
}

int32_t trigperf_alert_to(const trigperf_alert *alert) {
    return (int32_t)inner(alert)->event.to;
}

double trigperf_alert_value(const trigperf_alert *alert) {
    return inner(alert)->event.value;
}

double trigperf_alert_threshold(const trigperf_alert *alert) {
    return inner(alert)->event.threshold;
}

double trigperf_alert_usual(const trigperf_alert *alert) {
    return inner(alert)->event.usual;
}

uint64_t trigperf_alert_samples(const trigperf_alert *alert) {
    return inner(alert)->event.samples;
}

uint64_t trigperf_alert_time_ms(const trigperf_alert *alert) {
    return inner(alert)->event.unix_ms;
}

const char *trigperf_alert_message(const trigperf_alert *alert) {
    return inner(alert)->message;
}

const char *trigperf_alert_json(const trigperf_alert *alert) {
    return inner(alert)->json;
}
