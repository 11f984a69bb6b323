/* trigperf uninstall: detaches every table and removes the schema. */
#include <stdio.h>

#include <trigperf.h>

#include "command.h"
#include "schema.h"

static const args_option options[] = {
    {"dry-run", NULL, "print the SQL, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static void report(const char *sql) {
    (void)sql;
    puts("removed schema trigperf and every trigger of it");
}

static int run(const args *given) {
    return schema_run(given, trigperf_admin_uninstall, report);
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
