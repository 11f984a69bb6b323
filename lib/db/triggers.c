/* One query over the catalogs; nothing of ours needs to be installed for it. Where the schema is,
 * and the role may read what was measured, the share of executions that found nothing to do stands
 * in place of a null. */
#include "db/triggers.h"

#include <string.h>

#include "db/queries.h"
#include "db/relation.h"
#include "db/sqltext.h"

static const char may_read_sql[] =
    "SELECT COALESCE(pg_catalog.has_table_privilege(c.oid, 'SELECT')"
    " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'trigperf' AND c.relname = 'trigger_performance_metrics'";

static const char unknown[] = "NULL /* measured */";

/* Of the sampled executions, as in the report, or of all where there is no histogram. Capture
 * functions of several triggers are measured as a whole, by their function alone. */
static const char share_sql[] =
    "(SELECT CASE WHEN pg_catalog.sum(s.count) > 0 THEN LEAST(1,"
    " pg_catalog.sum(x.skipped)::float8 / pg_catalog.sum(s.count)) END"
    " FROM trigperf.trigger_performance_metrics x CROSS JOIN LATERAL (SELECT COALESCE("
    " pg_catalog.sum((e & 281474976710655)::float8), x.executions::float8)"
    " FROM pg_catalog.unnest(x.histogram) AS e) AS s(count)"
    " WHERE x.skipped IS NOT NULL AND s.count IS NOT NULL"
    " AND x.function_name = pg_catalog.format('%I.%I', m.fnspname, m.proname)"
    " AND (x.trigger_name IS NULL OR x.trigger_name = m.tgname))";

static int32_t write_query(PGconn *connection, tp_strbuf *sql, trigperf_error **err) {
    PGresult *result = NULL;
    const char *at = strstr(tp_query_triggers, unknown);
    int32_t status = tp_sql_query(connection, may_read_sql, 0, NULL,
                                  "looking for what was measured", &result, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    bool known = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    tp_strbuf_add(sql, tp_query_triggers, (size_t)(at - tp_query_triggers));
    tp_strbuf_puts(sql, known ? share_sql : unknown);
    tp_strbuf_puts(sql, at + strlen(unknown));
    return sql->failed ? tp_error_nomem(err) : TRIGPERF_OK;
}

static int32_t list(PGconn *connection, const char *oid, tp_strbuf *json, trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    PGresult *result = NULL;
    int32_t status = write_query(connection, &sql, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, tp_strbuf_str(&sql), 1, &oid, "reading the triggers",
                              &result, err);
    }
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(json, PQgetvalue(result, 0, 0));
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    PQclear(result);
    tp_strbuf_free(&sql);
    return status;
}

int32_t tp_triggers_list(PGconn *connection, const char *table, tp_strbuf *json,
                         trigperf_error **err) {
    tp_relation relation = {0};
    int32_t status =
        table == NULL ? TRIGPERF_OK : tp_relation_find(connection, table, &relation, err);
    if (status == TRIGPERF_OK) {
        status = list(connection, table == NULL ? NULL : relation.oid, json, err);
    }
    tp_relation_free(&relation);
    return status;
}
