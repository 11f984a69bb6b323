/* The first 200 triggers (the report has them by time), the first 200 series, sums of each hour for
 * all triggers together, and percentiles of each hour for the five slowest. */
#include "serve_view.h"

#include <stdlib.h>
#include <string.h>

#include <trigperf.h>

#include "say.h"

enum { TRIGGERS_MAX = 200, SERIES_MAX = 200, CURVES_MAX = 5, OTHERS_MAX = 50 };

static json_t *first_of(const json_t *array, size_t max) {
    json_t *some = json_array();
    size_t index = 0;
    json_t *one = NULL;
    json_array_foreach(array, index, one) {
        if (index < max) {
            json_array_append(some, one);
        }
    }
    return some;
}

static void add(json_t *sums, const json_t *entry, const char *member) {
    const json_t *value = json_object_get(entry, member);
    const json_t *sum = json_object_get(sums, member);
    if (json_is_number(value)) {
        json_object_set_new(sums, member,
                            json_real(json_number_value(sum) + json_number_value(value)));
    }
}

/* Each execution once: not of entries that are another view of what a further one counts. Errors
 * stand in one entry only. */
static void add_entry(json_t *sums, const json_t *entry) {
    if (!json_is_false(json_object_get(entry, "counted"))) {
        add(sums, entry, "executions");
        add(sums, entry, "total_ms");
    }
    add(sums, entry, "errors");
}

/* Executions, time and errors of each hour; hours come in order. */
static json_t *hours(const json_t *timeline) {
    json_t *list = json_array();
    json_t *last = NULL;
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(timeline, index, entry) {
        json_t *at = json_object_get(entry, "at");
        if (last == NULL || !json_equal(json_object_get(last, "at"), at)) {
            last = json_pack("{s:O, s:n, s:n, s:n}", "at", at, "executions", "total_ms", "errors");
            json_array_append_new(list, last);
        }
        add_entry(last, entry);
    }
    return list;
}

static int same_trigger(const json_t *a, const json_t *b) {
    return json_equal(json_object_get(a, "table"), json_object_get(b, "table")) &&
           json_equal(json_object_get(a, "trigger"), json_object_get(b, "trigger")) &&
           json_equal(json_object_get(a, "function"), json_object_get(b, "function"));
}

static json_t *curve(const json_t *trigger, const json_t *timeline) {
    json_t *points = json_array();
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(timeline, index, entry) {
        json_t *p95 = json_object_get(entry, "p95_ms");
        if (json_is_number(p95) && same_trigger(trigger, entry)) {
            json_array_append_new(
                points, json_pack("{s:O, s:O}", "at", json_object_get(entry, "at"), "p95_ms", p95));
        }
    }
    return json_pack("{s:O, s:O, s:O, s:o}", "table", json_object_get(trigger, "table"), "trigger",
                     json_object_get(trigger, "trigger"), "function",
                     json_object_get(trigger, "function"), "points", points);
}

static json_t *curves(const json_t *report) {
    json_t *list = json_array();
    size_t index = 0;
    const json_t *trigger = NULL;
    const json_t *triggers = json_object_get(report, "triggers");
    json_array_foreach(triggers, index, trigger) {
        if (json_is_number(json_object_get(trigger, "p95_ms")) &&
            json_array_size(list) < CURVES_MAX) {
            json_array_append_new(list, curve(trigger, json_object_get(report, "timeline")));
        }
    }
    return list;
}

/* Sums over all triggers, those that are not shown too; null when nothing of it was measured. */
static json_t *totals(const json_t *triggers) {
    json_t *sums = json_pack("{s:n, s:n, s:n}", "executions", "total_ms", "errors");
    size_t index = 0;
    const json_t *trigger = NULL;
    json_array_foreach(triggers, index, trigger) {
        add_entry(sums, trigger);
    }
    json_object_set_new(sums, "triggers", json_integer((json_int_t)json_array_size(triggers)));
    return sums;
}

static void copy(json_t *view, const json_t *from, const char *member) {
    json_t *value = json_object_get(from, member);
    json_object_set(view, member, value != NULL ? value : json_null());
}

json_t *serve_alerts(const json_t *report) {
    static const char *const members[] = {"standing", "alerts"};
    json_t *all = say_allocated(json_array());
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_array_extend(all, json_object_get(report, members[i]));
    }
    return all;
}

static void put_report(json_t *view, const json_t *report) {
    static const char *const members[] = {"generated_at", "since",    "until",
                                          "database",     "delivery", "overhead"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        copy(view, report, members[i]);
    }
    const json_t *triggers = json_object_get(report, "triggers");
    json_object_set_new(view, "alerts", serve_alerts(report));
    json_object_set_new(view, "totals", totals(triggers));
    json_object_set_new(view, "triggers", first_of(triggers, TRIGGERS_MAX));
    json_object_set_new(view, "series", first_of(json_object_get(report, "series"), SERIES_MAX));
    json_object_set_new(view, "errors", first_of(json_object_get(report, "errors"), OTHERS_MAX));
    json_object_set_new(view, "hours", hours(json_object_get(report, "timeline")));
    json_object_set_new(view, "curves", curves(report));
}

char *serve_view(const json_t *report, const json_t *status, const json_t *kpis,
                 const char *reason) {
    json_t *view =
        json_pack("{s:s, s:b, s:s?}", "type", "view", "up", report != NULL, "reason", reason);
    if (report != NULL) {
        put_report(view, report);
        copy(view, status, "notifier");
        copy(view, status, "members");
        json_object_set_new(view, "kpis", first_of(kpis, OTHERS_MAX));
    }
    char *text = say_allocated(json_dumps(view, JSON_COMPACT));
    json_decref(view);
    return text;
}
