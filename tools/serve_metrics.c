/* A family is written in one piece: its head when the first sample comes, then the samples. What
 * was not measured has no sample. Times of triggers are summaries: the sum and the number are
 * counters since the day in which the server began, quantiles those of the sampled executions in
 * that time. */
#include "serve_metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trigperf.h>

#include "report_period.h"
#include "say.h"
#include "serve_view.h"

typedef struct writer {
    FILE *out;
    const char *name; /* of the family */
    const char *type;
    const char *help;
    bool begun;
} writer;

static void family(writer *to, const char *name, const char *type, const char *help) {
    to->name = name;
    to->type = type;
    to->help = help;
    to->begun = false;
}

static void put_label(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
        } else {
            if (*text == '"' || *text == '\\') {
                fputc('\\', out);
            }
            fputc(*text, out);
        }
    }
}

/* labels: name, value, name, value .. NULL; those without a value are left out. */
static void sample(writer *to, const char *suffix, const char *const *labels, double value) {
    const char *separator = "{";
    if (!to->begun) {
        fprintf(to->out, "# HELP %s %s\n# TYPE %s %s\n", to->name, to->help, to->name, to->type);
        to->begun = true;
    }
    fprintf(to->out, "%s%s", to->name, suffix);
    for (; labels != NULL && labels[0] != NULL; labels += 2) {
        if (labels[1] != NULL && labels[1][0] != '\0') {
            fprintf(to->out, "%s%s=\"", separator, labels[0]);
            put_label(to->out, labels[1]);
            fputc('"', to->out);
            separator = ",";
        }
    }
    fprintf(to->out, "%s %.15g\n", separator[0] == ',' ? "}" : "", value);
}

static void put_number(writer *to, const char *suffix, const char *const *labels,
                       const json_t *object, const char *member, double scale) {
    const json_t *value = json_object_get(object, member);
    if (json_is_number(value)) {
        sample(to, suffix, labels, json_number_value(value) * scale);
    }
}

static void put_boolean(writer *to, const char *const *labels, const json_t *object,
                        const char *member) {
    const json_t *value = json_object_get(object, member);
    if (json_is_boolean(value)) {
        sample(to, "", labels, json_is_true(value) ? 1 : 0);
    }
}

static const char *text_of(const json_t *object, const char *member) {
    return json_string_value(json_object_get(object, member));
}

/* --- triggers
 * -----------------------------------------------------------------------------------*/

enum { TRIGGER_LABELS = 11, TRIGGER_FREE = 8 };

/* Where figures are not the server's own of a trigger: what it told of itself, or a bracket and its
 * triggers. Sums and shares leave these out. */
static const char *view_of(const json_t *trigger) {
    const char *measured = text_of(trigger, "measured");
    bool server =
        measured == NULL || strcmp(measured, "trigger") == 0 || strcmp(measured, "function") == 0;
    if (server) {
        return json_is_false(json_object_get(trigger, "counted")) ? "bracket" : NULL;
    }
    return measured;
}

static void label_trigger(const json_t *trigger, const char *labels[TRIGGER_LABELS]) {
    labels[0] = "table";
    labels[1] = text_of(trigger, "table");
    labels[2] = "trigger";
    labels[3] = text_of(trigger, "trigger");
    labels[4] = "function";
    labels[5] = text_of(trigger, "function");
    labels[6] = "measured";
    labels[7] = view_of(trigger);
    labels[8] = labels[9] = labels[10] = NULL;
}

static void put_quantiles(writer *to, const char **labels, size_t free_at, const json_t *object,
                          const char *const members[3], double scale) {
    static const char *const quantiles[] = {"0.5", "0.95", "0.99"};
    labels[free_at] = "quantile";
    labels[free_at + 2] = NULL;
    for (int i = 0; i < 3; i++) {
        labels[free_at + 1] = quantiles[i];
        put_number(to, "", labels, object, members[i], scale);
    }
    labels[free_at] = NULL;
}

