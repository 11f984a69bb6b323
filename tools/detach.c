/* trigperf detach: capture of a table ends. */
#include <stdio.h>

#include "ask.h"
#include "command.h"
#include "say.h"

static const args_option options[] = {
    {"dry-run", NULL, "print the SQL, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static int32_t detach(trigperf_admin *admin, const args *given, char **sql,
                      trigperf_error **error) {
    say_progress("detaching %s", given->operands[0]);
    return trigperf_admin_detach(admin, given->operands[0], ask_flag(given, "dry-run"), sql, error);
}

static void report(const args *given, const char *sql) {
    (void)sql;
    printf("detached %s\n", given->operands[0]);
}

static int run(const args *given) {
    return ask_change(given, detach, report);
}

const command command_detach = {
    .name = "detach",
    .summary = "Stop capturing the changes of a table; its rules go too.",
    .usage = "detach TABLE [--dry-run]",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
