/* Rules are kept in a list, the states of each in a map by the labels of the series. A state that
 * has events waiting stands in a queue; its events are inside it, so raising one needs no memory,
 * and the number of states bounds everything.
 *
 * Judging: each rule walks over the series of the reading; O(rules times series) comparisons of
 * names, a map lookup for each series that fits. */
#include "core/alert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/text.h"
#include "core/alert_text.h"
#include "core/alert_watch.h"
#include "core/usual.h"

typedef struct entry entry;

/* A rule applied to a series. */
typedef struct tracked {
    entry *of;
    tp_alert_state state;
    tp_alert_watch watch;
    tp_usual *usual; /* NULL except for rules of the usual */
    tp_alert_labels labels;
    bool queued;
    struct tracked *prev;
    struct tracked *next;
} tracked;

struct entry {
    tp_alert_rule *rule;
    tp_map *states;
    bool applied; /* to a reading, at least once */
    bool unfit;   /* the newest reading had a series of another type */
    uint64_t silent_until_ms;
    entry *prev;
    entry *next;
};

struct tp_alerts {
    entry *rules;
    uint32_t rule_count;
    uint32_t max_states;
    uint32_t state_count;
    uint64_t unwatched;
    uint64_t numbers;
    uint64_t silent_until_ms;
    tracked *queue;
};

int32_t tp_alerts_new(uint32_t max_states, tp_alerts **out, trigperf_error **err) {
    tp_alerts *alerts = calloc(1, sizeof *alerts);
    if (alerts == NULL) {
        return tp_error_nomem(err);
    }
    alerts->max_states = max_states;
    *out = alerts;
    return TRIGPERF_OK;
}

static void free_tracked(void *value) {
    tracked *one = value;
    tp_alert_watch_free(&one->watch);
    tp_alert_labels_free(&one->labels);
    free(one->usual);
    free(one);
}

static void free_entry(tp_alerts *alerts, entry *one) {
    void *cursor = NULL;
    void *value;
    while (one->states != NULL && tp_map_next(one->states, &cursor, NULL, &value)) {
        tracked *state = value;
        if (state->queued) {
            TP_QUEUE_REMOVE(alerts->queue, state);
        }
        alerts->state_count--;
    }
    tp_map_free(one->states, free_tracked);
    tp_alert_rule_free(one->rule);
    free(one);
}

void tp_alerts_free(tp_alerts *alerts) {
    while (alerts != NULL && alerts->rules != NULL) {
        entry *first = alerts->rules;
        TP_QUEUE_REMOVE(alerts->rules, first);
        free_entry(alerts, first);
    }
    free(alerts);
}

/* --- rules -------------------------------------------------------------------------------------*/

static entry *find_rule(const tp_alerts *alerts, const char *name) {
    entry *one = alerts->rules;
    while (one != NULL && strcmp(one->rule->name, name) != 0) {
        one = one->next;
    }
    return one;
}

static int32_t no_rule(const char *name, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_NOT_FOUND, "trigperf_alert_status() lists the rules",
                        "there is no alert rule \"%.100s\"", name);
}

static void drop_rule(tp_alerts *alerts, entry *one) {
    TP_QUEUE_REMOVE(alerts->rules, one);
    alerts->rule_count--;
    free_entry(alerts, one);
}

int32_t tp_alerts_add(tp_alerts *alerts, const char *name, const char *text, trigperf_error **err) {
    entry *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return tp_error_nomem(err);
    }
    fresh->states = tp_map_new();
    int32_t status = fresh->states == NULL ? tp_error_nomem(err)
                                           : tp_alert_rule_parse(name, text, &fresh->rule, err);
    if (status != TRIGPERF_OK) {
        free_entry(alerts, fresh);
        return status;
    }
    entry *former = find_rule(alerts, name);
    if (former != NULL) {
        drop_rule(alerts, former);
    }
    TP_QUEUE_APPEND(alerts->rules, fresh);
    alerts->rule_count++;
    return TRIGPERF_OK;
}

int32_t tp_alerts_remove(tp_alerts *alerts, const char *name, trigperf_error **err) {
    entry *one = find_rule(alerts, name);
    if (one == NULL) {
        return no_rule(name, err);
    }
    drop_rule(alerts, one);
    return TRIGPERF_OK;
}

uint32_t tp_alerts_count(const tp_alerts *alerts) {
    return alerts->rule_count;
}

