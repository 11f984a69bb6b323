/* The public calls about what triggers cost. */
#include <trigperf/health.h>

#include <inttypes.h>

#include "api/admin.h"
#include "base/strbuf.h"
#include "db/health.h"

int32_t trigperf_admin_collect(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_health_collect(tp_admin_connection(admin), &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_report(trigperf_admin *admin, int64_t since_s, int64_t until_s, char **json,
                              trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_health_report(tp_admin_connection(admin), since_s, until_s, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_bracket(trigperf_admin *admin, const char *table, int32_t remove,
                               int32_t dry_run, char **sql, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_health_bracket(tp_admin_connection(admin), table, remove != 0, dry_run != 0,
                                       &text, error);
    return tp_admin_hand_over(&text, sql, status, error);
}

#define DAYS_MOST 3660
#define BATCH_USUAL 10000
#define BATCH_MOST 1000000

static int32_t check_bounds(uint32_t days, uint32_t batch, trigperf_error **err) {
    if (days >= 1 && days <= DAYS_MOST && batch <= BATCH_MOST) {
        return TRIGPERF_OK;
    }
    return tp_error_set(
        err, TRIGPERF_E_INVALID, "0 is the usual: metrics.retention_days, and 10000",
        "expected 1 to %d days and batches of up to %d rows, got %" PRIu32 " and %" PRIu32,
        DAYS_MOST, BATCH_MOST, days, batch);
}

int32_t trigperf_admin_cleanup(trigperf_admin *admin, uint32_t older_than_days, uint32_t batch,
                               int32_t dry_run, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    PGconn *connection = tp_admin_connection(admin);
    uint32_t days = older_than_days == 0 ? tp_admin_retention_days(admin) : older_than_days;
    int32_t status = check_bounds(days, batch, error);
    if (status == TRIGPERF_OK && dry_run != 0) {
        status = tp_health_cleanup_plan(connection, days, &text, error);
    } else if (status == TRIGPERF_OK) {
        status = tp_health_cleanup_step(connection, days, batch == 0 ? BATCH_USUAL : batch, &text,
                                        error);
    }
    return tp_admin_hand_over(&text, json, status, error);
}
