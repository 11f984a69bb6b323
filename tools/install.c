/* trigperf install: the schema in the database, or the SQL that would make it. */
#include <stdio.h>

#include "ask.h"
#include "command.h"

static const args_option options[] = {
    {"dry-run", NULL, "print the SQL of the missing migrations, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static int32_t install(trigperf_admin *admin, const args *given, char **sql,
                       trigperf_error **error) {
    return trigperf_admin_install(admin, ask_flag(given, "dry-run"), sql, error);
}

static void report(const args *given, const char *sql) {
    (void)given;
    int version = (int)trigperf_schema_version();
    if (sql[0] == '\0') {
        printf("schema trigperf is at version %d already\n", version);
    } else {
        printf("installed schema trigperf, version %d\n", version);
    }
}

static int run(const args *given) {
    return ask_change(given, install, report);
}

const command command_install = {
    .name = "install",
    .summary = "Install the schema `trigperf`, or bring it to this version.",
    .usage = "install [--dry-run]",
    .details =
        "It may be repeated, and several machines may do it at once. The output of --dry-run\n"
        "is plain SQL that can be pasted into another migration tool.",
    .options = options,
    .run = run,
};