bool tp_alerts_wants(const tp_alerts *alerts, const char *name) {
    for (const entry *one = alerts->rules; one != NULL; one = one->next) {
        const tp_alert_rule *rule = one->rule;
        if ((rule->series != NULL && strcmp(rule->series, name) == 0) ||
            (rule->over != NULL && strcmp(rule->over, name) == 0)) {
            return true;
        }
    }
    return false;
}

int32_t tp_alerts_silence(tp_alerts *alerts, const char *rule, uint64_t until_ms,
                          trigperf_error **err) {
    entry *one = rule == NULL ? NULL : find_rule(alerts, rule);
    if (rule != NULL && one == NULL) {
        return no_rule(rule, err);
    }
    *(one == NULL ? &alerts->silent_until_ms : &one->silent_until_ms) = until_ms;
    return TRIGPERF_OK;
}

/* --- states ------------------------------------------------------------------------------------*/

static tracked *make_tracked(entry *of, const tp_label *labels, uint32_t label_count) {
    tracked *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return NULL;
    }
    one->of = of;
    bool good = tp_alert_labels_copy(&one->labels, labels, label_count);
    if (good && of->rule->usual) {
        one->usual = calloc(1, sizeof *one->usual);
        good = one->usual != NULL;
    }
    if (!good) {
        free_tracked(one);
        return NULL;
    }
    return one;
}

static int32_t find_tracked(tp_alerts *alerts, entry *of, const tp_label *labels,
                            uint32_t label_count, tracked **out, trigperf_error **err) {
    tp_strbuf key = TP_STRBUF_INIT;
    tp_alert_labels_key(labels, label_count, &key);
    tracked *one = key.failed ? NULL : tp_map_get(of->states, tp_strbuf_str(&key), key.length);
    int32_t status = key.failed ? tp_error_nomem(err) : TRIGPERF_OK;
    if (status == TRIGPERF_OK && one == NULL && alerts->state_count >= alerts->max_states) {
        alerts->unwatched++;
        status = tp_error_set(err, TRIGPERF_E_LIMIT, "match fewer series with label.NAME",
                              "alert rule \"%s\": the limit of %u watched series is reached",
                              of->rule->name, alerts->max_states);
    } else if (status == TRIGPERF_OK && one == NULL) {
        one = make_tracked(of, labels, label_count);
        if (one == NULL || !tp_map_put(of->states, tp_strbuf_str(&key), key.length, one, NULL)) {
            if (one != NULL) {
                free_tracked(one);
            }
            status = tp_error_nomem(err);
        } else {
            alerts->state_count++;
        }
    }
    tp_strbuf_free(&key);
    if (status == TRIGPERF_OK) {
        *out = one;
    }
    return status;
}

static void judge(tp_alerts *alerts, tracked *one, tp_alert_time time, double value,
                  uint64_t samples) {
    const tp_alert_rule *rule = one->of->rule;
    uint64_t silent = one->of->silent_until_ms > alerts->silent_until_ms ? one->of->silent_until_ms
                                                                         : alerts->silent_until_ms;
    tp_alert_finding finding = {value, (double)NAN, samples, time.now_ms, time.unix_ms, silent};
    if (rule->usual) {
        bool known = tp_usual_get(one->usual, &finding.usual);
        tp_usual_put(one->usual, value);
        if (!known || !(finding.usual > 0)) {
            return;
        }
        finding.value = (value / finding.usual - 1) * 100;
    }
    if (tp_alert_state_judge(&one->state, rule, &finding, &alerts->numbers) && !one->queued) {
        TP_QUEUE_APPEND(alerts->queue, one);
        one->queued = true;
    }
}

/* --- readings ----------------------------------------------------------------------------------*/

static bool has_labels(const tp_alert_rule *rule, const tp_reading *reading, uint32_t index) {
    bool good = true;
    for (uint32_t i = 0; good && i < rule->label_count; i++) {
        const char *value = tp_reading_label_value(reading, index, rule->labels[i].name);
        good = value != NULL && strcmp(value, rule->labels[i].value) == 0;
    }
    return good;
}

static uint32_t labels_of(const tp_reading *reading, uint32_t index, tp_label *labels) {
    uint32_t count = tp_reading_at(reading, index).label_count;
    for (uint32_t i = 0; i < count; i++) {
        labels[i] = tp_reading_label(reading, index, i);
    }
    return count;
}

