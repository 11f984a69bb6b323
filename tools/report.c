/* trigperf report: what was measured in a time, for people, programs and the browser. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "csv.h"
#include "duration.h"
#include "render.h"
#include "report_html.h"
#include "report_period.h"
#include "say.h"
#include "settings.h"

enum { DAY_S = 86400, SHOWN = 20 };

static const char *const formats[] = {"text", "json", "csv", "html", NULL};

static const args_option options[] = {
    {"format", "FORMAT", "text (default), json, csv or html", 0},
    {"since", "TIME",
     "how long ago the time begins: 12h, 7d (default 1d); whole hours, after three days whole days",
     0},
    {"until", "TIME", "how long ago it ends (default 0: now); rounded likewise", 0},
    {"compare", NULL, "show the period of the same length before it beside it", 0},
    {NULL, NULL, NULL, 0},
};

typedef struct period {
    int64_t since;
    int64_t until;
    bool compare;
} period;

/* --- fetching ----------------------------------------------------------------------------------*/

static json_t *parsed(char *text) {
    json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
    trigperf_string_free(text);
    return say_allocated(value);
}

static int fetch_one(trigperf_admin *admin, int64_t since, int64_t until, json_t **report) {
    char *text = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_report(admin, since, until, &text, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    *report = parsed(text);
    return EXIT_FINE;
}

/* Advice needs no measurement, and the report is whole without it. */
static void add_advice(trigperf_admin *admin, json_t *report) {
    char *text = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_advise(admin, NULL, &text, &error) != TRIGPERF_OK) {
        say_note("without advice: %s", trigperf_error_message(error));
        trigperf_error_free(error);
        json_object_set_new(report, "advice", json_array());
        return;
    }
    json_t *answer = parsed(text);
    json_object_set(report, "advice", json_object_get(answer, "findings"));
    json_decref(answer);
}

/* The time before ends where the report begins, and is as long: as the database has rounded both.
 */
static int add_previous(trigperf_admin *admin, json_t *report) {
    json_t *previous = NULL;
    int64_t until = report_begins_ago(report);
    int code = fetch_one(admin, until + report_length(report), until, &previous);
    if (code == EXIT_FINE) {
        json_object_set_new(report, "previous", previous);
    }
    return code;
}

static int fetch(trigperf_admin *admin, const period *time, json_t **report) {
    int code = fetch_one(admin, time->since, time->until, report);
    if (code == EXIT_FINE) {
        add_advice(admin, *report);
    }
    return code == EXIT_FINE && time->compare ? add_previous(admin, *report) : code;
}

/* --- text --------------------------------------------------------------------------------------*/

static const json_t *same_before(const json_t *previous, const json_t *row) {
    static const char *const names[] = {"table", "trigger", "function"};
    const json_t *rows = json_object_get(previous, "triggers");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *one = json_array_get(rows, i);
        bool same = true;
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            same =
                same && json_equal(json_object_get(one, names[k]), json_object_get(row, names[k]));
        }
        if (same) {
            return one;
        }
    }
    return NULL;
}

static json_t *trigger_row(const json_t *row, const json_t *report) {
    const json_t *previous = json_object_get(report, "previous");
    json_t *out = say_allocated(json_object());
    json_object_set(out, "table", json_object_get(row, "table"));
    json_object_set_new(out, "trigger", render_trigger(row));
    json_object_set(out, "function", json_object_get(row, "function"));
    json_object_set(out, "executions", json_object_get(row, "executions"));
    json_object_set_new(out, "total ms", render_ms(json_object_get(row, "total_ms")));
    json_object_set_new(out, "mean ms", render_ms(json_object_get(row, "mean_ms")));
    if (previous != NULL) {
        const json_t *before = same_before(previous, row);
        json_object_set_new(out, "before", render_ms(json_object_get(before, "mean_ms")));
    }
    json_object_set_new(out, "p95 ms", render_ms(json_object_get(row, "p95_ms")));
    json_object_set_new(out, "p99 ms", render_ms(json_object_get(row, "p99_ms")));
    json_object_set_new(out, "errors", render_share(json_object_get(row, "error_rate")));
    json_object_set_new(out, "no-op", render_share(json_object_get(row, "no_op_share")));
    return out;
}

static void print_triggers(const json_t *report) {
    const json_t *triggers = json_object_get(report, "triggers");
    json_t *rows = say_allocated(json_array());
    for (size_t i = 0; i < json_array_size(triggers) && i < SHOWN; i++) {
        json_array_append_new(rows, trigger_row(json_array_get(triggers, i), report));
    }
    printf("triggers\n");
    if (json_array_size(rows) > 0) {
        render_rows(rows);
    } else {
        printf("none\n");
    }
    if (json_array_size(triggers) > SHOWN) {
        printf("and %zu more, which took less (--format json shows all)\n",
               json_array_size(triggers) - SHOWN);
    }
    json_decref(rows);
}

