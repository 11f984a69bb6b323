/* trigperf kpi: figures that the database keeps up to date. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "names.h"
#include "render.h"
#include "say.h"
#include "settings.h"
#include "stop.h"

static const char *const formats[] = {"text", "json", NULL};

static const args_option options[] = {
    {"from", "TABLE", "add: the table whose rows are counted", 0},
    {"by", "NAME[=EXPRESSION]", "add: a group: a column, or an expression over the row; repeat", 0},
    {"value", "NAME=AGGREGATE", "add: a figure, such as calls=count(*); repeat for more", 0},
    {"where", "CONDITION", "add: rows that do not meet it do not count", 0},
    {"trailing", "DURATION",
     "add: only mark what changed; a refresh brings a group up to date at most once in it", 0},
    {"granularity", "SHAPE", "add: triggers a statement or a row: auto (default), statement, row",
     0},
    {"keep", NULL, "drop: the table stays", 0},
    {"all", NULL, "refresh: also groups whose interval is not over", 0},
    {"rebuild", NULL, "refresh: everything, from the source", 0},
    {"follow", NULL, "refresh: again and again, until a signal", 0},
    {"every", "DURATION", "refresh --follow: the pause between two (default 1s)", 0},
    {"dry-run", NULL, "add, drop: print the SQL, change nothing", 0},
    {"format", "FORMAT", "list, refresh, check: text (default) or json", 0},
    {NULL, NULL, NULL, 0},
};

typedef struct verb {
    const char *name;
    const char *options; /* that belong to it, between blanks */
    size_t operands_min; /* behind the verb */
    size_t operands_max;
    int (*run)(const args *given, trigperf_admin *admin);
} verb;

static const char *target_of(const args *given) {
    return given->operand_count > 1 ? given->operands[1] : NULL;
}

static bool as_json(const args *given) {
    return strcmp(args_get(given, "format", "text"), "json") == 0;
}

/* --- add and drop
 * -------------------------------------------------------------------------------*/

static int add_column(trigperf_kpi *kpi, const args_given *one) {
    char *name = NULL;
    const char *expression = NULL;
    bool group = args_is(one, "by");
    int code = names_key(one->value, &name, &expression);
    if (code != EXIT_FINE) {
        return code;
    }
    trigperf_error *error = NULL;
    if (!group && expression == NULL) {
        say_wrong("--value expects NAME=AGGREGATE, got '%s'", one->value);
        say_hint("for instance: --value 'calls=count(*)'");
        code = EXIT_USAGE;
    } else if ((group ? trigperf_kpi_group(kpi, name, expression, &error)
                      : trigperf_kpi_value(kpi, name, expression, &error)) != TRIGPERF_OK) {
        code = say_usage(error);
    }
    free(name);
    return code;
}

static int set(trigperf_kpi *kpi, const char *name, const char *value) {
    trigperf_error *error = NULL;
    return trigperf_kpi_set(kpi, name, value, &error) == TRIGPERF_OK ? EXIT_FINE : say_usage(error);
}

static int set_trailing(trigperf_kpi *kpi, const char *duration) {
    uint32_t ms = 0;
    char text[16];
    int code = names_duration(duration, &ms);
    if (code == EXIT_FINE) {
        snprintf(text, sizeof text, "%u", (unsigned)ms);
        code = set(kpi, "mode", "trailing");
    }
    return code == EXIT_FINE ? set(kpi, "interval_ms", text) : code;
}

static int describe(const args *given, trigperf_kpi *kpi) {
    int code = EXIT_FINE;
    for (size_t i = 0; i < given->given_count && code == EXIT_FINE; i++) {
        const args_given *one = &given->given[i];
        if (args_is(one, "by") || args_is(one, "value")) {
            code = add_column(kpi, one);
        } else if (args_is(one, "trailing")) {
            code = set_trailing(kpi, one->value);
        } else if (args_is(one, "where") || args_is(one, "granularity")) {
            code = set(kpi, one->option->name, one->value);
        }
    }
    return code;
}