static void put_durations(writer *to, const json_t *triggers) {
    static const char *const members[] = {"p50_ms", "p95_ms", "p99_ms"};
    size_t index = 0;
    const json_t *trigger = NULL;
    const char *labels[TRIGGER_LABELS];
    family(to, "trigperf_trigger_duration_seconds", "summary",
           "Time in trigger functions; quantiles of sampled executions.");
    json_array_foreach(triggers, index, trigger) {
        label_trigger(trigger, labels);
        put_quantiles(to, labels, TRIGGER_FREE, trigger, members, 1e-3);
        put_number(to, "_sum", labels, trigger, "total_ms", 1e-3);
        put_number(to, "_count", labels, trigger, "executions", 1);
    }
}

static void put_triggers(writer *to, const json_t *triggers) {
    static const struct {
        const char *name;
        const char *type;
        const char *help;
        const char *member;
        double scale;
    } families[] = {
        {"trigperf_trigger_self_seconds_total", "counter",
         "Time in trigger functions without what they call.", "self_ms", 1e-3},
        {"trigperf_trigger_errors_total", "counter", "Executions of triggers that failed.",
         "errors", 1},
        {"trigperf_trigger_skipped_total", "counter",
         "Sampled executions of triggers that had nothing to do.", "skipped", 1},
        {"trigperf_trigger_max_seconds", "gauge", "Longest sampled execution of a trigger.",
         "max_ms", 1e-3},
    };
    size_t index = 0;
    const json_t *trigger = NULL;
    const char *labels[TRIGGER_LABELS];
    put_durations(to, triggers);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        family(to, families[i].name, families[i].type, families[i].help);
        json_array_foreach(triggers, index, trigger) {
            label_trigger(trigger, labels);
            put_number(to, "", labels, trigger, families[i].member, families[i].scale);
        }
    }
    family(to, "trigperf_trigger_enabled", "gauge", "Whether the trigger fires.");
    json_array_foreach(triggers, index, trigger) {
        label_trigger(trigger, labels);
        put_boolean(to, labels, trigger, "enabled");
    }
}

/* --- delivery
 * -----------------------------------------------------------------------------------*/

static void put_consumers(writer *to, const json_t *consumers) {
    static const char *const names[] = {"trigperf_consumer_lag_seconds",
                                        "trigperf_consumer_lag_bytes"};
    static const char *const helps[] = {
        "Age of the oldest change that a consumer has not acknowledged.",
        "Log that a consumer of the source wal has not acknowledged."};
    static const char *const members[] = {"lag_seconds", "lag_bytes"};
    size_t index = 0;
    const json_t *one = NULL;
    for (int i = 0; i < 3; i++) {
        if (i < 2) {
            family(to, names[i], "gauge", helps[i]);
        } else {
            family(to, "trigperf_consumer_connected", "gauge", "Whether a consumer is at work.");
        }
        json_array_foreach(consumers, index, one) {
            const char *labels[] = {"consumer", text_of(one, "name"), "source",
                                    text_of(one, "source"), NULL};
            if (i < 2) {
                put_number(to, "", labels, one, members[i], 1);
            } else {
                put_boolean(to, labels, one, "connected");
            }
        }
    }
}

static void put_slots(writer *to, const json_t *slots) {
    size_t index = 0;
    const json_t *one = NULL;
    family(to, "trigperf_slot_retained_bytes", "gauge",
           "Log that the server keeps for a replication slot.");
    json_array_foreach(slots, index, one) {
        const char *labels[] = {"slot", text_of(one, "slot"), "consumer", text_of(one, "consumer"),
                                NULL};
        put_number(to, "", labels, one, "retained_bytes", 1);
    }
    family(to, "trigperf_slot_active", "gauge", "Whether a replication slot is read.");
    json_array_foreach(slots, index, one) {
        const char *labels[] = {"slot", text_of(one, "slot"), "consumer", text_of(one, "consumer"),
                                NULL};
        put_boolean(to, labels, one, "active");
    }
}

