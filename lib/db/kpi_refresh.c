/* A transaction for each KPI, so that what one of them locks or holds back is not held for the
 * others. */
#include "db/kpi_refresh.h"

#include <string.h>

#include "base/json.h"
#include "db/sqltext.h"

static const char list_sql[] =
    "SELECT COALESCE(json_agg(json_build_object('target', l.target, 'source', l.source,"
    " 'groups', (SELECT json_agg(json_build_object('name', g.n, 'expression', g.e) ORDER BY g.p)"
    "  FROM ROWS FROM (unnest(k.group_names), unnest(k.group_exprs)) WITH ORDINALITY"
    "  AS g(n, e, p)),"
    " 'values', (SELECT json_agg(json_build_object('name', v.n, 'aggregate', v.a) ORDER BY v.p)"
    "  FROM ROWS FROM (unnest(k.value_names), unnest(k.aggregates)) WITH ORDINALITY AS v(n, a, p)),"
    " 'where', k.row_filter, 'mode', k.mode, 'interval_ms', k.interval_ms,"
    " 'granularity', k.granularity, 'reason', k.reason, 'triggers', k.triggers,"
    " 'state', l.state, 'fix', l.fix, 'added_at', k.added_at) ORDER BY l.target), '[]') "
    "FROM trigperf.kpi_list() l JOIN trigperf.kpi k ON k.id = l.id";

static const char names_sql[] =
    "SELECT pg_catalog.format('%I.%I', k.target_schema, k.target_table) FROM trigperf.kpi k "
    "WHERE $1::text IS NULL OR pg_catalog.parse_ident($1) OPERATOR(pg_catalog.=) "
    "ARRAY[k.target_schema, k.target_table]::text[] OR pg_catalog.parse_ident($1) "
    "OPERATOR(pg_catalog.=) ARRAY[k.target_table]::text[] ORDER BY k.id";

static const char refresh_sql[] = "SELECT r.refreshed, r.waiting, r.rebuilt, r.busy, r.error "
                                  "FROM trigperf.kpi_refresh($1, $2) r";

int32_t tp_kpi_list(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status =
        tp_sql_query(connection, list_sql, 0, NULL, "reading the registry of KPIs", &rows, err);
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(json, PQgetvalue(rows, 0, 0));
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    PQclear(rows);
    return status;
}

static void put_outcome(const PGresult *rows, const char *target, tp_strbuf *json) {
    static const char *const names[] = {"rows", "waiting", "rebuilt", "busy"};
    tp_json_open(json, NULL, '{');
    tp_json_text(json, "target", target);
    for (int i = 0; i < 4; i++) {
        const char *text = PQgetvalue(rows, 0, i);
        tp_json_raw(json, names[i], i < 2 ? text : text[0] == 't' ? "true" : "false");
    }
    tp_json_text(json, "error", PQgetisnull(rows, 0, 4) ? NULL : PQgetvalue(rows, 0, 4));
    tp_json_close(json, '}');
}

static int32_t refresh_one(PGconn *connection, const char *target, const char *what,
                           tp_strbuf *json, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = tp_sql_query(connection, refresh_sql, 2, (const char *const[]){target, what},
                                  "refreshing the KPI", &rows, err);
    if (status == TRIGPERF_OK && PQntuples(rows) == 1) {
        put_outcome(rows, target, json); /* not when it was dropped meanwhile */
    }
    PQclear(rows);
    return status;
}

static int32_t check_what(const char *what, trigperf_error **err) {
    static const char *const words[] = {"due", "all", "rebuild", "check"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (what != NULL && strcmp(what, words[i]) == 0) {
            return TRIGPERF_OK;
        }
    }
    return tp_error_set(err, TRIGPERF_E_INVALID, "due refreshes what changed and may be refreshed",
                        "expected due, all, rebuild or check; got \"%s\"",
                        what == NULL ? "" : what);
}

int32_t tp_kpi_refresh(PGconn *connection, const char *target, const char *what, tp_strbuf *json,
                       trigperf_error **err) {
    PGresult *names = NULL;
    int32_t status = check_what(what, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, names_sql, 1, (const char *const[]){target},
                              "reading the registry of KPIs", &names, err);
    }
    if (status == TRIGPERF_OK && target != NULL && PQntuples(names) == 0) {
        status = tp_error_set(err, TRIGPERF_E_NOT_FOUND, "'trigperf kpi list' names them",
                              "expected the target of a KPI, %s is none", target);
    }
    tp_json_open(json, NULL, '[');
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(names); row++) {
        status = refresh_one(connection, PQgetvalue(names, row, 0), what, json, err);
    }
    tp_json_close(json, ']');
    PQclear(names);
    return status == TRIGPERF_OK && json->failed ? tp_error_nomem(err) : status;
}
