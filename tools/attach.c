/* trigperf attach: capture of a table begins.
 *
 * --on and --interval belong to the --rule before them, so options are read in the order given.
 * What can be judged without a server (names, forms) is a usage error; what the server knows better
 * is a failure, and then nothing was done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "names.h"
#include "say.h"
#include "settings.h"

static const args_option options[] = {
    {"key", "NAME[=EXPRESSION]",
     "a key of a change: a column, or an SQL expression over the row; repeat for more", 0},
    {"watch", "COLUMN[,COLUMN]",
     "an UPDATE counts when a key or one of these differs; without it, every column is watched", 0},
    {"rule", "TEMPLATE", "a cache key to forget, such as 'dashboard:{user_id}'; repeat for more",
     0},
    {"on", "OPERATION[,..]",
     "the --rule before it holds for these only: insert, update, delete, truncate", 0},
    {"interval", "DURATION",
     "a key of the --rule before it is delivered at most once in it, such as 500ms or 60s", 0},
    {"granularity", "SHAPE",
     "triggers a statement or a row: auto (default), statement, row; wal: none, the log is read",
     0},
    {"isolate", "WHAT",
     "keys (default): computing keys never fails a statement; full: nor does writing the change",
     0},
    {"max-keys", "NUMBER",
     "a statement that touches more distinct key tuples is one resync of the table", 0},
    {"replicated", NULL,
     "also capture what logical replication writes (the default where a subscription does)", 0},
    {"sample-rate", "SHARE",
     "time so much of its executions: 0 to 1; the default is that of the database, 0.01", 0},
    {"where", "CONDITION", "with granularity wal: publish the rows that meet it alone", 0},
    {"dry-run", NULL, "print the SQL, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

/* Options that are settings of the description. */
static const struct {
    const char *option;
    const char *setting;
} set_by[] = {{"granularity", "granularity"}, {"isolate", "isolate"},
              {"max-keys", "max_keys"},       {"replicated", "replicated"},
              {"sample-rate", "sample_rate"}, {"where", "where"}};

static int add_key(trigperf_attachment *attachment, const char *text) {
    char *name = NULL;
    const char *expression = NULL;
    int code = names_key(text, &name, &expression);
    if (code != EXIT_FINE) {
        return code;
    }
    trigperf_error *error = NULL;
    if (trigperf_attachment_key(attachment, name, expression, &error) != TRIGPERF_OK) {
        code = say_usage(error);
    }
    free(name);
    return code;
}

static int add_watches(trigperf_attachment *attachment, const char *list) {
    char *name = NULL;
    const char *at = list;
    if (at[0] == '\0') {
        return say_wrong("--watch expects names of columns, got nothing");
    }
    int code = names_next(&at, &name);
    while (code == EXIT_FINE && name != NULL) {
        trigperf_error *error = NULL;
        if (trigperf_attachment_watch(attachment, name, &error) != TRIGPERF_OK) {
            code = say_usage(error);
        }
        free(name);
        name = NULL;
        if (code == EXIT_FINE) {
            code = names_next(&at, &name);
        }
    }
    return code;
}

/* The rule at *index with the --on and --interval that follow it. */
static int add_rule(trigperf_attachment *attachment, const args *given, size_t *index) {
    const char *text = given->given[*index].value;
    const char *operations = NULL;
    uint32_t interval = 0;
    for (; *index + 1 < given->given_count; (*index)++) {
        const args_given *next = &given->given[*index + 1];
        if (args_is(next, "on")) {
            operations = next->value;
        } else if (!args_is(next, "interval")) {
            break;
        } else if (names_duration(next->value, &interval) != EXIT_FINE) {
            return EXIT_USAGE;
        }
    }
    trigperf_error *error = NULL;
    if (trigperf_attachment_rule(attachment, text, operations, interval, &error) != TRIGPERF_OK) {
        return say_usage(error);
    }
    return EXIT_FINE;
}

/* Whether the option is a setting; if so, it is set. */
static bool add_setting(trigperf_attachment *attachment, const args_given *one, int *code) {
    for (size_t i = 0; i < sizeof set_by / sizeof set_by[0]; i++) {
        if (args_is(one, set_by[i].option)) {
            trigperf_error *error = NULL;
            const char *value = one->value != NULL ? one->value : "on";
            *code =
                trigperf_attachment_set(attachment, set_by[i].setting, value, &error) == TRIGPERF_OK
                    ? EXIT_FINE
                    : say_usage(error);
            return true;
        }
    }
    return false;
}

