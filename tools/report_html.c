/* The report as one HTML file.
 *
 * No script and nothing from elsewhere: a policy in the head forbids both, so that the file can be
 * mailed, archived and opened anywhere. The order is that of reading: figures, then the triggers
 * that take most time, how long they take over time, what fails, what is slowest, alerts, advice,
 * delivery. Every chart has the table with its figures behind it; cells hold the exact value of the
 * JSON document in data-value. */
#include "report_html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "render.h"
#include "report_chart.h"
#include "report_period.h"
#include "report_style.h"
#include "say.h"

enum { BARS = 15, LINES = 6 };

typedef struct column {
    const char *name; /* of the member */
    const char *title;
    double factor; /* 0: text */
} column;

typedef struct page {
    FILE *out;
    const json_t *report;
    const json_t *previous; /* NULL: not compared */
    double since;
    double until;
} page;

static const json_t *rows_of(const page *p, const char *name) {
    return json_object_get(p->report, name);
}

static void label_of(const json_t *row, char *text, size_t size) {
    const char *table = html_string(row, "table");
    const char *trigger = html_string(row, "trigger");
    const char *function = html_string(row, "function");
    if (trigger[0] != '\0') {
        snprintf(text, size, "%s.%s%s", table, trigger, render_view(row));
    } else {
        snprintf(text, size, "%s%s%s", table, table[0] != '\0' ? " " : "", function);
    }
}

/* --- tables ------------------------------------------------------------------------------------*/

static void begin_section(const page *p, const char *id, const char *title) {
    fprintf(p->out, "<section id=\"%s\" aria-labelledby=\"%s-h\"><h2 id=\"%s-h\">%s</h2>\n", id, id,
            id, title);
}

static void put_head_cell(const page *p, const column *c, const json_t *value) {
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(c->name, "at") == 0) {
        chart_time(p->out, text);
    } else {
        html_name(p->out, text);
    }
}

static void put_row(const page *p, const json_t *row, const column *columns) {
    fputs("<tr>", p->out);
    for (const column *c = columns; c->name != NULL; c++) {
        const json_t *value = json_object_get(row, c->name);
        if (c == columns) {
            fputs("<th scope=\"row\">", p->out);
            put_head_cell(p, c, value);
            fputs("</th>", p->out);
        } else {
            html_cell(p->out, value, c->factor);
        }
    }
    fputs("</tr>\n", p->out);
}

static void put_table(const page *p, const char *id, const char *caption, const json_t *rows,
                      const column *columns) {
    if (json_array_size(rows) == 0) {
        fprintf(p->out, "<p class=\"dim\" id=\"%s\">%s: none.</p>\n", id, caption);
        return;
    }
    fprintf(p->out,
            "<div class=\"scroll\" role=\"region\" aria-label=\"%s\" tabindex=\"0\">"
            "<table id=\"%s\"><caption>%s</caption><thead><tr>",
            caption, id, caption);
    for (const column *c = columns; c->name != NULL; c++) {
        fprintf(p->out, "<th scope=\"col\"%s>%s</th>", c->factor != 0 ? " class=\"n\"" : "",
                c->title);
    }
    fputs("</tr></thead><tbody>\n", p->out);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        put_row(p, json_array_get(rows, i), columns);
    }
    fputs("</tbody></table></div>\n", p->out);
}

/* --- figures -----------------------------------------------------------------------------------*/

/* Each execution once: not of entries that are another view of what a further one counts. Errors
 * stand in one entry only. */
static bool is_counted(const json_t *row, const char *member) {
    return strncmp(member, "error", 5) == 0 || !json_is_false(json_object_get(row, "counted"));
}

static double sum(const json_t *report, const char *member, bool *known) {
    const json_t *rows = json_object_get(report, "triggers");
    double total = 0;
    *known = false;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const json_t *value = json_object_get(row, member);
        if (json_is_number(value) && is_counted(row, member)) {
            total += json_number_value(value);
            *known = true;
        }
    }
    return total;
}

static void put_count(FILE *out, double value) {
    json_t *number = json_real(value);
    html_figure(out, number, 1);
    json_decref(number);
}