static void put_delivery(writer *to, const json_t *report, const json_t *status) {
    const json_t *delivery = json_object_get(report, "delivery");
    const json_t *notifier = json_object_get(status, "notifier");
    family(to, "trigperf_outbox_bytes", "gauge", "Size of the outbox with its indexes.");
    put_number(to, "", NULL, delivery, "outbox_bytes", 1);
    family(to, "trigperf_outbox_rows", "gauge", "Rows of the outbox, as the server estimates.");
    put_number(to, "", NULL, delivery, "outbox_rows_estimate", 1);
    put_consumers(to, json_object_get(delivery, "consumers"));
    put_slots(to, json_object_get(delivery, "slots"));
    family(to, "trigperf_members", "gauge", "Contexts that are connected.");
    put_number(to, "", NULL, status, "members", 1);
    family(to, "trigperf_notifier_beat_age_seconds", "gauge",
           "Time since the elected notifier was heard of.");
    put_number(to, "", NULL, notifier, "beat_age_s", 1);
    family(to, "trigperf_capture_errors", "gauge",
           "Entries of the error log in the last 24 hours.");
    put_number(to, "", NULL, json_object_get(status, "errors"), "last_24h", 1);
    family(to, "trigperf_attached_tables", "gauge", "Tables that are attached.");
    if (json_is_array(json_object_get(status, "tables"))) {
        sample(to, "", NULL, (double)json_array_size(json_object_get(status, "tables")));
    }
}

/* --- alerts, KPIs ------------------------------------------------------------------------------
 */

static bool same_subject(const json_t *a, const json_t *b) {
    return json_equal(json_object_get(a, "rule"), json_object_get(b, "rule")) &&
           json_equal(json_object_get(a, "subject"), json_object_get(b, "subject")) &&
           json_equal(json_object_get(a, "labels"), json_object_get(b, "labels"));
}

/* What stands comes first, then events, the newest first: the first of a rule and subject counts.
 */
static bool is_first(const json_t *alerts, size_t place) {
    for (size_t i = 0; i < place; i++) {
        if (same_subject(json_array_get(alerts, i), json_array_get(alerts, place))) {
            return false;
        }
    }
    return true;
}

static double level_of(const json_t *alert) {
    const char *level = text_of(alert, "level");
    return level == NULL ? 0 : strcmp(level, "critical") == 0 ? 2 : strcmp(level, "ok") != 0;
}

static void put_alerts(writer *to, const json_t *report) {
    size_t index = 0;
    const json_t *alert = NULL;
    json_t *alerts = serve_alerts(report);
    family(to, "trigperf_alert_level", "gauge",
           "Level of an alert rule: 0 ok, 1 warning, 2 critical.");
    json_array_foreach(alerts, index, alert) {
        if (is_first(alerts, index)) {
            char *more =
                json_dumps(json_object_get(alert, "labels"), JSON_COMPACT | JSON_SORT_KEYS);
            const char *labels[] = {
                "rule",    text_of(alert, "rule"),
                "subject", text_of(alert, "subject"),
                "labels",  more != NULL && strcmp(more, "{}") != 0 ? more : NULL,
                NULL};
            sample(to, "", labels, level_of(alert));
            free(more);
        }
    }
    json_decref(alerts);
}

/* How long nobody has looked at the server's counters; nothing before the first look. */
static void put_age(writer *to, const json_t *report) {
    double age = report_time_of(report, "generated_at") -
                 report_time_of(json_object_get(report, "database"), "collected_at");
    if (!isnan(age)) {
        family(to, "trigperf_measured_age_seconds", "gauge",
               "Time since the triggers were last measured.");
        sample(to, "", NULL, age > 0 ? age : 0);
    }
}

static void put_kpis(writer *to, const json_t *kpis) {
    size_t index = 0;
    const json_t *kpi = NULL;
    family(to, "trigperf_kpi_ok", "gauge", "Whether the triggers of a KPI are there and fire.");
    json_array_foreach(kpis, index, kpi) {
        const char *state = text_of(kpi, "state");
        const char *labels[] = {"target", text_of(kpi, "target"), "mode", text_of(kpi, "mode"),
                                NULL};
        sample(to, "", labels, state != NULL && strcmp(state, "ok") == 0 ? 1 : 0);
    }
}

