/* trigperf cleanup: retention by hand.
 *
 * The library removes a batch of each table a call, and then merges batches of hours into days.
 * Before the first, what is due is counted: that is the whole of a dry run, and otherwise what
 * progress is measured against. A signal ends the work between two batches; what was removed stays
 * so.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "render.h"
#include "say.h"
#include "settings.h"
#include "stop.h"

enum { DAYS_MOST = 3660, BATCH_MOST = 1000000 };

static const char *const formats[] = {"text", "json", NULL};

static const args_option options[] = {
    {"older-than", "DAYS", "keep so many days (default: metrics.retention_days)", 0},
    {"batch", "ROWS", "remove at most so many rows of a table at once (10000)", 0},
    {"dry-run", NULL, "count what would be removed, change nothing", 0},
    {"format", "FORMAT", "text (default) or json", 0},
    {NULL, NULL, NULL, 0},
};

typedef struct work {
    trigperf_admin *admin;
    uint64_t days;
    uint64_t batch;
    json_t *plan; /* what was found; each table gets what was removed */
    json_int_t due;
    json_int_t removed;
    time_t began;
    time_t told;
} work;

static json_int_t number(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

static json_int_t total(const json_t *tables, const char *name) {
    json_int_t sum = 0;
    for (size_t i = 0; i < json_array_size(tables); i++) {
        sum += number(json_array_get(tables, i), name);
    }
    return sum;
}

static void add(json_t *object, const char *name, json_int_t more) {
    json_object_set_new(object, name, json_integer(number(object, name) + more));
}

/* One call of the library; the answer as an object. */
static int call(const work *w, bool dry_run, json_t **answer) {
    char *json = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_cleanup(w->admin, (uint32_t)w->days, (uint32_t)w->batch, dry_run ? 1 : 0,
                               &json, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    *answer = say_allocated(json_loads(json, 0, NULL));
    trigperf_string_free(json);
    return EXIT_FINE;
}

static void tell(work *w) {
    time_t now = time(NULL);
    if (now > w->told && w->removed > 0 && w->removed < w->due) {
        json_int_t left = (now - w->began) * (w->due - w->removed) / w->removed;
        say_progress("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
                     " rows removed, about %" JSON_INTEGER_FORMAT " s left",
                     w->removed, w->due, left);
        w->told = now;
    }
}

/* The tables come in the same order each time. */
static void count(work *w, const json_t *step) {
    json_t *tables = json_object_get(w->plan, "tables");
    const json_t *done = json_object_get(step, "tables");
    for (size_t i = 0; i < json_array_size(done); i++) {
        add(json_array_get(tables, i), "removed", number(json_array_get(done, i), "removed"));
    }
    w->removed = total(tables, "removed");
    add(w->plan, "merged_hours", number(step, "merged_hours"));
    add(w->plan, "removed_names", number(step, "unused_names"));
    add(w->plan, "removed_outbox_bytes", number(step, "outbox_bytes"));
    tell(w);
}

static int remove_all(work *w) {
    int code = EXIT_FINE;
    bool more = true;
    stop_install();
    while (more && code == EXIT_FINE && !stop_requested()) {
        json_t *step = NULL;
        code = call(w, false, &step);
        if (code == EXIT_FINE) {
            count(w, step);
            more = json_is_true(json_object_get(step, "more"));
        }
        json_decref(step);
    }
    json_object_set_new(w->plan, "complete", json_boolean(!more));
    if (more && code == EXIT_FINE) {
        code = say_error("stopped after %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " rows",
                         w->removed, w->due);
        say_hint("what was removed stays so; run it again for the rest");
    }
    return code;
}

/* In the unit that leaves few digits, as the server's pg_size_pretty() does. */
static const char *pretty(json_int_t bytes, char text[40]) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 10240 && unit + 1 < sizeof units / sizeof units[0]) {
        size /= 1024;
        unit++;
    }
    snprintf(text, 40, "%.0f %s", size, units[unit]);
    return text;
}

static json_t *size_of(json_int_t bytes) {
    char text[40];
    return json_string(pretty(bytes, text));
}