static int add_option(trigperf_attachment *attachment, const args *given, size_t *index) {
    const args_given *one = &given->given[*index];
    int code = EXIT_FINE;
    if (args_is(one, "key")) {
        return add_key(attachment, one->value);
    }
    if (args_is(one, "watch")) {
        return add_watches(attachment, one->value);
    }
    if (args_is(one, "rule")) {
        return add_rule(attachment, given, index);
    }
    if (add_setting(attachment, one, &code)) {
        return code;
    }
    if (args_is(one, "on") || args_is(one, "interval")) {
        say_wrong("--%s expects a --rule before it", one->option->name);
        say_hint("write --rule 'TEMPLATE' --%s %s", one->option->name, one->value);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

static int describe(const args *given, trigperf_attachment **attachment) {
    trigperf_error *error = NULL;
    if (trigperf_attachment_new(given->operands[0], attachment, &error) != TRIGPERF_OK) {
        return say_usage(error);
    }
    int code = EXIT_FINE;
    for (size_t i = 0; i < given->given_count && code == EXIT_FINE; i++) {
        code = add_option(*attachment, given, &i);
    }
    return code;
}

/* Whether the full name of a table may be what was typed. */
static bool names_table(const char *full, const char *typed) {
    size_t length = strlen(full);
    size_t tail = strlen(typed);
    return strcmp(full, typed) == 0 || (tail < length && full[length - tail - 1] == '.' &&
                                        strcmp(full + length - tail, typed) == 0);
}

/* The one entry that the typed name means, NULL when that is not clear. */
static const json_t *find_entry(const json_t *status, const char *typed) {
    const json_t *found = NULL;
    size_t index = 0;
    json_t *entry = NULL;
    json_array_foreach(json_object_get(status, "tables"), index, entry) {
        const char *full = json_string_value(json_object_get(entry, "table"));
        if (full != NULL && names_table(full, typed)) {
            if (found != NULL) {
                return NULL;
            }
            found = entry;
        }
    }
    return found;
}

/* What was chosen and why, from the status; the bare fact when that cannot be had. */
static void report(trigperf_admin *admin, const char *typed) {
    char *text = NULL;
    json_t *status = NULL;
    if (trigperf_admin_status(admin, &text, NULL) == TRIGPERF_OK) {
        status = json_loads(text, 0, NULL);
    }
    const json_t *entry = find_entry(status, typed);
    const char *shape = json_string_value(json_object_get(entry, "granularity"));
    const char *reason = json_string_value(json_object_get(entry, "reason"));
    if (shape != NULL && reason != NULL) {
        const char *name = json_string_value(json_object_get(entry, "table"));
        fputs("attached ", stdout);
        say_text(stdout, name, strlen(name));
        if (strcmp(shape, "wal") == 0) {
            puts(", to be read from the write-ahead log");
        } else {
            printf(" with %s triggers (%s)\n", shape, reason);
        }
    } else {
        printf("attached %s\n", typed);
    }
    json_decref(status);
    trigperf_string_free(text);
}

static int attach(const args *given, const trigperf_attachment *attachment) {
    trigperf_admin *admin = NULL;
    int code = settings_admin(given, &admin);
    if (code != EXIT_FINE) {
        return code;
    }
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    char *sql = NULL;
    trigperf_error *error = NULL;
    say_progress("attaching %s", given->operands[0]);
    if (trigperf_admin_attach(admin, attachment, dry_run, &sql, &error) != TRIGPERF_OK) {
        code = say_failure(error);
    } else if (dry_run != 0) {
        fputs(sql, stdout);
    } else {
        report(admin, given->operands[0]);
    }
    trigperf_string_free(sql);
    trigperf_admin_free(admin);
    return code;
}

static int run(const args *given) {
    trigperf_attachment *attachment = NULL;
    int code = describe(given, &attachment);
    if (code == EXIT_FINE) {
        code = attach(given, attachment);
    }
    trigperf_attachment_free(attachment);
    return code;
}

const command command_attach = {
    .name = "attach",
    .summary = "Capture the changes of a table and turn them into cache keys.",
    .usage = "attach TABLE --key NAME[=EXPRESSION].. [--watch COLUMN,..] [--rule TEMPLATE]..\n"
             "       [OPTION..]",
    .details =
        "Names of columns are taken as they are written; a name with a comma, an equals sign or\n"
        "blanks around it stands in double quotes: --watch 'status,\"a,b\"'. TABLE is written as "
        "in\n"
        "SQL: calls, public.calls, '\"My Schema\".\"Calls\"'. In a template {name} is the value of "
        "a\n"
        "key, and {{ and }} write braces. An expression runs with the rights of the table's owner\n"
        "and an empty search_path: qualify functions of your own.\n\n"
        "example:\n"
        "  trigperf attach public.calls --key user_id --key id --watch status,amount \\\n"
        "           --rule 'dashboard:{user_id}' --interval 1s --rule 'call:{id}' --on "
        "update,delete",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
