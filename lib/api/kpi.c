/* KPIs over the administrator's connection. */
#include <trigperf/kpi.h>

#include "api/admin.h"
#include "base/strbuf.h"
#include "db/kpi_add.h"
#include "db/kpi_drop.h"
#include "db/kpi_refresh.h"

int32_t trigperf_admin_kpi_add(trigperf_admin *admin, const trigperf_kpi *kpi, int32_t dry_run,
                               char **sql, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_kpi_add(tp_admin_connection(admin), kpi, dry_run != 0, &text, error);
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_kpi_drop(trigperf_admin *admin, const char *target, int32_t keep,
                                int32_t dry_run, char **sql, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_kpi_drop(tp_admin_connection(admin), target == NULL ? "" : target,
                                 keep != 0, dry_run != 0, &text, error);
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_kpis(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_kpi_list(tp_admin_connection(admin), &text, error);
    }
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_kpi_refresh(trigperf_admin *admin, const char *target, const char *what,
                                   char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_kpi_refresh(tp_admin_connection(admin), target, what, &text, error);
    }
    return tp_admin_hand_over(&text, json, status, error);
}
