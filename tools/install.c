/* trigperf install: the schema in the database, or the SQL that would make it. */
#include <stdio.h>

#include <trigperf.h>

#include "command.h"
#include "say.h"
#include "settings.h"

static const args_option options[] = {
    {"dry-run", NULL, "print the SQL of the missing migrations, change nothing", 0},
    {NULL, NULL, NULL, 0},
};

static void report(const char *sql, int32_t dry_run) {
    int version = (int)trigperf_schema_version();
    if (dry_run != 0) {
        fputs(sql, stdout);
    } else if (sql[0] == '\0') {
        printf("schema trigperf is at version %d already\n", version);
    } else {
        printf("installed schema trigperf, version %d\n", version);
    }
}

static int run(const args *given) {
    trigperf_admin *admin = NULL;
    int code = settings_admin(given, &admin);
    if (code != EXIT_FINE) {
        return code;
    }
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    char *sql = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_install(admin, dry_run, &sql, &error) == TRIGPERF_OK) {
        report(sql, dry_run);
    } else {
        code = say_failure(error);
    }
    trigperf_string_free(sql);
    trigperf_admin_free(admin);
    return code;
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
