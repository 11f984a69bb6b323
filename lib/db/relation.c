/* The name is resolved under the session's own search_path, so every operator around it is
 * qualified. */
#include "db/relation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/sqltext.h"

static const char find_sql[] =
    "SELECT c.oid, n.nspname, c.relname,"
    " pg_catalog.format('%I.%I', n.nspname, c.relname), r.rolname, c.relkind, c.relpersistence,"
    " c.oid OPERATOR(pg_catalog.<) 16384, EXISTS (SELECT FROM pg_catalog.pg_inherits i"
    "  WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid),"
    " r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_namespace t"
    "  WHERE t.nspname OPERATOR(pg_catalog.=) 'trigperf'"
    "  AND t.nspowner OPERATOR(pg_catalog.=) c.relowner) "
    "FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
    "JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) c.relowner "
    "WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid";

static bool is_bad_name(const trigperf_error *error) {
    const char *state = trigperf_error_sqlstate(error);
    return strcmp(state, "42601") == 0 || strcmp(state, "42602") == 0 ||
           strcmp(state, "0A000") == 0;
}

static int32_t bad_name(const char *name, trigperf_error *cause, trigperf_error **err) {
    if (!is_bad_name(cause)) {
        return tp_error_move(err, cause, trigperf_error_code(cause));
    }
    int32_t status =
        tp_error_set(err, TRIGPERF_E_INVALID,
                     "write it as in SQL: calls, public.calls, '\"My Schema\".\"Calls\"'",
                     "expected the name of a table of this database, got %s", name);
    trigperf_error_free(cause);
    return status;
}

static bool is_true(const PGresult *result, int column) {
    return PQgetvalue(result, 0, column)[0] == 't';
}

static int32_t take(const PGresult *result, tp_relation *out, trigperf_error **err) {
    tp_relation found = {.schema = tp_text_copy(PQgetvalue(result, 0, 1)),
                         .table = tp_text_copy(PQgetvalue(result, 0, 2)),
                         .quoted = tp_text_copy(PQgetvalue(result, 0, 3)),
                         .owner = tp_text_copy(PQgetvalue(result, 0, 4)),
                         .kind = PQgetvalue(result, 0, 5)[0],
                         .persistence = PQgetvalue(result, 0, 6)[0],
                         .system = is_true(result, 7),
                         .has_parent = is_true(result, 8),
                         .owns_schema = is_true(result, 9)};
    snprintf(found.oid, sizeof found.oid, "%s", PQgetvalue(result, 0, 0));
    if (found.schema == NULL || found.table == NULL || found.quoted == NULL ||
        found.owner == NULL) {
        tp_relation_free(&found);
        return tp_error_nomem(err);
    }
    *out = found;
    return TRIGPERF_OK;
}

int32_t tp_relation_find(PGconn *connection, const char *name, tp_relation *out,
                         trigperf_error **err) {
    PGresult *result = NULL;
    trigperf_error *cause = NULL;
    int32_t status = tp_sql_query(connection, find_sql, 1, (const char *const[]){name},
                                  "looking for the table", &result, &cause);
    if (status != TRIGPERF_OK) {
        return bad_name(name, cause, err);
    }
    status = PQntuples(result) == 1
                 ? take(result, out, err)
                 : tp_error_set(err, TRIGPERF_E_NOT_FOUND,
                                "check the spelling, or name the schema: schema.table",
                                "expected a table of database \"%s\", there is none named %s",
                                PQdb(connection), name);
    PQclear(result);
    return status;
}

void tp_relation_free(tp_relation *relation) {
    free(relation->schema);
    free(relation->table);
    free(relation->quoted);
    free(relation->owner);
    *relation = (tp_relation){0};
}

typedef struct reason {
    char kind;
    const char *what;
    const char *hint;
} reason;

static const reason reasons[] = {
    {'v', "a view", "attach the tables that it reads"},
    {'m', "a materialized view", "attach the tables that it reads"},
    {'f', "a foreign table", "attach the table in the database where it lives"},
    {'S', "a sequence", "attach the table that uses it"},
    {'i', "an index", "attach its table"},
    {'I', "an index", "attach its table"},
    {'c', "a composite type", "attach a table"},
    {'t', "a TOAST table", "attach the table that it belongs to"},
};

static int32_t refuse(const tp_relation *relation, const char *what, const char *hint,
                      trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, hint,
                        "expected an ordinary or partitioned table, %s is %s", relation->quoted,
                        what);
}

int32_t tp_relation_check(const tp_relation *relation, trigperf_error **err) {
    if (strcmp(relation->schema, "trigperf") == 0) {
        return refuse(relation, "part of the schema trigperf itself", "attach a table of your own",
                      err);
    }
    if (relation->system || strncmp(relation->schema, "pg_toast", 8) == 0) {
        return refuse(relation, "a system catalog, on which there are no triggers",
                      "attach a table of your own", err);
    }
    if (relation->persistence == 't') {
        return refuse(relation, "a temporary table, which only its session sees",
                      "attach a permanent table", err);
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].kind == relation->kind) {
            return refuse(relation, reasons[i].what, reasons[i].hint, err);
        }
    }
    return TRIGPERF_OK;
}
