/* Triggers are found through the function that they call, not through the registry: so those on
 * partitions, on tables renamed meanwhile, and left-overs of a dump go as well. Clones of row
 * triggers on partitions go with the trigger they were cloned from. */
#include "db/detach.h"

#include "db/migrate.h"
#include "db/retry.h"
#include "db/sqltext.h"

static const char doing[] = "detaching the table";

typedef struct work {
    const char *table;
    bool dry_run;
    tp_strbuf *sql;
} work;

/* Under the session's own search_path, as the name was written there. A full name may also be the
 * one in the registry, of a table that was dropped or renamed since; one without a schema that of a
 * dropped table alone, lest it mean another one of that name elsewhere. */
static const char find_sql[] =
    "SELECT c.id, pg_catalog.format('%I.%I', c.schema_name, c.table_name), c.function_name "
    "FROM trigperf.captured_table c "
    "WHERE c.relid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid "
    "OR CASE pg_catalog.array_length(pg_catalog.parse_ident($1), 1) "
    "WHEN 1 THEN pg_catalog.parse_ident($1) OPERATOR(pg_catalog.=) "
    "ARRAY[c.table_name]::pg_catalog.text[] AND NOT EXISTS "
    "(SELECT FROM pg_catalog.pg_class r WHERE r.oid OPERATOR(pg_catalog.=) c.relid) "
    "ELSE pg_catalog.parse_ident($1) OPERATOR(pg_catalog.=) "
    "ARRAY[c.schema_name, c.table_name]::pg_catalog.text[] END "
    "ORDER BY c.relid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid "
    "DESC NULLS LAST, c.id";

static const char triggers_sql[] =
    "SELECT pg_catalog.format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname) "
    "FROM pg_catalog.pg_trigger t "
    "JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid "
    "JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
    "JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid "
    "JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) p.pronamespace "
    "WHERE s.nspname OPERATOR(pg_catalog.=) 'trigperf' "
    "AND t.tgparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid "
    "AND (p.proname OPERATOR(pg_catalog.=) $1 OR ($1 IS NULL "
    "AND p.proname OPERATOR(pg_catalog.~) '^capture_[0-9]+$')) "
    "ORDER BY t.oid";

static const char functions_sql[] =
    "SELECT pg_catalog.format('DROP FUNCTION trigperf.%I()', p.proname) "
    "FROM pg_catalog.pg_proc p "
    "JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) p.pronamespace "
    "WHERE s.nspname OPERATOR(pg_catalog.=) 'trigperf' "
    "AND p.prorettype OPERATOR(pg_catalog.=) 'pg_catalog.trigger'::pg_catalog.regtype "
    "AND (p.proname OPERATOR(pg_catalog.=) $1 OR ($1 IS NULL "
    "AND p.proname OPERATOR(pg_catalog.~) '^capture_[0-9]+$')) "
    "ORDER BY p.oid";

/* What attaching granted to the function's owner, unless another capture function of its runs with
 * it; USAGE stays as long as the role has further rights in the schema. */
static const char revokes_sql[] =
    "WITH home AS (SELECT n.oid, n.nspowner FROM pg_catalog.pg_namespace n"
    " WHERE n.nspname OPERATOR(pg_catalog.=) 'trigperf'),"
    " owner AS (SELECT r.oid, r.rolname FROM home CROSS JOIN pg_catalog.pg_proc p"
    " JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) p.proowner"
    " WHERE p.pronamespace OPERATOR(pg_catalog.=) home.oid"
    " AND p.proname OPERATOR(pg_catalog.=) $1 AND NOT r.rolsuper"
    " AND p.proowner OPERATOR(pg_catalog.<>) home.nspowner"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc o"
    "  WHERE o.pronamespace OPERATOR(pg_catalog.=) home.oid"
    "  AND o.proowner OPERATOR(pg_catalog.=) p.proowner"
    "  AND o.oid OPERATOR(pg_catalog.<>) p.oid)) "
    "SELECT pg_catalog.format('REVOKE INSERT ON trigperf.outbox_0, trigperf.outbox_1,"
    " trigperf.outbox_2, trigperf.outbox_3, trigperf.trigger_error_log,"
    " trigperf.trigger_execution_log FROM %I', owner.rolname) "
    "FROM owner UNION ALL "
    "SELECT pg_catalog.format('REVOKE EXECUTE ON FUNCTION trigperf.outbox_coarse FROM %I',"
    " owner.rolname) FROM owner UNION ALL "
    "SELECT pg_catalog.format('REVOKE USAGE ON SEQUENCE trigperf.uncaptured FROM %I', "
    "owner.rolname) FROM owner CROSS JOIN home WHERE EXISTS ("
    "SELECT FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a"
    " WHERE c.relnamespace OPERATOR(pg_catalog.=) home.oid"
    " AND c.relname OPERATOR(pg_catalog.=) 'uncaptured'"
    " AND a.grantee OPERATOR(pg_catalog.=) owner.oid) UNION ALL "
    "SELECT pg_catalog.format('REVOKE USAGE ON SCHEMA trigperf FROM %I', owner.rolname) "
    "FROM owner CROSS JOIN home WHERE NOT EXISTS ("
    "SELECT FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a"
    " WHERE c.relnamespace OPERATOR(pg_catalog.=) home.oid"
    " AND a.grantee OPERATOR(pg_catalog.=) owner.oid"
    " AND a.privilege_type OPERATOR(pg_catalog.<>) 'INSERT'"
    " AND c.relname OPERATOR(pg_catalog.<>) 'uncaptured') AND NOT EXISTS ("
    "SELECT FROM pg_catalog.pg_proc p CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a"
    " WHERE p.pronamespace OPERATOR(pg_catalog.=) home.oid"
    " AND a.grantee OPERATOR(pg_catalog.=) owner.oid"
    " AND p.proname OPERATOR(pg_catalog.<>) 'outbox_coarse'"
    " AND p.proowner OPERATOR(pg_catalog.<>) owner.oid)";