static void put_tile(const page *p, const char *id, const char *title, const char *member,
                     void (*how)(FILE *out, double value)) {
    bool known = false;
    double value = sum(p->report, member, &known);
    fprintf(p->out, "<div><dt>%s</dt><dd id=\"%s\"", title, id);
    if (known) {
        fprintf(p->out, " data-value=\"%.17g\">", value);
        how(p->out, value);
    } else {
        fputs(">not measured", p->out);
    }
    double before = p->previous == NULL ? 0 : sum(p->previous, member, &known);
    if (p->previous != NULL && known) {
        fprintf(p->out, "<small id=\"%s-before\" data-value=\"%.17g\">before: ", id, before);
        how(p->out, before);
        fputs("</small>", p->out);
    }
    fputs("</dd></div>\n", p->out);
}

static void put_number_tile(const page *p, const char *id, const char *title, size_t value) {
    fprintf(p->out, "<div><dt>%s</dt><dd id=\"%s\" data-value=\"%zu\">%zu</dd></div>\n", title, id,
            value, value);
}

static size_t count_level(const json_t *rows, const char *member, const char *level) {
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        count += strcmp(html_string(json_array_get(rows, i), member), level) == 0 ? 1 : 0;
    }
    return count;
}

/* A trigger may have several lines, of the server's counters and of what it told; functions that
 * serve several triggers and brackets are none. */
static size_t count_triggers(const json_t *rows) {
    json_t *names = say_allocated(json_object());
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const json_t *name = json_object_get(row, "trigger");
        if (json_is_string(name) && strcmp(html_string(row, "measured"), "bracket") != 0) {
            json_t *pair = json_pack("[O, O]", json_object_get(row, "table"), name);
            char *key = say_allocated(json_dumps(pair, JSON_COMPACT));
            json_object_set_new(names, key, json_true());
            free(key);
            json_decref(pair);
        }
    }
    size_t count = json_object_size(names);
    json_decref(names);
    return count;
}

static void put_figures(const page *p) {
    const json_t *database = json_object_get(p->report, "database");
    const json_t *advice = rows_of(p, "advice");
    begin_section(p, "figures", "Figures");
    fputs("<dl class=\"tiles\">\n", p->out);
    put_number_tile(p, "sum-triggers", "Triggers", count_triggers(rows_of(p, "triggers")));
    put_tile(p, "sum-executions", "Executions", "executions", put_count);
    put_tile(p, "sum-time", "Time in triggers", "total_ms", html_duration);
    put_tile(p, "sum-errors", "Errors", "errors", put_count);
    put_number_tile(p, "sum-alerts", "Alert events", json_array_size(rows_of(p, "alerts")));
    put_number_tile(p, "sum-advice", "Advice, critical or warning",
                    count_level(advice, "severity", "critical") +
                        count_level(advice, "severity", "warning"));
    fputs("</dl>\n", p->out);
    const char *hint = html_string(database, "track_functions_hint");
    if (hint[0] != '\0') {
        fputs("<p><strong>Times of triggers are not measured.</strong> ", p->out);
        html_text(p->out, hint);
        fputs("</p>\n", p->out);
    }
    fputs("</section>\n", p->out);
}

/* --- triggers ----------------------------------------------------------------------------------*/

static const json_t *same_before(const page *p, const json_t *row) {
    const json_t *rows = p->previous == NULL ? NULL : json_object_get(p->previous, "triggers");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *one = json_array_get(rows, i);
        if (strcmp(html_string(one, "table"), html_string(row, "table")) == 0 &&
            strcmp(html_string(one, "trigger"), html_string(row, "trigger")) == 0 &&
            strcmp(html_string(one, "function"), html_string(row, "function")) == 0) {
            return one;
        }
    }
    return NULL;
}