/* The series of the second name by their labels; NULL when memory is short. */
static tp_map *index_over(const tp_alert_rule *rule, const tp_reading *reading) {
    tp_map *map = tp_map_new();
    tp_strbuf key = TP_STRBUF_INIT;
    bool good = map != NULL;
    for (uint32_t i = 0; good && i < tp_reading_count(reading); i++) {
        tp_label labels[TP_SERIES_LABELS_MAX];
        if (strcmp(tp_reading_at(reading, i).name, rule->over) == 0) {
            tp_strbuf_reset(&key);
            tp_alert_labels_key(labels, labels_of(reading, i, labels), &key);
            good = !key.failed && tp_map_put(map, tp_strbuf_str(&key), key.length,
                                             (void *)((uintptr_t)i + 1), NULL);
        }
    }
    tp_strbuf_free(&key);
    if (!good) {
        tp_map_free(map, NULL);
        return NULL;
    }
    return map;
}

/* The partner of a series for ratio and share; found is false when there is none. */
static int32_t find_over(const tp_map *index, const tp_reading *reading, const tp_label *labels,
                         uint32_t label_count, tp_series_view *out, bool *found,
                         trigperf_error **err) {
    tp_strbuf key = TP_STRBUF_INIT;
    tp_alert_labels_key(labels, label_count, &key);
    bool failed = key.failed;
    void *number = failed ? NULL : tp_map_get(index, tp_strbuf_str(&key), key.length);
    tp_strbuf_free(&key);
    *found = number != NULL;
    if (number != NULL) {
        *out = tp_reading_at(reading, (uint32_t)((uintptr_t)number - 1));
    }
    return failed ? tp_error_nomem(err) : TRIGPERF_OK;
}

/* One series of a reading, under one rule. */
static int32_t judge_series(tp_alerts *alerts, entry *of, tp_alert_time time,
                            const tp_reading *reading, uint32_t index, const tp_map *over_index,
                            trigperf_error **err) {
    tp_label labels[TP_SERIES_LABELS_MAX];
    tp_series_view series = tp_reading_at(reading, index);
    tp_series_view over;
    tracked *one = NULL;
    double value = 0;
    uint64_t samples = 0;
    uint32_t label_count = labels_of(reading, index, labels);
    bool found = true;
    int32_t status = over_index == NULL
                         ? TRIGPERF_OK
                         : find_over(over_index, reading, labels, label_count, &over, &found, err);
    if (status == TRIGPERF_OK && found) {
        status = find_tracked(alerts, of, labels, label_count, &one, err);
    }
    if (status != TRIGPERF_OK || !found) {
        return status;
    }
    switch (tp_alert_watch_read(&one->watch, of->rule, &series, over_index == NULL ? NULL : &over,
                                time.now_ms, of->applied, &value, &samples)) {
    case TP_WATCH_VALUE:
        judge(alerts, one, time, value, samples);
        return TRIGPERF_OK;
    case TP_WATCH_UNFIT:
        of->unfit = true;
        return TRIGPERF_OK;
    case TP_WATCH_NOMEM:
        return tp_error_nomem(err);
    case TP_WATCH_NOT_YET:
        break;
    }
    return TRIGPERF_OK;
}

static int32_t apply(tp_alerts *alerts, entry *of, tp_alert_time time, const tp_reading *reading,
                     trigperf_error **err) {
    tp_map *over = NULL;
    int32_t status = TRIGPERF_OK;
    if (of->rule->over != NULL) {
        over = index_over(of->rule, reading);
        if (over == NULL) {
            return tp_error_nomem(err);
        }
    }
    of->unfit = false;
    for (uint32_t i = 0; status != TRIGPERF_E_NOMEM && i < tp_reading_count(reading); i++) {
        if (strcmp(tp_reading_at(reading, i).name, of->rule->series) == 0 &&
            has_labels(of->rule, reading, i)) {
            status = judge_series(alerts, of, time, reading, i, over, NULL);
        }
    }
    of->applied = of->applied || status != TRIGPERF_E_NOMEM;
    tp_map_free(over, NULL);
    return status == TRIGPERF_E_NOMEM ? tp_error_nomem(err) : TRIGPERF_OK;
}

int32_t tp_alerts_judge(tp_alerts *alerts, tp_alert_time time, const tp_reading *reading,
                        trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (entry *one = alerts->rules; status == TRIGPERF_OK && one != NULL; one = one->next) {
        if (one->rule->measure != TP_ALERT_FED) {
            status = apply(alerts, one, time, reading, err);
        }
    }
    return status;
}

