/* One connection, one call. */
#include "schema.h"

#include <stdio.h>

#include "say.h"
#include "settings.h"

int schema_run(const args *given, schema_call call, void (*report)(const char *sql)) {
    trigperf_admin *admin = NULL;
    int code = settings_admin(given, &admin);
    if (code != EXIT_FINE) {
        return code;
    }
    int32_t dry_run = args_has(given, "dry-run") ? 1 : 0;
    char *sql = NULL;
    trigperf_error *error = NULL;
    if (call(admin, dry_run, &sql, &error) != TRIGPERF_OK) {
        code = say_failure(error);
    } else if (dry_run != 0) {
        fputs(sql, stdout);
    } else {
        report(sql);
    }
    trigperf_string_free(sql);
    trigperf_admin_free(admin);
    return code;
}