static void print_chosen(const json_t *report, const char *name, const char *const *members) {
    const json_t *rows = json_object_get(report, name);
    json_t *out = say_allocated(json_array());
    for (size_t i = 0; i < json_array_size(rows) && i < SHOWN; i++) {
        json_t *row = say_allocated(json_object());
        for (const char *const *member = members; *member != NULL; member++) {
            json_object_set(row, *member, json_object_get(json_array_get(rows, i), *member));
        }
        json_array_append_new(out, row);
    }
    if (json_array_size(out) > 0) {
        printf("\n%s\n", name);
        render_rows(out);
    }
    json_decref(out);
}

/* What measuring itself costs, as far as it is known. */
static void print_overhead(const json_t *overhead) {
    const json_t *each = json_object_get(overhead, "per_execution_us");
    if (!json_is_number(each)) {
        return;
    }
    printf("\nmeasuring costs %.3f us for an execution of a trigger of ours",
           json_number_value(each));
    const json_t *triggers = json_object_get(overhead, "share_of_triggers");
    const json_t *statements = json_object_get(overhead, "share_of_statements");
    if (json_is_number(triggers)) {
        printf(", %.2f %% of their time", 100 * json_number_value(triggers));
    }
    if (json_is_number(statements)) {
        printf(", %.2f %% of that of all statements", 100 * json_number_value(statements));
    }
    printf("\n");
}

static void print_measured(const json_t *report) {
    const char *since = report_measured_since(report);
    if (since != NULL) {
        printf("%s%s%s\n", since[0] == '\0' ? report_not_measured : report_measured,
               since[0] == '\0' ? "" : " ", since);
    }
}

static void print_text(const json_t *report) {
    static const char *const slowest[] = {"at",       "duration_ms", "table", "trigger",
                                          "function", "operation",   NULL};
    static const char *const errors[] = {"at", "table", "trigger", "operation", "message", NULL};
    static const char *const alerts[] = {"at", "level", "message", NULL};
    static const char *const advice[] = {"severity", "id", "object", NULL};
    const json_t *database = json_object_get(report, "database");
    const char *hint = json_string_value(json_object_get(database, "track_functions_hint"));
    printf("%s, %s to %s\n", json_string_value(json_object_get(database, "name")),
           json_string_value(json_object_get(report, "since")),
           json_string_value(json_object_get(report, "until")));
    if (report_is_rounded(report)) {
        const json_t *asked = json_object_get(report, "asked");
        printf("asked for %s to %s: %s\n", json_string_value(json_object_get(asked, "since")),
               json_string_value(json_object_get(asked, "until")), report_rounded_why);
    }
    print_measured(report);
    putchar('\n');
    print_triggers(report);
    print_chosen(report, "slowest", slowest);
    print_chosen(report, "errors", errors);
    print_chosen(report, "alerts", alerts);
    print_chosen(report, "advice", advice);
    print_overhead(json_object_get(report, "overhead"));
    if (hint != NULL) {
        say_hint("times of triggers are not measured: %s", hint);
    }
}

static int show(const json_t *report, const char *format) {
    if (strcmp(format, "json") == 0) {
        char *text = say_allocated(json_dumps(report, JSON_COMPACT));
        puts(text);
        free(text);
    } else if (strcmp(format, "csv") == 0) {
        if (report_is_rounded(report)) {
            say_note("the time is %s", report_rounded_why);
        }
        csv_print(json_object_get(report, "triggers"));
    } else if (strcmp(format, "html") == 0) {
        report_html(stdout, report);
    } else {
        print_text(report);
    }
    return EXIT_FINE;
}

static int read_period(const args *given, period *time) {
    const int64_t oldest = INT64_C(1830) * DAY_S;
    *time = (period){DAY_S, 0, args_has(given, "compare")};
    int code = duration_option(given, "since", 1, oldest, &time->since);
    if (code == EXIT_FINE) {
        code = duration_option(given, "until", 0, oldest, &time->until);
    }
    if (code == EXIT_FINE && time->until >= time->since) {
        code = say_wrong("--until must be less long ago than --since (%" PRId64 " and %" PRId64
                         " seconds)",
                         time->until, time->since);
    }
    return code;
}

static int run(const args *given) {
    const char *format = NULL;
    period time;
    trigperf_admin *admin = NULL;
    json_t *report = NULL;
    int code = args_choice(given, "format", formats, &format);
    if (code == EXIT_FINE) {
        code = read_period(given, &time);
    }
    if (code == EXIT_FINE) {
        code = settings_admin(given, &admin);
    }
    if (code == EXIT_FINE) {
        code = fetch(admin, &time, &report);
    }
    if (code == EXIT_FINE) {
        code = show(report, format);
    }
    json_decref(report);
    trigperf_admin_free(admin);
    return code;
}

const command command_report = {
    .name = "report",
    .summary = "Report what the triggers of the database cost.",
    .usage = "report [--format text|json|csv|html] [--since TIME] [--until TIME] [--compare]",
    .details =
        "Shows what contexts, or trigperf collect, have measured, and advice about the triggers.\n"
        "html is one file that needs nothing else: trigperf report --format html > report.html",
    .options = options,
    .run = run,
};
