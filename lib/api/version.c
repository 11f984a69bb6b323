/* The version stands in meson.build alone. */
#include <trigperf/version.h>

#include <stdlib.h>

#include "db/migrate.h"

const char *trigperf_version(void) {
    return TP_VERSION;
}

int32_t trigperf_version_number(void) {
    char *rest = NULL;
    long major = strtol(TP_VERSION, &rest, 10);
    long minor = strtol(rest + 1, &rest, 10);
    long patch = strtol(rest + 1, NULL, 10);
    return (int32_t)(major * 10000 + minor * 100 + patch);
}

int32_t trigperf_schema_version(void) {
    return TP_SCHEMA_VERSION;
}
