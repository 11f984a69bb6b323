/* trigperf uninstall: detaches every table and removes the schema. */
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
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    char *sql = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_uninstall(admin, dry_run, &sql, &error) == TRIGPERF_OK) {
        fputs(dry_run != 0 ? sql : "removed schema trigperf and every trigger of it\n", stdout);
    } else {
        code = say_failure(error);
    }
    trigperf_string_free(sql);
    trigperf_admin_free(admin);
    return code;
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