/* --- series of hosts ---------------------------------------------------------------------------
 */

enum { SERIES_LABELS = 40 };

/* Labels of a series; up to 16 in this library. */
static size_t label_series(const json_t *series, const char *labels[SERIES_LABELS]) {
    size_t count = 0;
    const char *name = NULL;
    json_t *value = NULL;
    json_t *all = json_object_get(series, "labels");
    json_object_foreach(all, name, value) {
        if (count + 6 < SERIES_LABELS && json_is_string(value)) {
            labels[count++] = name;
            labels[count++] = json_string_value(value);
        }
    }
    labels[count] = NULL;
    return count;
}

static void put_series(writer *to, const json_t *series) {
    static const char *const members[] = {"p50", "p95", "p99"};
    const char *labels[SERIES_LABELS];
    const char *kind = text_of(series, "kind");
    size_t count = label_series(series, labels);
    if (strcmp(kind, "histogram") == 0) {
        put_quantiles(to, labels, count, series, members, 1);
        put_number(to, "_sum", labels, series, "sum", 1);
        put_number(to, "_count", labels, series, "count", 1);
    } else {
        put_number(to, "", labels, series, strcmp(kind, "gauge") == 0 ? "value" : "count", 1);
    }
}

/* The report has them by name, so that a family is in one piece. */
static void put_host_series(writer *to, const json_t *all) {
    size_t index = 0;
    const json_t *series = NULL;
    char last[256] = "";
    json_array_foreach(all, index, series) {
        const char *name = text_of(series, "name");
        const char *kind = text_of(series, "kind");
        if (name == NULL || kind == NULL || strlen(name) >= sizeof last) {
            continue;
        }
        if (strcmp(name, last) != 0) {
            snprintf(last, sizeof last, "%s", name);
            family(to, last, strcmp(kind, "histogram") == 0 ? "summary" : kind,
                   "A series of the hosts, since this server began.");
        }
        put_series(to, series);
    }
}

/* --- all of it ---------------------------------------------------------------------------------
 */

char *serve_metrics_text(const json_t *report, const json_t *status, const json_t *kpis) {
    char *text = NULL;
    size_t size = 0;
    writer to = {.out = say_allocated(open_memstream(&text, &size))};
    if (report != NULL) {
        put_age(&to, report);
        put_triggers(&to, json_object_get(report, "triggers"));
        put_delivery(&to, report, status);
        put_alerts(&to, report);
        put_kpis(&to, kpis);
        put_host_series(&to, json_object_get(report, "series"));
    }
    fclose(to.out);
    return say_allocated(text);
}

char *serve_metrics_own(const serve_figures *figures, int up) {
    char *text = NULL;
    size_t size = 0;
    writer to = {.out = say_allocated(open_memstream(&text, &size))};
    const char *version[] = {"version", trigperf_version(), NULL};
    family(&to, "trigperf_up", "gauge", "Whether the database answers.");
    sample(&to, "", NULL, up);
    family(&to, "trigperf_build_info", "gauge", "Version of the command.");
    sample(&to, "", version, 1);
    if (figures->age_s >= 0) {
        family(&to, "trigperf_report_age_seconds", "gauge", "Age of the figures of the database.");
        sample(&to, "", NULL, figures->age_s);
    }
    family(&to, "trigperf_serve_requests_total", "counter", "Requests that were answered.");
    sample(&to, "", NULL, (double)figures->requests);
    family(&to, "trigperf_serve_refused_total", "counter",
           "Requests without the token, or from elsewhere.");
    sample(&to, "", NULL, (double)figures->refused);
    family(&to, "trigperf_serve_clients", "gauge", "Browsers that are connected.");
    sample(&to, "", NULL, (double)figures->clients);
    family(&to, "trigperf_serve_missed_messages_total", "counter",
           "Messages that browsers were too slow for.");
    sample(&to, "", NULL, (double)figures->missed);
    family(&to, "trigperf_serve_reconnects_total", "counter",
           "How often the database was connected to again.");
    sample(&to, "", NULL, (double)figures->reconnects);
    fclose(to.out);
    return say_allocated(text);
}