static int make(const args *given, trigperf_admin *admin, const trigperf_kpi *kpi) {
    char *sql = NULL;
    trigperf_error *error = NULL;
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    if (trigperf_admin_kpi_add(admin, kpi, dry_run, &sql, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    if (dry_run != 0) {
        fputs(sql, stdout);
    } else {
        printf("added %s\n", target_of(given));
    }
    trigperf_string_free(sql);
    return EXIT_FINE;
}

static int run_add(const args *given, trigperf_admin *admin) {
    trigperf_kpi *kpi = NULL;
    trigperf_error *error = NULL;
    const char *source = args_get(given, "from", NULL);
    if (source == NULL) {
        say_wrong("kpi add expects --from TABLE");
        say_hint("trigperf kpi --help shows an example");
        return EXIT_USAGE;
    }
    if (trigperf_kpi_new(target_of(given), source, &kpi, &error) != TRIGPERF_OK) {
        return say_usage(error);
    }
    int code = describe(given, kpi);
    if (code == EXIT_FINE) {
        code = make(given, admin, kpi);
    }
    trigperf_kpi_free(kpi);
    return code;
}

static int run_drop(const args *given, trigperf_admin *admin) {
    char *sql = NULL;
    trigperf_error *error = NULL;
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    if (trigperf_admin_kpi_drop(admin, target_of(given), args_has(given, "keep") ? 1 : 0, dry_run,
                                &sql, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    if (dry_run != 0) {
        fputs(sql, stdout);
    } else {
        printf("dropped %s\n", target_of(given));
    }
    trigperf_string_free(sql);
    return EXIT_FINE;
}

/* --- list, refresh, check
 * -----------------------------------------------------------------------*/

/* "day=CAST(at AS date), n": of an array of objects, two members. */
static json_t *joined(const json_t *list, const char *name, const char *what) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = say_allocated(open_memstream(&text, &size));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *expression = json_string_value(json_object_get(one, what));
        fprintf(stream, "%s%s%s%s", i == 0 ? "" : ", ",
                json_string_value(json_object_get(one, name)), expression == NULL ? "" : "=",
                expression == NULL ? "" : expression);
    }
    fclose(stream);
    json_t *result = say_allocated(json_string(say_allocated(text)));
    free(text);
    return result;
}

/* A row for people: how it was described, and how it stands. */
static json_t *short_row(const json_t *kpi) {
    static const char *const rest[] = {"where",       "mode",  "interval_ms",
                                       "granularity", "state", "fix"};
    json_t *row = say_allocated(json_object());
    json_object_set(row, "target", json_object_get(kpi, "target"));
    json_object_set(row, "source", json_object_get(kpi, "source"));
    json_object_set_new(row, "by", joined(json_object_get(kpi, "groups"), "name", "expression"));
    json_object_set_new(row, "values", joined(json_object_get(kpi, "values"), "name", "aggregate"));
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        json_object_set(row, rest[i], json_object_get(kpi, rest[i]));
    }
    return row;
}

static void print_list(const char *json) {
    json_t *all = say_allocated(json_loads(json, 0, NULL));
    json_t *rows = say_allocated(json_array());
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_array_append_new(rows, short_row(json_array_get(all, i)));
    }
    if (json_array_size(rows) == 0) {
        say_note("there are no KPIs");
    } else {
        render_rows(rows);
    }
    json_decref(rows);
    json_decref(all);
}

