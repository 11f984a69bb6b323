/* The public calls about alerts of the database. */
#include <trigperf/alert.h>

#include "api/admin.h"
#include "base/strbuf.h"
#include "db/alerts.h"

#define YEAR_MS (INT64_C(366) * 24 * 3600000)

int32_t trigperf_admin_alerts(trigperf_admin *admin, int64_t since_s, uint64_t after, char **json,
                              trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    if (since_s < 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "0 is all that is kept",
                            "expected seconds from 0 on, got %lld", (long long)since_s);
    }
    int32_t status = tp_alerts_list(tp_admin_connection(admin), since_s, after, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_alerts_judge(trigperf_admin *admin, int32_t at_once, char **json,
                                    trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_alerts_judge_all(tp_admin_connection(admin), at_once != 0, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_alerts_take(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_alerts_take(tp_admin_connection(admin), &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_alerts_silence(trigperf_admin *admin, const char *rule, int64_t duration_ms,
                                      trigperf_error **error) {
    if (duration_ms < 0 || duration_ms > YEAR_MS) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "switch off a rule that is never wanted",
                            "expected 0 to %lld milliseconds of silence, got %lld",
                            (long long)YEAR_MS, (long long)duration_ms);
    }
    return tp_alerts_silence_rule(tp_admin_connection(admin), rule, duration_ms, error);
}
