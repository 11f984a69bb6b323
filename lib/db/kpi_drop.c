/* Triggers are found through the function that they call: so those of renamed tables and of
 * partitions go as well. Rights of the owner go with its last function in our schema. */
#include "db/kpi_drop.h"

#include "db/migrate.h"
#include "db/retry.h"
#include "db/sqltext.h"

static const char doing[] = "dropping the KPI";

typedef struct work {
    const char *target;
    bool keep;
    bool dry_run;
    tp_strbuf *sql;
} work;

static const char find_sql[] =
    "SELECT k.id, format('%I.%I', k.target_schema, k.target_table) FROM trigperf.kpi k "
    "WHERE parse_ident($1) = ARRAY[k.target_schema, k.target_table]::text[]"
    " OR (array_length(parse_ident($1), 1) = 1 AND parse_ident($1) = ARRAY[k.target_table]::text[]"
    " AND (SELECT count(*) FROM trigperf.kpi o WHERE o.target_table = k.target_table) = 1)";

static const char drops_sql[] =
    "SELECT s FROM (SELECT 1, t.oid, format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname,"
    " c.relname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid"
    " WHERE p.pronamespace = 'trigperf'::regnamespace AND p.proname = 'kpi_' || $1"
    " AND t.tgparentid = 0 "
    "UNION ALL SELECT 2, p.oid, format('DROP FUNCTION trigperf.%I(%s)', p.proname,"
    " pg_get_function_identity_arguments(p.oid)) FROM pg_proc p"
    " WHERE p.pronamespace = 'trigperf'::regnamespace"
    " AND p.proname IN ('kpi_' || $1, 'kpi_work_' || $1) "
    "UNION ALL SELECT 3, c.oid, format('DROP TABLE trigperf.%I', c.relname) FROM pg_class c"
    " WHERE c.relnamespace = 'trigperf'::regnamespace AND c.relname = 'kpi_mark_' || $1 "
    "UNION ALL SELECT 4, 0, format('REVOKE INSERT ON trigperf.trigger_error_log FROM %1$I;\n"
    "REVOKE SELECT ON trigperf.kpi FROM %1$I;\n"
    "REVOKE EXECUTE ON FUNCTION trigperf.kpi_refresh(text, text) FROM %1$I;\n"
    "REVOKE USAGE ON SCHEMA trigperf FROM %1$I', r.rolname)"
    " FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner"
    " JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'trigperf' AND p.proname = 'kpi_' || $1 AND NOT r.rolsuper"
    " AND r.oid <> n.nspowner AND NOT EXISTS (SELECT FROM pg_proc o"
    " WHERE o.pronamespace = n.oid AND o.proowner = r.oid"
    " AND o.proname NOT IN ('kpi_' || $1, 'kpi_work_' || $1))"
    " AND NOT EXISTS (SELECT FROM pg_proc o CROSS JOIN LATERAL aclexplode(o.proacl) a"
    " WHERE o.pronamespace = n.oid AND a.grantee = r.oid AND o.proowner <> r.oid"
    " AND o.proname <> 'kpi_refresh')) AS x(place, o, s) ORDER BY place, o";

static int32_t put_drops(PGconn *connection, const char *id, tp_strbuf *sql, trigperf_error **err) {
    PGresult *drops = NULL;
    int32_t status = tp_sql_query(connection, drops_sql, 1, (const char *const[]){id},
                                  "looking for the KPI's triggers", &drops, err);
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(drops); row++) {
        tp_strbuf_printf(sql, "%s;\n", PQgetvalue(drops, row, 0));
    }
    PQclear(drops);
    return status;
}

static int32_t put_all(const work *w, PGconn *connection, const PGresult *found,
                       trigperf_error **err) {
    const char *id = PQgetvalue(found, 0, 0);
    const char *target = PQgetvalue(found, 0, 1);
    tp_strbuf_puts(w->sql, "-- Takes the KPI ");
    tp_sql_comment(w->sql, target);
    tp_strbuf_puts(w->sql, " back. Run in one transaction.\n");
    int32_t status = put_drops(connection, id, w->sql, err);
    tp_strbuf_printf(w->sql, "DELETE FROM trigperf.kpi WHERE id OPERATOR(pg_catalog.=) %s;\n", id);
    if (!w->keep) {
        tp_strbuf_printf(w->sql, "DROP TABLE IF EXISTS %s;\n", target);
    }
    return status == TRIGPERF_OK && w->sql->failed ? tp_error_nomem(err) : status;
}

static int32_t drop(PGconn *connection, void *user, trigperf_error **err) {
    work *w = user;
    int32_t version = 0;
    PGresult *found = NULL;
    tp_strbuf_reset(w->sql);
    int32_t status = tp_migrate_check(connection, true, &version, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "SET LOCAL search_path = pg_catalog, pg_temp", doing, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, find_sql, 1, (const char *const[]){w->target},
                              "looking for the KPI", &found, err);
    }
    if (status == TRIGPERF_OK && PQntuples(found) == 0) {
        status = tp_error_set(err, TRIGPERF_E_NOT_FOUND, "'trigperf kpi list' names them",
                              "expected the target of a KPI, %s is none", w->target);
    } else if (status == TRIGPERF_OK) {
        status = put_all(w, connection, found, err);
    }
    PQclear(found);
    return status == TRIGPERF_OK && !w->dry_run
               ? tp_sql_run(connection, tp_strbuf_str(w->sql), doing, err)
               : status;
}

int32_t tp_kpi_drop(PGconn *connection, const char *target, bool keep, bool dry_run, tp_strbuf *sql,
                    trigperf_error **err) {
    work w = {target, keep, dry_run, sql};
    return tp_retry(connection, drop, &w, !dry_run, doing, err);
}
