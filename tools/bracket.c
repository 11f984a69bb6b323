/* trigperf bracket: measures the triggers of a table that are not ours, without touching them. */
#include <stdio.h>

#include "ask.h"
#include "command.h"

static const args_option options[] = {
    {"remove", NULL, "take the brackets away", 0},
    {"dry-run", NULL, "print the SQL, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static int32_t bracket(trigperf_admin *admin, const args *given, char **sql,
                       trigperf_error **error) {
    return trigperf_admin_bracket(admin, given->operands[0], ask_flag(given, "remove"),
                                  ask_flag(given, "dry-run"), sql, error);
}

static void show(const args *given, const char *sql) {
    (void)given;
    fputs(sql, stdout);
}

static int run(const args *given) {
    return ask_change(given, bracket, show);
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
