/* trigperf grants: the least rights of a role, printed or applied.
 *
 * The SQL is data in both cases: what would run, or what ran.
 */
#include <stdio.h>

#include <trigperf.h>

#include "ask.h"
#include "command.h"
#include "say.h"

static const args_option options[] = {
    {"installer", "ROLE", "installs the schema, attaches tables: its own, and the TABLEs of others",
     0},
    {"writer", "ROLE", "writes to captured tables (needs nothing)", 0},
    {"consumer", "ROLE", "follows changes, as a program with a context or tail does", 0},
    {"metrics", "ROLE", "reads the status", 0},
    {"apply", NULL, "run the SQL, in one transaction; without it, only print", 0},
    {"revoke", NULL, "take the rights back", 0},
    {NULL, NULL, NULL, 0},
};

/* The one option that names a role, NULL when there is none or several. */
static const args_given *chosen_kind(const args *given) {
    const args_given *found = NULL;
    for (size_t i = 0; i < given->given_count; i++) {
        const args_given *one = &given->given[i];
        if (one->option >= &options[0] && one->option <= &options[3]) {
            if (found != NULL) {
                return NULL;
            }
            found = one;
        }
    }
    return found;
}

static int32_t grant(trigperf_admin *admin, const args *given, char **sql, trigperf_error **error) {
    const args_given *kind = chosen_kind(given);
    return trigperf_admin_grants(admin, kind->option->name, kind->value, given->operands,
                                 (uint32_t)given->operand_count, ask_flag(given, "revoke"),
                                 args_has(given, "apply") ? 0 : 1, sql, error);
}

static int run(const args *given) {
    const args_given *kind = chosen_kind(given);
    if (kind == NULL) {
        say_wrong("grants expects one of --installer, --writer, --consumer, --metrics with a role");
        say_hint("for instance: trigperf grants --consumer app");
        return EXIT_USAGE;
    }
    if (given->operand_count > 0 && kind->option != &options[0]) {
        return say_wrong("grants takes tables for --installer only, got '%s'", given->operands[0]);
    }
    char *sql = NULL;
    int code = ask(given, grant, &sql);
    if (code == EXIT_FINE) {
        fputs(sql, stdout);
    }
    trigperf_string_free(sql);
    return code;
}

const command command_grants = {
    .name = "grants",
    .summary = "Print or apply the least rights that a role needs.",
    .usage = "grants --installer ROLE [TABLE..] [--apply] [--revoke]\n"
             "grants --writer|--consumer|--metrics ROLE [--apply] [--revoke]",
    .details =
        "Names of roles are taken as they are written. Whoever applies it owns the schema and may\n"
        "grant membership in the owners of the tables named, or is a superuser. After an upgrade\n"
        "of the schema, run it again.",
    .options = options,
    .operands_max = 64,
    .run = run,
};
