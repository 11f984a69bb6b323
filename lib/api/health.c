/* The public calls about what triggers cost. */
#include <trigperf/health.h>

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
