/* The server does the work, so that it is done once whoever asks: see the migration for how. */
#include "db/alerts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db/health.h"

int32_t tp_alerts_list(PGconn *connection, int64_t since_s, uint64_t after, tp_strbuf *json,
                       trigperf_error **err) {
    char seconds[24];
    char number[24];
    snprintf(seconds, sizeof seconds, "%" PRId64, since_s);
    snprintf(number, sizeof number, "%" PRIu64, after > INT64_MAX ? INT64_MAX : after);
    const char *values[] = {since_s > 0 ? seconds : NULL, number};
    return tp_health_document(connection,
                              "SELECT trigperf.alerts(pg_catalog.clock_timestamp() "
                              "OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => "
                              "$1::pg_catalog.float8), $2::pg_catalog.int8)",
                              2, values, "reading the alerts", json, err);
}

int32_t tp_alerts_judge_all(PGconn *connection, bool at_once, tp_strbuf *json,
                            trigperf_error **err) {
    const char *values[] = {at_once ? "t" : "f"};
    return tp_health_document(
        connection,
        "SELECT COALESCE(pg_catalog.json_agg(pg_catalog.row_to_json(j.*)), '[]') "
        "FROM trigperf.alerts_judge($1::pg_catalog.bool) AS j",
        1, values, "judging the alerts", json, err);
}

int32_t tp_alerts_take(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    return tp_health_document(connection, "SELECT trigperf.alerts_take()", 0, NULL,
                              "taking the alerts", json, err);
}

int32_t tp_alerts_silence_rule(PGconn *connection, const char *rule, int64_t duration_ms,
                               trigperf_error **err) {
    char seconds[40];
    tp_strbuf json = TP_STRBUF_INIT;
    trigperf_error *problem = NULL;
    snprintf(seconds, sizeof seconds, "%" PRId64 ".%03" PRId64, duration_ms / 1000,
             duration_ms % 1000);
    const char *values[] = {rule, seconds};
    int32_t status = tp_health_document(
        connection, "SELECT trigperf.alert_silence($1::pg_catalog.text, $2::pg_catalog.float8)", 2,
        values, "silencing alerts", &json, &problem);
    tp_strbuf_free(&json);
    if (problem != NULL && strcmp(trigperf_error_sqlstate(problem), "42704") == 0) {
        trigperf_error_free(problem);
        return tp_error_set(err, TRIGPERF_E_NOT_FOUND, "trigperf alerts --format json lists them",
                            "there is no alert rule \"%.100s\"", rule == NULL ? "" : rule);
    }
    if (problem != NULL) { /* short of memory, that is what it says */
        status = trigperf_error_code(problem);
    }
    if (err != NULL) {
        *err = problem;
    } else {
        trigperf_error_free(problem);
    }
    return status;
}
