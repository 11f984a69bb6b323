/* trigperf uninstall: detaches every table and removes the schema. */
#include <stdio.h>

#include "ask.h"
#include "command.h"

static const args_option options[] = {
    {"dry-run", NULL, "print the SQL, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static int32_t uninstall(trigperf_admin *admin, const args *given, char **sql,
                         trigperf_error **error) {
    return trigperf_admin_uninstall(admin, ask_flag(given, "dry-run"), sql, error);
}

static void report(const args *given, const char *sql) {
    (void)given;
    (void)sql;
    puts("removed schema trigperf and every trigger of it");
}

static int run(const args *given) {
    return ask_change(given, uninstall, report);
}

const command command_uninstall = {
    .name = "uninstall",
    .summary = "Detach every table and remove the schema; nothing stays behind.",
    .usage = "uninstall [--dry-run]",
    .details =
        "Positions of named consumers go with the schema: after a new install they start with\n"
        "a resync.",
    .options = options,
    .run = run,
};