static double number_or(const json_t *row, const char *member, double otherwise) {
    const json_t *value = json_object_get(row, member);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* The rows with the largest values of a member, as bars; only what is above 0. */
static void put_bars(const page *p, const char *id, const char *title, const char *member,
                     double factor, void (*how)(FILE *out, double value)) {
    const json_t *rows = rows_of(p, "triggers");
    chart_bar bars[BARS + 1];
    char labels[BARS + 1][300];
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        double value = is_counted(row, member) ? number_or(row, member, 0) * factor : 0;
        size_t at = count < BARS ? count++ : BARS;
        for (; at > 0 && bars[at - 1].value < value; at--) {
            bars[at] = bars[at - 1];
            memcpy(labels[at], labels[at - 1], sizeof labels[at]);
        }
        label_of(row, labels[at], sizeof labels[at]);
        double before = number_or(same_before(p, row), member, -1);
        bars[at] = (chart_bar){NULL, value, before < 0 ? before : before * factor};
    }
    while (count > 0 && !(bars[count - 1].value > 0)) {
        count--;
    }
    for (size_t i = 0; i < count; i++) {
        bars[i].label = labels[i];
    }
    if (count > 0) {
        chart_bars(p->out, id, title, bars, count, how);
    } else {
        fputs("<p class=\"dim\">Nothing to draw: nothing was measured, or all of it is 0.</p>\n",
              p->out);
    }
}

static void put_triggers(const page *p) {
    static const column columns[] = {
        {"label", "trigger", 0},         {"function", "function", 0},
        {"shared_by", "shared by", 1},   {"executions", "executions", 1},
        {"total_ms", "total ms", 1},     {"mean_ms", "mean ms", 1},
        {"p50_ms", "p50 ms", 1},         {"p95_ms", "p95 ms", 1},
        {"p99_ms", "p99 ms", 1},         {"max_ms", "max ms", 1},
        {"errors", "errors", 1},         {"error_rate", "errors %", 100},
        {"no_op_share", "no-op %", 100}, {NULL, NULL, 0}};
    static const column compared[] = {{"label", "trigger", 0},
                                      {"executions", "executions", 1},
                                      {"before_executions", "before", 1},
                                      {"mean_ms", "mean ms", 1},
                                      {"before_mean_ms", "before", 1},
                                      {"total_ms", "total ms", 1},
                                      {"before_total_ms", "before", 1},
                                      {"error_rate", "errors %", 100},
                                      {"before_error_rate", "before", 100},
                                      {NULL, NULL, 0}};
    static const char *const members[] = {"executions", "mean_ms", "total_ms", "error_rate"};
    json_t *rows = say_allocated(json_deep_copy(rows_of(p, "triggers")));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        char text[300];
        json_t *row = json_array_get(rows, i);
        const json_t *before = same_before(p, row);
        label_of(row, text, sizeof text);
        json_object_set_new(row, "label", json_string(text));
        for (size_t k = 0; before != NULL && k < sizeof members / sizeof members[0]; k++) {
            snprintf(text, sizeof text, "before_%s", members[k]);
            json_object_set(row, text, json_object_get(before, members[k]));
        }
    }
    begin_section(p, "time", "Time per trigger");
    put_bars(p, "chart-time", "Total time of the triggers that took most", "total_ms", 1,
             html_duration);
    if (p->previous != NULL) {
        fputs("<p class=\"dim\">The thin bar is the period before.</p>\n", p->out);
        put_table(p, "table-compare", "Compared with the period before", rows, compared);
    }
    put_table(p, "table-triggers", "All triggers", rows, columns);
    fputs("</section>\n", p->out);
    json_decref(rows);
}

/* --- percentiles -------------------------------------------------------------------------------*/

static bool same_trigger(const json_t *a, const json_t *b) {
    return strcmp(html_string(a, "table"), html_string(b, "table")) == 0 &&
           strcmp(html_string(a, "trigger"), html_string(b, "trigger")) == 0 &&
           strcmp(html_string(a, "function"), html_string(b, "function")) == 0;
}

/* The hours of a trigger; *measured: whether any has percentiles. */
static const json_t **hours_of(const page *p, const json_t *trigger, size_t *count,
                               bool *measured) {
    const json_t *timeline = rows_of(p, "timeline");
    const json_t **hours =
        say_allocated(calloc(json_array_size(timeline) + 1, sizeof(const json_t *)));
    *count = 0;
    *measured = false;
    for (size_t i = 0; i < json_array_size(timeline); i++) {
        const json_t *row = json_array_get(timeline, i);
        if (same_trigger(row, trigger)) {
            hours[(*count)++] = row;
            *measured = *measured || json_is_number(json_object_get(row, "p50_ms"));
        }
    }
    return hours;
}