static int run_list(const args *given, trigperf_admin *admin) {
    char *json = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_kpis(admin, &json, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    if (as_json(given)) {
        puts(json);
    } else {
        print_list(json);
    }
    trigperf_string_free(json);
    return EXIT_FINE;
}

static void print_outcome(const json_t *entry, bool check) {
    const char *error = json_string_value(json_object_get(entry, "error"));
    long long rows = json_integer_value(json_object_get(entry, "rows"));
    long long waiting = json_integer_value(json_object_get(entry, "waiting"));
    const char *target = json_string_value(json_object_get(entry, "target"));
    say_text(stdout, target, strlen(target));
    if (error != NULL) {
        fputs(": failed: ", stdout);
        say_text(stdout, error, strlen(error));
        putchar('\n');
    } else if (check) {
        printf(": %lld rows differ\n", rows);
    } else if (json_is_true(json_object_get(entry, "busy"))) {
        puts(": somebody else refreshes it");
    } else {
        printf(": %lld rows written, %lld groups wait%s\n", rows, waiting,
               json_is_true(json_object_get(entry, "rebuilt")) ? ", rebuilt" : "");
    }
}

static bool worth_telling(const json_t *entry, bool quiet) {
    return !quiet || json_integer_value(json_object_get(entry, "rows")) > 0 ||
           json_is_string(json_object_get(entry, "error"));
}

/* quiet: only what did something. Fails when one failed, or (check) differs. */
static int print_outcomes(const args *given, const char *text, bool check, bool quiet) {
    json_t *list = json_loads(text, 0, NULL);
    int code = EXIT_FINE;
    size_t index = 0;
    json_t *entry = NULL;
    json_array_foreach(list, index, entry) {
        if (json_is_string(json_object_get(entry, "error")) ||
            (check && json_integer_value(json_object_get(entry, "rows")) > 0)) {
            code = EXIT_RUNTIME;
        }
        if (worth_telling(entry, quiet) && as_json(given)) {
            json_dumpf(entry, stdout, JSON_COMPACT);
            putchar('\n');
        } else if (worth_telling(entry, quiet)) {
            print_outcome(entry, check);
        }
    }
    json_decref(list);
    fflush(stdout);
    return code;
}

static int once(const args *given, trigperf_admin *admin, const char *what, bool quiet) {
    char *json = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_kpi_refresh(admin, target_of(given), what, &json, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    int code = print_outcomes(given, json, strcmp(what, "check") == 0, quiet);
    trigperf_string_free(json);
    return code;
}

/* Again and again; a connection that was lost is made anew. Returns 0 after a signal. */
static int follow(const args *given, trigperf_admin *first) {
    uint32_t pause_ms = 1000;
    const char *every = args_get(given, "every", NULL);
    if (every != NULL && names_duration(every, &pause_ms) != EXIT_FINE) {
        return EXIT_USAGE;
    }
    struct pollfd stop = {.fd = stop_install(), .events = POLLIN};
    if (stop.fd < 0) {
        return say_error("cannot take over signals: %s", strerror(errno));
    }
    trigperf_admin *admin = NULL;
    trigperf_admin *present = first;
    while (!stop_requested()) {
        if (present == NULL && settings_admin(given, &admin) == EXIT_FINE) {
            present = admin;
        }
        if (present != NULL && once(given, present, "due", true) != EXIT_FINE) {
            trigperf_admin_free(admin);
            admin = NULL;
            present = NULL;
        }
        poll(&stop, 1, (int)(pause_ms > 86400000 ? 86400000 : pause_ms));
    }
    trigperf_admin_free(admin);
    return EXIT_FINE;
}

static int run_refresh(const args *given, trigperf_admin *admin) {
    bool rebuild = args_has(given, "rebuild");
    bool all = args_has(given, "all");
    if (!args_has(given, "follow")) {
        return once(given, admin, rebuild ? "rebuild" : all ? "all" : "due", false);
    }
    if (rebuild || all) {
        return say_wrong(
            "--follow refreshes what is due; it goes with neither --all nor --rebuild");
    }
    return follow(given, admin);
}

static int run_check(const args *given, trigperf_admin *admin) {
    return once(given, admin, "check", false);
}

/* --- the command
 * --------------------------------------------------------------------------------*/

static const verb verbs[] = {
    {"list", " format ", 0, 0, run_list},
    {"add", " from by value where trailing granularity dry-run ", 1, 1, run_add},
    {"drop", " keep dry-run ", 1, 1, run_drop},
    {"refresh", " all rebuild follow every format ", 0, 1, run_refresh},
    {"check", " format ", 0, 1, run_check},
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

static const verb *find_verb(const char *name) {
    const char *names[VERBS + 1] = {0};
    for (size_t i = 0; i < VERBS; i++) {
        names[i] = verbs[i].name;
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    args_verb("kpi", name, names);
    return NULL;
}

static bool belongs(const verb *chosen, const args_option *option) {
    char word[32];
    snprintf(word, sizeof word, " %s ", option->name);
    return option < &options[0] || option >= &options[sizeof options / sizeof options[0]] ||
           strstr(chosen->options, word) != NULL;
}

static int check_form(const args *given, const verb *chosen) {
    const char *format = NULL;
    size_t operands = given->operand_count > 0 ? given->operand_count - 1 : 0;
    for (size_t i = 0; i < given->given_count; i++) {
        if (!belongs(chosen, given->given[i].option)) {
            return say_wrong("--%s does not belong to kpi %s", given->given[i].option->name,
                             chosen->name);
        }
    }
    if (operands < chosen->operands_min || operands > chosen->operands_max) {
        return say_wrong("kpi %s expects %s", chosen->name,
                         chosen->operands_min > 0   ? "the name of a table"
                         : chosen->operands_max > 0 ? "at most one table"
                                                    : "no table");
    }
    return args_choice(given, "format", formats, &format);
}

static int run(const args *given) {
    const verb *chosen = find_verb(given->operand_count > 0 ? given->operands[0] : "list");
    trigperf_admin *admin = NULL;
    int code = chosen == NULL ? EXIT_USAGE : check_form(given, chosen);
    if (code == EXIT_FINE) {
        code = settings_admin(given, &admin);
    }
    if (code == EXIT_FINE) {
        code = chosen->run(given, admin);
    }
    trigperf_admin_free(admin);
    return code;
}

const command command_kpi = {
    .name = "kpi",
    .summary = "Keep counts, sums and dashboards up to date with their tables.",
    .usage = "kpi [list]\n"
             "kpi add TARGET --from TABLE --by NAME[=EXPRESSION].. --value NAME=AGGREGATE..\n"
             "        [OPTION..]\n"
             "kpi drop TARGET [--keep] [--dry-run]\n"
             "kpi refresh [TARGET] [--all | --rebuild | --follow [--every DURATION]]\n"
             "kpi check [TARGET]",
    .details =
        "TARGET is a table that is made, with a row for each group. Without --trailing it is "
        "right\n"
        "at the end of every statement: count, sum, min and max, each with FILTER if need be, are\n"
        "kept by adding and taking away. With --trailing, triggers only mark the groups that\n"
        "changed; `kpi refresh` computes these anew, any aggregate will do, each group at most "
        "once\n"
        "in DURATION and always once more after its last change. `kpi check` compares with a\n"
        "recomputation. `kpi drop --dry-run` prints the way back.\n\n"
        "examples:\n"
        "  trigperf kpi add user_kpi --from calls --by user_id --value 'calls=count(*)' \\\n"
        "           --value \"answered=count(*) FILTER (WHERE status = 'answered')\" \\\n"
        "           --value 'talk_s=sum(duration_s)' --value 'longest_s=max(duration_s)'\n"
        "  trigperf kpi add dashboard --from calls --by user_id --trailing 60s \\\n"
        "           --value \"payload=jsonb_build_object('calls', count(*), 'cost', sum(cost))\"\n"
        "  trigperf kpi refresh --follow",
    .options = options,
    .operands_max = 2,
    .run = run,
};
