/* The sentences stand here once, because several connections ask the same of their server. */
#include "pg/server.h"

#define OLDEST 150000

int32_t tp_server_check_version(long version, trigperf_error **err) {
    if (version < OLDEST) {
        return tp_error_set(err, TRIGPERF_E_VERSION, "upgrade the server",
                            "expected PostgreSQL 15 or newer, the server is version %ld.%ld",
                            version / 10000, version % 10000);
    }
    return TRIGPERF_OK;
}

int32_t tp_server_check_primary(bool standby, const char *why, trigperf_error **err) {
    if (standby) {
        return tp_error_set(
            err, TRIGPERF_E_UNSUPPORTED,
            "connect to the primary, for instance with target_session_attrs=read-write",
            "expected a primary server, this one is a standby%s", why);
    }
    return TRIGPERF_OK;
}
