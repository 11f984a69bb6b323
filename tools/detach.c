/* trigperf detach: capture of a table ends. */
#include <stdio.h>

#include <trigperf.h>

#include "command.h"
#include "say.h"
#include "settings.h"

static const args_option options[] = {
    {"dry-run", NULL, "print the SQL, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static int run(const args *given) {
    trigperf_admin *admin = NULL;
    int code = settings_admin(given, &admin);
    if (code != EXIT_FINE) {
        return code;
    }
    const char *table = given->operands[0];
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    char *sql = NULL;
    trigperf_error *error = NULL;
    say_progress("detaching %s", table);
    if (trigperf_admin_detach(admin, table, dry_run, &sql, &error) != TRIGPERF_OK) {
        code = say_failure(error);
    } else if (dry_run != 0) {
        fputs(sql, stdout);
    } else {
        printf("detached %s\n", table);
    }
    trigperf_string_free(sql);
    trigperf_admin_free(admin);
    return code;
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
