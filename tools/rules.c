/* trigperf rules: the rules that stand in the database. */
#include <stdio.h>
#include <string.h>

#include <trigperf.h>

#include "command.h"
#include "names.h"
#include "render.h"
#include "say.h"
#include "settings.h"

static const char *const formats[] = {"text", "json", NULL};

static const args_option options[] = {
    {"scope", "NAME", "a rule over the keys of a scope (what stands before their first colon)", 0},
    {"on", "OPERATION[,..]", "add: only for these: insert, update, delete, truncate", 0},
    {"interval", "DURATION", "add: a key at most once in it, such as 500ms or 60s", 0},
    {"format", "FORMAT", "list: text (default) or json", 0},
    {NULL, NULL, NULL, 0},
};

/* What `add` and `remove` name. */
typedef struct rule {
    const char *table; /* NULL: a scope rule */
    const char *scope; /* NULL: a table rule */
    const char *text;
    const char *operations;
    uint32_t interval;
} rule;

static int list(trigperf_admin *admin, const char *format) {
    char *json = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_rules(admin, &json, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    int code = EXIT_FINE;
    if (strcmp(format, "json") == 0) {
        puts(json);
    } else {
        code = render_json(json);
    }
    trigperf_string_free(json);
    return code;
}

static int add(trigperf_admin *admin, const rule *which) {
    trigperf_error *error = NULL;
    if (trigperf_admin_rule_add(admin, which->table, which->scope, which->operations, which->text,
                                which->interval, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    printf("added %s\n", which->text);
    return EXIT_FINE;
}

static int take_away(trigperf_admin *admin, const rule *which) {
    trigperf_error *error = NULL;
    if (trigperf_admin_rule_remove(admin, which->table, which->scope, which->text, &error) !=
        TRIGPERF_OK) {
        return say_failure(error);
    }
    printf("removed %s\n", which->text);
    return EXIT_FINE;
}

static int wrong_form(const char *verb) {
    say_wrong("rules %s expects TABLE TEMPLATE, or --scope NAME TEMPLATE", verb);
    say_hint("for instance: trigperf rules %s public.calls 'call:{id}'", verb);
    return EXIT_USAGE;
}

/* Operands behind the verb, with their options. */
static int read_rule(const args *given, const char *verb, rule *which) {
    *which =
        (rule){.scope = args_get(given, "scope", NULL), .operations = args_get(given, "on", NULL)};
    size_t wanted = which->scope != NULL ? 2 : 3;
    if (given->operand_count != wanted) {
        return wrong_form(verb);
    }
    which->table = which->scope != NULL ? NULL : given->operands[1];
    which->text = given->operands[wanted - 1];
    const char *interval = args_get(given, "interval", NULL);
    return interval != NULL ? names_duration(interval, &which->interval) : EXIT_FINE;
}

static int check_options(const args *given, const char *verb) {
    static const char *const only[][2] = {{"on", "add"}, {"interval", "add"}, {"format", "list"}};
    for (size_t i = 0; i < sizeof only / sizeof only[0]; i++) {
        if (args_has(given, only[i][0]) && strcmp(verb, only[i][1]) != 0) {
            return say_wrong("--%s belongs to rules %s, not to rules %s", only[i][0], only[i][1],
                             verb);
        }
    }
    if (strcmp(verb, "list") == 0 && (given->operand_count > 1 || args_has(given, "scope"))) {
        return say_wrong("rules list takes no further arguments");
    }
    return EXIT_FINE;
}

static int run(const args *given) {
    static const char *const verbs[] = {"list", "add", "remove", NULL};
    const char *verb = given->operand_count > 0 ? given->operands[0] : "list";
    const char *format = NULL;
    rule which = {0};
    trigperf_admin *admin = NULL;
    int code = args_verb("rules", verb, verbs);
    if (code == EXIT_FINE) {
        code = check_options(given, verb);
    }
    if (code == EXIT_FINE) {
        code = args_choice(given, "format", formats, &format);
    }
    if (code == EXIT_FINE && strcmp(verb, "list") != 0) {
        code = read_rule(given, verb, &which);
    }
    if (code == EXIT_FINE) {
        code = settings_admin(given, &admin);
    }
    if (code == EXIT_FINE) {
        code = strcmp(verb, "list") == 0  ? list(admin, format)
               : strcmp(verb, "add") == 0 ? add(admin, &which)
                                          : take_away(admin, &which);
    }
    trigperf_admin_free(admin);
    return code;
}

const command command_rules = {
    .name = "rules",
    .summary = "List, add or remove the rules that stand in the database.",
    .usage = "rules [list] [--format text|json]\n"
             "rules add TABLE TEMPLATE [--on OPERATION,..] [--interval DURATION]\n"
             "rules add --scope NAME TEMPLATE [--on OPERATION,..] [--interval DURATION]\n"
             "rules remove TABLE TEMPLATE\n"
             "rules remove --scope NAME TEMPLATE",
    .details =
        "A table rule makes cache keys from the changes of an attached table. A scope rule makes\n"
        "further ones: wherever a key of the scope appears (dashboard:7 is of scope dashboard),\n"
        "its template is filled in as well. Every app server follows at once.",
    .options = options,
    .operands_max = 3,
    .run = run,
};
