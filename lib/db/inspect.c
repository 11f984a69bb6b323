/* The server builds the object, in the function trigperf.status(): it knows its catalogs best, and
 * others can call it without this library. */
#include "db/inspect.h"

#include <string.h>

#include "base/json.h"
#include "db/migrate.h"
#include "db/sqltext.h"

static void put_absent(PGconn *connection, tp_strbuf *json) {
    tp_json_open(json, NULL, '{');
    tp_json_bool(json, "installed", false);
    tp_json_text(json, "database", PQdb(connection));
    tp_json_text(json, "server_version", PQparameterStatus(connection, "server_version"));
    tp_json_text(json, "fix", "run 'trigperf install'");
    tp_json_close(json, '}');
}

int32_t tp_inspect(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    int32_t version = 0;
    int32_t status = tp_migrate_check(connection, false, &version, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (version == 0) {
        put_absent(connection, json);
        return json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    PGresult *result = NULL;
    status = tp_sql_query(connection, "SELECT trigperf.status()", 0, NULL,
                          "reading the status of the schema trigperf", &result, err);
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(json, PQgetvalue(result, 0, 0));
        PQclear(result);
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    return status;
}

/* Written to be run under any search_path. */
static const char attachments_sql[] =
    "SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object("
    "'table', pg_catalog.format('%I.%I', c.schema_name, c.table_name),"
    " 'keys', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object("
    "'name', k.name, 'expression', k.expression) ORDER BY k.place), '[]')"
    " FROM ROWS FROM (pg_catalog.unnest(c.key_names), pg_catalog.unnest(c.key_exprs))"
    " WITH ORDINALITY AS k(name, expression, place)),"
    " 'watch', c.watch,"
    " 'granularity', CASE WHEN pg_catalog.starts_with(c.granularity_reason, 'auto:')"
    " THEN 'auto' ELSE c.granularity END,"
    " 'shape', c.granularity, 'isolate', c.isolate, 'replicated', c.replicated,"
    " 'max_keys', c.max_keys, 'sample_rate', c.sample_rate, 'where', c.row_filter)"
    " ORDER BY c.schema_name, c.table_name), '[]') FROM trigperf.captured_table c";

int32_t tp_inspect_attachments(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(connection, attachments_sql, 0, NULL,
                                  "reading the attached tables", &result, err);
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(json, PQgetvalue(result, 0, 0));
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    PQclear(result);
    return status;
}
