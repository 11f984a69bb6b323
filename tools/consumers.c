/* trigperf consumers: who reads changes, how far behind, and ending it.
 *
 * The list for people leaves out what is only of use to programs; the JSON has everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <trigperf.h>

#include "command.h"
#include "render.h"
#include "say.h"
#include "settings.h"

static const char *const formats[] = {"text", "json", NULL};

static const args_option options[] = {
    {"source", "SOURCE", "reset, drop: of outbox or wal, where both have one of that name", 0},
    {"force", NULL, "drop: also while a program reads under that name", 0},
    {"dry-run", NULL, "reset, drop: print the SQL, change nothing", 0},
    {"format", "FORMAT", "list: text (default) or json", 0},
    {NULL, NULL, NULL, 0},
};

static int show_text(const char *json) {
    static const char *const shown[] = {"name",          "source",      "state",
                                        "application",   "seen_age_s",  "lag_transactions",
                                        "lag_bytes",     "lag_seconds", "needs_resync",
                                        "claim",         "owner",       "slot_status",
                                        "retained_bytes"};
    json_t *all = say_allocated(json_loads(json, 0, NULL));
    json_t *brief = say_allocated(json_array());
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *row = say_allocated(json_object());
        for (size_t j = 0; j < sizeof shown / sizeof shown[0]; j++) {
            json_object_set(row, shown[j], json_object_get(json_array_get(all, i), shown[j]));
        }
        json_array_append_new(brief, row);
    }
    char *text = say_allocated(json_dumps(brief, 0));
    int code = EXIT_FINE;
    if (json_array_size(all) == 0) {
        puts("no consumers");
    } else {
        code = render_json(text);
    }
    free(text);
    json_decref(brief);
    json_decref(all);
    return code;
}

static int list(trigperf_admin *admin, const char *format) {
    char *json = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_consumers(admin, &json, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    int code = EXIT_FINE;
    if (strcmp(format, "json") == 0) {
        puts(json);
    } else {
        code = show_text(json);
    }
    trigperf_string_free(json);
    return code;
}

/* reset or drop. */
static int change(trigperf_admin *admin, const args *given, bool drops) {
    char *sql = NULL;
    trigperf_error *error = NULL;
    const char *name = given->operands[1];
    const char *source = args_get(given, "source", NULL);
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    int32_t status =
        drops ? trigperf_admin_consumer_drop(admin, name, source, args_has(given, "force") ? 1 : 0,
                                             dry_run, &sql, &error)
              : trigperf_admin_consumer_reset(admin, name, source, dry_run, &sql, &error);
    if (status != TRIGPERF_OK) {
        return say_failure(error);
    }
    if (dry_run != 0) {
        fputs(sql, stdout);
    } else {
        printf(drops ? "dropped %s\n" : "reset %s: it resyncs everything\n", name);
    }
    trigperf_string_free(sql);
    return EXIT_FINE;
}

static int check_options(const args *given, const char *verb) {
    static const char *const only[][2] = {
        {"source", "reset drop"}, {"force", "drop"}, {"dry-run", "reset drop"}, {"format", "list"}};
    for (size_t i = 0; i < sizeof only / sizeof only[0]; i++) {
        if (args_has(given, only[i][0]) && strstr(only[i][1], verb) == NULL) {
            return say_wrong("--%s does not belong to consumers %s", only[i][0], verb);
        }
    }
    size_t wanted = strcmp(verb, "list") == 0 ? 1 : 2;
    if (given->operand_count > wanted) {
        return say_wrong("consumers %s: unexpected argument '%s'", verb, given->operands[wanted]);
    }
    if (wanted == 2 && given->operand_count < 2) {
        say_wrong("consumers %s expects the name of a consumer", verb);
        say_hint("trigperf consumers lists them");
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

static int run(const args *given) {
    static const char *const verbs[] = {"list", "reset", "drop", NULL};
    const char *verb = given->operand_count > 0 ? given->operands[0] : "list";
    const char *format = NULL;
    trigperf_admin *admin = NULL;
    int code = args_verb("consumers", verb, verbs);
    if (code == EXIT_FINE) {
        code = check_options(given, verb);
    }
    if (code == EXIT_FINE) {
        code = args_choice(given, "format", formats, &format);
    }
    if (code == EXIT_FINE) {
        code = settings_admin(given, &admin);
    }
    if (code == EXIT_FINE) {
        code = strcmp(verb, "list") == 0 ? list(admin, format)
                                         : change(admin, given, strcmp(verb, "drop") == 0);
    }
    trigperf_admin_free(admin);
    return code;
}

const command command_consumers = {
    .name = "consumers",
    .summary = "List, reset or drop the consumers of changes.",
    .usage = "consumers [list] [--format text|json]\n"
             "consumers reset NAME [--source outbox|wal] [--dry-run]\n"
             "consumers drop NAME [--source outbox|wal] [--force] [--dry-run]",
    .details =
        "A consumer is reading, away, expired (away for longer than retention.max_age_s: nothing\n"
        "is kept for it any more) or overtaken (what it had not read is gone: it resyncs\n"
        "everything when it comes back). reset lets it begin at the present, with a resync; a\n"
        "program that runs does so within 10 seconds. drop forgets it, and its replication slot;\n"
        "while a program reads under that name it is refused, and with --force the program\n"
        "begins anew under the same name.",
    .options = options,
    .operands_max = 2,
    .run = run,
};