static void put_percentiles(const page *p) {
    static const column columns[] = {
        {"at", "from", 0},       {"executions", "executions", 1}, {"total_ms", "total ms", 1},
        {"p50_ms", "p50 ms", 1}, {"p95_ms", "p95 ms", 1},         {"p99_ms", "p99 ms", 1},
        {"errors", "errors", 1}, {"hours", "hours", 1},           {NULL, NULL, 0}};
    const json_t *triggers = rows_of(p, "triggers");
    size_t drawn = 0;
    double since = p->since;
    double until = p->until;
    chart_span(rows_of(p, "timeline"), &since, &until);
    begin_section(p, "percentiles", "Percentiles over time");
    fputs("<p class=\"legend\"><span><svg width=\"34\" height=\"8\" aria-hidden=\"true\"><path "
          "class=\"line p50\" d=\"M2 4h30\"/></svg> median</span><span><svg width=\"34\" "
          "height=\"8\" aria-hidden=\"true\"><path class=\"line p95\" d=\"M2 4h30\"/></svg> 95 "
          "%</span><span><svg width=\"34\" height=\"8\" aria-hidden=\"true\"><path class=\"line "
          "p99\" d=\"M2 4h30\"/></svg> 99 %</span></p>\n",
          p->out);
    for (size_t i = 0; i < json_array_size(triggers) && drawn < LINES; i++) {
        char label[300];
        char id[40];
        size_t count = 0;
        bool measured = false;
        const json_t *trigger = json_array_get(triggers, i);
        const json_t **hours = hours_of(p, trigger, &count, &measured);
        if (measured) {
            label_of(trigger, label, sizeof label);
            fputs("<h3>", p->out);
            html_name(p->out, label);
            fputs("</h3>\n", p->out);
            snprintf(id, sizeof id, "chart-lines-%zu", drawn);
            chart_percentiles(p->out, id, label, hours, count, since, until);
            json_t *rows = say_allocated(json_array());
            for (size_t k = 0; k < count; k++) {
                json_array_append_new(rows, json_deep_copy(hours[k]));
            }
            snprintf(id, sizeof id, "table-hours-%zu", drawn++);
            put_table(p, id, "Hours and days", rows, columns);
            json_decref(rows);
        }
        free(hours);
    }
    if (drawn == 0) {
        fputs("<p class=\"dim\">No durations were sampled in this time.</p>\n", p->out);
    }
    fputs("</section>\n", p->out);
}

/* --- errors, slowest, alerts -------------------------------------------------------------------*/

static void put_percent(FILE *out, double value) {
    put_count(out, round(value * 100) / 100);
    fputs(" %", out);
}

static void put_errors(const page *p) {
    static const column columns[] = {{"at", "when", 0},
                                     {"table", "table", 0},
                                     {"trigger", "trigger", 0},
                                     {"operation", "operation", 0},
                                     {"sqlstate", "SQLSTATE", 0},
                                     {"message", "message", 0},
                                     {NULL, NULL, 0}};
    begin_section(p, "errors", "Error rate");
    put_bars(p, "chart-errors", "Share of executions that failed", "error_rate", 100, put_percent);
    put_table(p, "table-errors", "Newest errors", rows_of(p, "errors"), columns);
    fputs("</section>\n", p->out);
}

static void put_slowest(const page *p) {
    static const column columns[] = {
        {"at", "when", 0},         {"duration_ms", "ms", 1},    {"table", "table", 0},
        {"trigger", "trigger", 0}, {"function", "function", 0}, {"operation", "operation", 0},
        {"rows", "rows", 1},       {"error", "error", 0},       {NULL, NULL, 0}};
    begin_section(p, "slowest", "Slowest executions");
    put_table(p, "table-slowest", "Slowest of the sampled executions", rows_of(p, "slowest"),
              columns);
    fputs("</section>\n", p->out);
}