/* What was told under the table's name, unless it is told under another one as well. */
static const char unpublish_sql[] =
    "SELECT pg_catalog.format('ALTER PUBLICATION trigperf DROP TABLE ONLY %I.%I', n.nspname, "
    "r.relname) FROM trigperf.wal_member m "
    "JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) m.relid "
    "JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) r.relnamespace "
    "JOIN pg_catalog.pg_publication_rel p ON p.prrelid OPERATOR(pg_catalog.=) r.oid "
    "JOIN pg_catalog.pg_publication b ON b.oid OPERATOR(pg_catalog.=) p.prpubid "
    "WHERE b.pubname OPERATOR(pg_catalog.=) 'trigperf' "
    "AND m.table_id OPERATOR(pg_catalog.=) $1::pg_catalog.int4 "
    "AND NOT EXISTS (SELECT FROM trigperf.wal_family() f "
    "WHERE f.relid OPERATOR(pg_catalog.=) m.relid AND f.teller OPERATOR(pg_catalog.<>) m.table_id) "
    "ORDER BY m.relid";

/* Appends the statements that a query yields; function NULL: of all tables. */
static int32_t put_statements(PGconn *connection, const char *query, const char *function,
                              tp_strbuf *sql, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(connection, query, 1, (const char *const[]){function},
                                  "reading the capture triggers", &result, err);
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(result); row++) {
        tp_strbuf_printf(sql, "%s;\n", PQgetvalue(result, row, 0));
    }
    PQclear(result);
    return status == TRIGPERF_OK && sql->failed ? tp_error_nomem(err) : status;
}

static int32_t put_drops(PGconn *connection, const char *function, tp_strbuf *sql,
                         trigperf_error **err) {
    int32_t status = put_statements(connection, triggers_sql, function, sql, err);
    return status == TRIGPERF_OK ? put_statements(connection, functions_sql, function, sql, err)
                                 : status;
}

static int32_t not_attached(const work *w, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_NOT_FOUND, "'trigperf status' lists what is attached",
                        "expected an attached table, %s is not attached", w->table);
}

int32_t tp_detach_put(PGconn *connection, const char *id, const char *name, const char *function,
                      tp_strbuf *sql, trigperf_error **err) {
    tp_strbuf_puts(sql, "-- Ends the capture of ");
    tp_sql_comment(sql, name);
    tp_strbuf_puts(sql,
                   ". Run in one transaction; takes an ACCESS\n"
                   "-- EXCLUSIVE lock on the table (and on what is beneath it) until its end.\n");
    int32_t status = put_drops(connection, function, sql, err);
    if (status == TRIGPERF_OK) {
        status = put_statements(connection, revokes_sql, function, sql, err);
    }
    if (status == TRIGPERF_OK) {
        status = put_statements(connection, unpublish_sql, id, sql, err);
    }
    tp_strbuf_printf(sql,
                     "-- Who has not read all of its changes will not know their keys any more.\n"
                     "SELECT trigperf.resync_unread(%s);\n"
                     "DELETE FROM trigperf.captured_table WHERE id OPERATOR(pg_catalog.=) %s;\n"
                     "SELECT trigperf.registry_bump();\n",
                     id, id);
    return status == TRIGPERF_OK && sql->failed ? tp_error_nomem(err) : status;
}

static int32_t detach(PGconn *connection, void *user, trigperf_error **err) {
    work *w = user;
    int32_t version = 0;
    PGresult *found = NULL;
    tp_strbuf_reset(w->sql);
    int32_t status = tp_migrate_check(connection, true, &version, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, find_sql, 1, (const char *const[]){w->table},
                              "looking for the table", &found, err);
    }
    if (status == TRIGPERF_OK) {
        status = PQntuples(found) == 0
                     ? not_attached(w, err)
                     : tp_detach_put(connection, PQgetvalue(found, 0, 0), PQgetvalue(found, 0, 1),
                                     PQgetvalue(found, 0, 2), w->sql, err);
    }
    PQclear(found);
    if (status == TRIGPERF_OK && !w->dry_run) {
        status = tp_sql_run(connection, tp_strbuf_str(w->sql), doing, err);
    }
    return status;
}

int32_t tp_detach(PGconn *connection, const char *table, bool dry_run, tp_strbuf *sql,
                  trigperf_error **err) {
    tp_strbuf own = TP_STRBUF_INIT;
    work w = {.table = table, .dry_run = dry_run, .sql = sql == NULL ? &own : sql};
    int32_t status = tp_retry(connection, detach, &w, !dry_run, doing, err);
    tp_strbuf_free(&own);
    if (status != TRIGPERF_OK && sql != NULL) {
        tp_strbuf_reset(sql);
    }
    return status;
}

int32_t tp_detach_all_sql(PGconn *connection, tp_strbuf *sql, trigperf_error **err) {
    return put_drops(connection, NULL, sql, err);
}