int32_t tp_alerts_begin(tp_alerts *alerts, const char *name, tp_alert_time time,
                        const tp_reading *reading, trigperf_error **err) {
    entry *one = find_rule(alerts, name);
    if (one == NULL) {
        return no_rule(name, err);
    }
    return one->rule->measure == TP_ALERT_FED ? TRIGPERF_OK
                                              : apply(alerts, one, time, reading, err);
}

int32_t tp_alerts_feed(tp_alerts *alerts, tp_alert_time time, const char *rule,
                       const tp_label *labels, uint32_t label_count, double value, uint64_t samples,
                       trigperf_error **err) {
    entry *of = find_rule(alerts, rule);
    tracked *one = NULL;
    if (of == NULL) {
        return no_rule(rule, err);
    }
    if (of->rule->measure != TP_ALERT_FED || isnan(value)) {
        return tp_error_set(err, TRIGPERF_E_INVALID,
                            "leave out what was not measured; other rules look for themselves",
                            "alert rule \"%s\": expected measure=fed and a number", rule);
    }
    int32_t status = find_tracked(alerts, of, labels, label_count, &one, err);
    if (status == TRIGPERF_OK && samples >= of->rule->min_samples) {
        judge(alerts, one, time, value, samples);
    }
    return status;
}

/* --- events ------------------------------------------------------------------------------------*/

uint64_t tp_alerts_number(const tp_alerts *alerts) {
    return alerts->numbers;
}

bool tp_alerts_waiting(const tp_alerts *alerts) {
    return alerts->queue != NULL;
}

int32_t tp_alerts_next(tp_alerts *alerts, tp_alert **out, trigperf_error **err) {
    tracked *one = alerts->queue;
    tp_alert_event event;
    if (one == NULL) {
        *out = NULL;
        return TRIGPERF_OK;
    }
    tp_alert *alert = tp_alert_make(one->of->rule, &one->state.events[0], &one->labels);
    if (alert == NULL) {
        return tp_error_nomem(err);
    }
    tp_alert_state_take(&one->state, &event);
    TP_QUEUE_REMOVE(alerts->queue, one);
    one->queued = one->state.waiting > 0;
    if (one->queued) {
        TP_QUEUE_APPEND(alerts->queue, one);
    }
    *out = alert;
    return TRIGPERF_OK;
}

/* --- status ------------------------------------------------------------------------------------*/

static void put_states(const entry *of, tp_strbuf *json) {
    void *cursor = NULL;
    void *value;
    tp_json_open(json, "standing", '[');
    while (tp_map_next(of->states, &cursor, NULL, &value)) {
        const tracked *one = value;
        if (one->state.level != TP_ALERT_OK) {
            tp_json_open(json, NULL, '{');
            tp_alert_labels_json(&one->labels, json);
            tp_json_text(json, "level", tp_alert_level_name(one->state.level));
            tp_json_double(json, "value", one->state.value);
            tp_json_close(json, '}');
        }
    }
    tp_json_close(json, ']');
}

static void put_rule(const tp_alerts *alerts, const entry *of, uint64_t now_ms, tp_strbuf *json) {
    uint64_t silent = of->silent_until_ms > alerts->silent_until_ms ? of->silent_until_ms
                                                                    : alerts->silent_until_ms;
    tp_json_open(json, NULL, '{');
    tp_json_text(json, "name", of->rule->name);
    tp_json_text(json, "definition", of->rule->text);
    tp_json_uint(json, "series", tp_map_count(of->states));
    tp_json_bool(json, "fits", !of->unfit);
    tp_json_uint(json, "silent_ms", silent > now_ms ? silent - now_ms : 0);
    put_states(of, json);
    tp_json_close(json, '}');
}

void tp_alerts_status(const tp_alerts *alerts, uint64_t now_ms, tp_strbuf *json) {
    tp_json_open(json, NULL, '{');
    tp_json_open(json, "rules", '[');
    for (const entry *one = alerts->rules; one != NULL; one = one->next) {
        put_rule(alerts, one, now_ms, json);
    }
    tp_json_close(json, ']');
    tp_json_uint(json, "events", alerts->numbers);
    tp_json_uint(json, "unwatched", alerts->unwatched);
    tp_json_close(json, '}');
}