static json_t *row_of(const json_t *table, bool dry_run) {
    json_t *row = say_allocated(json_object());
    json_object_set(row, "table", json_object_get(table, "table"));
    json_object_set(row, "rows", json_object_get(table, "rows"));
    json_object_set(row, dry_run ? "to remove" : "removed",
                    json_object_get(table, dry_run ? "due" : "removed"));
    json_object_set(row, "oldest", json_object_get(table, "oldest"));
    json_object_set_new(row, "size", size_of(number(table, "bytes")));
    if (dry_run) {
        json_object_set_new(row, "of these", size_of(number(table, "due_bytes")));
    }
    json_object_set(row, "holds", json_object_get(table, "holds"));
    return row;
}

static void print_text(const work *w, bool dry_run) {
    const json_t *tables = json_object_get(w->plan, "tables");
    json_t *rows = say_allocated(json_array());
    for (size_t i = 0; i < json_array_size(tables); i++) {
        json_array_append_new(rows, row_of(json_array_get(tables, i), dry_run));
    }
    render_rows(rows);
    json_decref(rows);
    printf("\nolder than %" JSON_INTEGER_FORMAT " days: %" JSON_INTEGER_FORMAT " rows%s\n",
           number(w->plan, "older_than_days"), dry_run ? w->due : w->removed,
           dry_run ? " would be removed, nothing was changed" : " removed");
    printf("hours of closed days: %" JSON_INTEGER_FORMAT "%s\n",
           number(w->plan, dry_run ? "unmerged_hours" : "merged_hours"),
           dry_run ? " would be merged into days" : " merged into days");
    printf("names of series that nothing uses: %" JSON_INTEGER_FORMAT "%s\n",
           number(w->plan, dry_run ? "unused_names" : "removed_names"), dry_run ? "" : " removed");
    char size[40];
    printf("outbox: %s%s\n",
           pretty(number(w->plan, dry_run ? "outbox_bytes" : "removed_outbox_bytes"), size),
           dry_run ? ", of which goes what every position has passed" : " emptied");
}

static void print(const work *w, const char *format, bool dry_run) {
    if (strcmp(format, "json") == 0) {
        char *text = say_allocated(json_dumps(w->plan, JSON_COMPACT));
        puts(text);
        free(text);
    } else {
        print_text(w, dry_run);
    }
}

static int clean(work *w, const char *format, bool dry_run) {
    int code = call(w, true, &w->plan);
    if (code != EXIT_FINE) {
        return code;
    }
    w->due = total(json_object_get(w->plan, "tables"), "due");
    w->began = time(NULL);
    json_object_set_new(w->plan, "dry_run", json_boolean(dry_run));
    if (!dry_run) {
        code = remove_all(w);
    }
    print(w, format, dry_run);
    return code;
}

static int read_numbers(const args *given, work *w) {
    int code = args_number(given, "older-than", DAYS_MOST, &w->days);
    if (code == EXIT_FINE) {
        code = args_number(given, "batch", BATCH_MOST, &w->batch);
    }
    if (code == EXIT_FINE && ((args_has(given, "older-than") && w->days == 0) ||
                              (args_has(given, "batch") && w->batch == 0))) {
        code = say_wrong("--older-than and --batch expect a number of 1 or more");
        say_hint("the present day is in use: what is alerted on, reported, and counted on");
    }
    return code;
}

static int run(const args *given) {
    work w = {0};
    const char *format = NULL;
    int code = args_choice(given, "format", formats, &format);
    if (code == EXIT_FINE) {
        code = read_numbers(given, &w);
    }
    if (code == EXIT_FINE) {
        code = settings_admin(given, &w.admin);
    }
    if (code == EXIT_FINE) {
        code = clean(&w, format, args_has(given, "dry-run"));
    }
    json_decref(w.plan);
    trigperf_admin_free(w.admin);
    return code;
}

const command command_cleanup = {
    .name = "cleanup",
    .summary = "Remove what was measured and logged long ago.",
    .usage = "cleanup [--older-than DAYS] [--batch ROWS] [--dry-run] [--format text|json]",
    .details =
        "Contexts that are connected do it by themselves, by metrics.retention_days; without any,\n"
        "a cron job can. It goes in batches, each a transaction of its own, and may be stopped.\n"
        "What was measured by hour becomes one row a day when the day was over for three days.\n"
        "Also goes what is unused: names of series, and parts of the outbox that every consumer\n"
        "has read. Consumers, positions, rules and KPIs are not touched.",
    .options = options,
    .run = run,
};
