/* trigperf bracket: measures the triggers of a table that are not ours, without touching them. */
#include <stdio.h>

#include <trigperf.h>

#include "command.h"
#include "say.h"
#include "settings.h"

static const args_option options[] = {
    {"remove", NULL, "take the brackets away", 0},
    {"dry-run", NULL, "print the SQL, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static int run(const args *given) {
    char *sql = NULL;
    trigperf_error *error = NULL;
    trigperf_admin *admin = NULL;
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    int code = settings_admin(given, &admin);
    if (code != EXIT_FINE) {
        return code;
    }
    if (trigperf_admin_bracket(admin, given->operands[0], args_has(given, "remove") ? 1 : 0,
                               dry_run, &sql, &error) != TRIGPERF_OK) {
        code = say_failure(error);
    } else {
        fputs(sql, stdout);
    }
    trigperf_string_free(sql);
    trigperf_admin_free(admin);
    return code;
}

const command command_bracket = {
    .name = "bracket",
    .summary = "Put a first and a last trigger around those of a table, to time them.",
    .usage = "bracket TABLE [--remove] [--dry-run]",
    .details =
        "Times a share of their executions, all triggers of a time and level together; the report\n"
        "shows them as brackets. Prints the SQL that ran.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