static void put_alerts(const page *p) {
    static const column columns[] = {{"at", "when", 0},         {"level", "level", 0},
                                     {"previous", "before", 0}, {"rule", "rule", 0},
                                     {"message", "message", 0}, {NULL, NULL, 0}};
    begin_section(p, "alerts", "Alerts");
    put_table(p, "table-alerts", "Events", rows_of(p, "alerts"), columns);
    fputs("</section>\n", p->out);
}

/* --- advice ------------------------------------------------------------------------------------*/

static void put_block(const page *p, const char *title, const char *text) {
    if (text[0] != '\0') {
        fprintf(p->out, "<p>%s</p><pre tabindex=\"0\" aria-label=\"%s\">", title, title);
        html_text(p->out, text);
        fputs("</pre>\n", p->out);
    }
}

static void put_sentence(const page *p, const char *title, const char *text) {
    if (text[0] != '\0') {
        fprintf(p->out, "<p><strong>%s</strong> ", title);
        html_text(p->out, text);
        fputs("</p>\n", p->out);
    }
}

static void put_finding(const page *p, const json_t *finding, size_t number) {
    const char *severity = html_string(finding, "severity");
    fprintf(p->out,
            "<article class=\"c-%s\" aria-labelledby=\"advice-%zu\"><h3 id=\"advice-%zu\">"
            "<span class=\"level %s\">%s</span> ",
            severity, number, number, severity, severity);
    html_name(p->out, html_string(finding, "id"));
    fputs(": ", p->out);
    html_name(p->out, html_string(finding, "object"));
    fputs("</h3>\n", p->out);
    put_sentence(p, "Found:", html_string(finding, "message"));
    put_sentence(p, "Why:", html_string(finding, "why"));
    put_sentence(p, "Do:", html_string(finding, "steps"));
    put_block(p, "SQL to change it", html_string(finding, "sql"));
    put_block(p, "SQL to take that back", html_string(finding, "undo"));
    fputs("</article>\n", p->out);
}

static void put_advice(const page *p) {
    static const char *const order[] = {"critical", "warning", "info"};
    const json_t *advice = rows_of(p, "advice");
    size_t number = 0;
    begin_section(p, "advice", "Advice");
    for (size_t level = 0; level < sizeof order / sizeof order[0]; level++) {
        for (size_t i = 0; i < json_array_size(advice); i++) {
            if (strcmp(html_string(json_array_get(advice, i), "severity"), order[level]) == 0) {
                put_finding(p, json_array_get(advice, i), number++);
            }
        }
    }
    if (number == 0) {
        fputs("<p class=\"dim\">Nothing was found.</p>\n", p->out);
    }
    fputs("</section>\n", p->out);
}

/* --- delivery and the rest ---------------------------------------------------------------------*/

static void put_overhead_figure(const page *p, const char *id, const json_t *number,
                                double factor) {
    fprintf(p->out, "<span id=\"%s\" data-value=\"%.17g\">", id, json_number_value(number));
    html_figure(p->out, number, factor);
    fputs("</span>", p->out);
}

/* What measuring itself costs, as far as it is known. */
static void put_overhead(const page *p, const json_t *overhead) {
    const json_t *each = json_object_get(overhead, "per_execution_us");
    const json_t *triggers = json_object_get(overhead, "share_of_triggers");
    const json_t *statements = json_object_get(overhead, "share_of_statements");
    if (!json_is_number(each)) {
        fputs("<p class=\"dim\">What measuring costs was not gauged yet.</p>\n", p->out);
        return;
    }
    fputs("<p class=\"dim\">Measuring costs ", p->out);
    put_overhead_figure(p, "overhead", each, 1);
    fputs(" \xC2\xB5s for an execution of a trigger of ours on average", p->out);
    if (json_is_number(triggers)) {
        fputs(", ", p->out);
        put_overhead_figure(p, "overhead-triggers", triggers, 100);
        fputs(" % of their time", p->out);
    }
    if (json_is_number(statements)) {
        fputs(", ", p->out);
        put_overhead_figure(p, "overhead-statements", statements, 100);
        fputs(" % of that of all statements", p->out);
    }
    fputs(".</p>\n", p->out);
}

