/* The version stands in meson.build alone. */
#include <trigperf/version.h>

#include "db/migrate.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *trigperf_version(void) {
    return TEXT(TP_VERSION_MAJOR) "." TEXT(TP_VERSION_MINOR) "." TEXT(TP_VERSION_PATCH);
}

int32_t trigperf_version_number(void) {
    return TP_VERSION_MAJOR * 10000 + TP_VERSION_MINOR * 100 + TP_VERSION_PATCH;
}

int32_t trigperf_schema_version(void) {
    return TP_SCHEMA_VERSION;
}