static void put_delivery(const page *p) {
    static const column consumers[] = {{"name", "consumer", 0},       {"source", "source", 0},
                                       {"lag_seconds", "lag s", 1},   {"lag_bytes", "lag bytes", 1},
                                       {"connected", "connected", 0}, {NULL, NULL, 0}};
    static const column series[] = {
        {"name", "series", 0}, {"kind", "kind", 0},   {"count", "count", 1},
        {"sum", "sum s", 1},   {"p50", "p50 s", 1},   {"p95", "p95 s", 1},
        {"p99", "p99 s", 1},   {"value", "value", 1}, {NULL, NULL, 0}};
    begin_section(p, "delivery", "Delivery and hosts");
    put_table(p, "table-consumers", "Consumers",
              json_object_get(rows_of(p, "delivery"), "consumers"), consumers);
    put_table(p, "table-series", "Series of hosts", rows_of(p, "series"), series);
    put_overhead(p, rows_of(p, "overhead"));
    fputs("</section>\n", p->out);
}

/* --- the page ----------------------------------------------------------------------------------*/

static void put_period(const page *p, const char *before, const json_t *report) {
    fprintf(p->out, "<p>%s", before);
    chart_time(p->out, html_string(report, "since"));
    fputs(" to ", p->out);
    chart_time(p->out, html_string(report, "until"));
    fputs("</p>\n", p->out);
}

static void put_measured(const page *p) {
    const char *since = report_measured_since(p->report);
    if (since != NULL) {
        fprintf(p->out, "<p id=\"measured\">%s ",
                since[0] == '\0' ? report_not_measured : report_measured);
        if (since[0] != '\0') {
            chart_time(p->out, since);
        }
        fputs("</p>\n", p->out);
    }
}

static void put_head(const page *p) {
    static const char *const sections[][2] = {
        {"figures", "Figures"},   {"time", "Time per trigger"}, {"percentiles", "Percentiles"},
        {"errors", "Error rate"}, {"slowest", "Slowest"},       {"alerts", "Alerts"},
        {"advice", "Advice"},     {"delivery", "Delivery"}};
    const char *name = html_string(json_object_get(p->report, "database"), "name");
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'\">"
          "<meta name=\"color-scheme\" content=\"light dark\"><title>Triggers of ",
          p->out);
    html_text(p->out, name);
    fputs("</title><style>\n", p->out);
    fputs(report_style, p->out);
    fputs("</style></head><body><a class=\"skip\" href=\"#main\">Skip to the figures</a>\n"
          "<header><h1>Triggers of ",
          p->out);
    html_text(p->out, name);
    fputs("</h1>\n", p->out);
    put_period(p, "", p->report);
    if (report_is_rounded(p->report)) {
        put_period(p, "asked for ", json_object_get(p->report, "asked"));
        fprintf(p->out, "<p>%s</p>\n", report_rounded_why);
    }
    put_measured(p);
    if (p->previous != NULL) {
        put_period(p, "compared with ", p->previous);
    }
    fputs("</header><nav aria-label=\"Contents\"><ul>", p->out);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        fprintf(p->out, "<li><a href=\"#%s\">%s</a></li>", sections[i][0], sections[i][1]);
    }
    fputs("</ul></nav><main id=\"main\" tabindex=\"-1\">\n", p->out);
}

void report_html(FILE *out, const json_t *report) {
    page p = {.out = out,
              .report = report,
              .previous = json_object_get(report, "previous"),
              .since = report_time_of(report, "since"),
              .until = report_time_of(report, "until")};
    put_head(&p);
    put_figures(&p);
    put_triggers(&p);
    put_percentiles(&p);
    put_errors(&p);
    put_slowest(&p);
    put_alerts(&p);
    put_advice(&p);
    put_delivery(&p);
    fprintf(out, "</main><footer class=\"dim\"><p>Made by trigperf %s, ", trigperf_version());
    chart_time(out, html_string(report, "generated_at"));
    fputs(". A dash is what was not measured.</p></footer></body></html>\n", out);
}
