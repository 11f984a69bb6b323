/* Four queries, whose results are hashed: when they are the same the next time, what was made of
 * them still holds. They read catalogs only, and name everything with its schema, since the
 * connection is the host's and so is its search_path.
 *
 * pg_get_expr() writes an expression, but not which operators and functions it means. The
 * constraint's dependencies say that: built-in objects are pinned and leave no trace there, so
 * whatever is listed, apart from the table's own columns, comes from elsewhere. */
#include "db/definition.h"

#include <string.h>

#include "base/hash.h"
#include "db/sqltext.h"

#define EQ " OPERATOR(pg_catalog.=) "
#define NE " OPERATOR(pg_catalog.<>) "
#define AND_IN " OPERATOR(pg_catalog.=) ANY "

/* Every type of every column: its own, and those beneath a domain, with the modifier that holds. */
#define CHAIN                                                                                      \
    "WITH RECURSIVE chain(attnum, typ, typmod, depth) AS ("                                        \
    " SELECT a.attnum, a.atttypid, a.atttypmod, 0 FROM pg_catalog.pg_attribute a"                  \
    " WHERE a.attrelid" EQ "$1::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.>) 0"              \
    " AND NOT a.attisdropped"                                                                      \
    " UNION ALL"                                                                                   \
    " SELECT c.attnum, t.typbasetype,"                                                             \
    " CASE WHEN c.typmod" EQ "(-1) THEN t.typtypmod ELSE c.typmod END,"                            \
    " c.depth OPERATOR(pg_catalog.+) 1"                                                            \
    " FROM chain c JOIN pg_catalog.pg_type t ON t.oid" EQ "c.typ WHERE t.typtype" EQ "'d') "

static const char columns_sql[] =
    CHAIN "SELECT a.attnum, a.attname, a.attnotnull, a.attgenerated,"
          " CASE WHEN n.nspname" EQ "'pg_catalog' THEN t.typname::pg_catalog.text ELSE '' END,"
          " t.typtype, base.typmod, pg_catalog.format_type(a.atttypid, a.atttypmod),"
          " COALESCE(co.collisdeterministic, false),"
          " COALESCE(CASE WHEN co.collname" EQ "'default' AND co.collnamespace" EQ
          "'pg_catalog'::pg_catalog.regnamespace"
          " THEN d.datlocprovider" EQ "'c' AND d.datcollate" AND_IN "(ARRAY['C', 'POSIX'])"
          " ELSE co.collname" AND_IN "(ARRAY['C', 'POSIX']::pg_catalog.name[])"
          " AND co.collnamespace" EQ "'pg_catalog'::pg_catalog.regnamespace END, false) "
          "FROM pg_catalog.pg_attribute a "
          "JOIN LATERAL (SELECT c.typ, c.typmod FROM chain c WHERE c.attnum" EQ "a.attnum"
          " ORDER BY c.depth DESC LIMIT 1) AS base ON true "
          "JOIN pg_catalog.pg_type t ON t.oid" EQ "base.typ "
          "JOIN pg_catalog.pg_namespace n ON n.oid" EQ "t.typnamespace "
          "LEFT JOIN pg_catalog.pg_collation co ON co.oid" EQ "a.attcollation "
          "JOIN pg_catalog.pg_database d ON d.datname" EQ "pg_catalog.current_database() "
          "WHERE a.attrelid" EQ "$1::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.>) 0"
          " AND NOT a.attisdropped ORDER BY a.attnum";

/* Domains are walked from the innermost out, as their checks are when a value comes in. A
 * deterministic collation is as good as none. Constraints that are not enforced exist from version
 * 18 on. */
static const char constraints_sql[] =
    CHAIN ", wanted AS ("
          " SELECT c.oid, c.conname, c.contype, 0 AS attnum, ''::pg_catalog.text AS domain,"
          " c.conbin, c.conrelid, 0 AS depth, pg_catalog.to_jsonb(c) AS facts"
          " FROM pg_catalog.pg_constraint c WHERE c.conrelid" EQ "$1::pg_catalog.oid"
          " AND c.contype" AND_IN "(ARRAY['c', 'f', 'p', 'u', 'x']::pg_catalog.\"char\"[])"
          " UNION ALL"
          " SELECT c.oid, c.conname, c.contype, ch.attnum, t.typname, c.conbin,"
          " 0::pg_catalog.oid, ch.depth, pg_catalog.to_jsonb(c)"
          " FROM chain ch JOIN pg_catalog.pg_type t ON t.oid" EQ "ch.typ"
          " JOIN pg_catalog.pg_constraint c ON c.contypid" EQ "ch.typ AND c.contype" EQ "'c'"
          " UNION ALL"
          " SELECT 0::pg_catalog.oid, 'not null', 'n', ch.attnum, t.typname, NULL,"
          " 0::pg_catalog.oid, ch.depth, '{}'"
          " FROM chain ch JOIN pg_catalog.pg_type t ON t.oid" EQ "ch.typ"
          " WHERE t.typtype" EQ "'d' AND t.typnotnull) "
          "SELECT w.conname, w.contype, w.attnum, w.domain,"
          " COALESCE(pg_catalog.pg_get_expr(w.conbin, w.conrelid), ''),"
          " COALESCE((SELECT pg_catalog.min(pg_catalog.pg_describe_object(d.refclassid, d.refobjid,"
          " d.refobjsubid)) FROM pg_catalog.pg_depend d"
          " WHERE d.classid" EQ "'pg_catalog.pg_constraint'::pg_catalog.regclass"
          " AND d.objid" EQ "w.oid AND NOT (d.refclassid" EQ
          "'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid" EQ "w.conrelid)"
          " AND NOT (d.refclassid" EQ "'pg_catalog.pg_type'::pg_catalog.regclass"
          " AND d.deptype" EQ "'a' AND w.attnum OPERATOR(pg_catalog.>) 0)"
          " AND NOT EXISTS (SELECT FROM pg_catalog.pg_collation co WHERE d.refclassid" EQ
          "'pg_catalog.pg_collation'::pg_catalog.regclass AND co.oid" EQ
          "d.refobjid AND co.collisdeterministic)), ''),"
          " COALESCE(w.facts OPERATOR(pg_catalog.->>) 'conenforced', 'true')" NE "'false' "
          "FROM wanted w ORDER BY w.attnum, w.depth DESC, w.conname, w.contype";

static const char labels_sql[] =
    CHAIN "SELECT c.attnum, e.enumlabel FROM chain c "
          "JOIN pg_catalog.pg_enum e ON e.enumtypid" EQ "c.typ ORDER BY c.attnum, e.enumsortorder";

/* BEFORE ROW triggers and rules may put other values in the place of those that were given. */
static const char obstacles_sql[] =
    "WITH family(relid) AS (SELECT $1::pg_catalog.oid UNION"
    " SELECT p.relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass) p)"
    " SELECT 'trigger', g.tgname::pg_catalog.text, true FROM pg_catalog.pg_trigger g"
    " JOIN family f ON f.relid" EQ "g.tgrelid WHERE NOT g.tgisinternal"
    " AND g.tgenabled" NE "'D' AND (g.tgtype::int OPERATOR(pg_catalog.&) 3)" EQ "3"
    " AND (g.tgtype::int OPERATOR(pg_catalog.&) 20)" NE "0"
    " UNION SELECT 'rule', r.rulename::pg_catalog.text, true FROM pg_catalog.pg_rewrite r"
    " WHERE r.ev_class" EQ "$1::pg_catalog.oid AND r.ev_enabled" NE "'D'"
    " AND r.ev_type" AND_IN "(ARRAY['2', '3']::pg_catalog.\"char\"[])"
    " UNION SELECT 'row security', c.relname::pg_catalog.text, false FROM pg_catalog.pg_class c"
    " WHERE c.oid" EQ "$1::pg_catalog.oid AND c.relrowsecurity"
    " UNION SELECT 'partition bound', c.relname::pg_catalog.text, false FROM pg_catalog.pg_class c"
    " JOIN family f ON f.relid" EQ "c.oid WHERE c.relispartition ORDER BY 1, 2";

static int32_t check_connection(PGconn *connection, trigperf_error **err) {
    const char *strings = PQparameterStatus(connection, "standard_conforming_strings");
    const char *encoding = PQparameterStatus(connection, "client_encoding");
    if (strings == NULL || strcmp(strings, "on") != 0) {
        return tp_error_set(err, TRIGPERF_E_STATE, "SET standard_conforming_strings = on",
                            "expected standard_conforming_strings to be on, it is %s",
                            strings == NULL ? "not known" : strings);
    }
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
        return tp_error_set(err, TRIGPERF_E_STATE, "SET client_encoding = 'UTF8'",
                            "expected client_encoding UTF8, it is %s",
                            encoding == NULL ? "not known" : encoding);
    }
    return TRIGPERF_OK;
}

static int32_t check_relation(const tp_relation *relation, trigperf_error **err) {
    if (relation->kind == 'r' || relation->kind == 'p') {
        return TRIGPERF_OK;
    }
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "name the table that rows are written to",
                        "expected an ordinary or partitioned table, %s is of another kind",
                        relation->quoted);
}

/* Lengths are hashed with the values, so that a value cannot end where another begins. */
static uint64_t hash_result(uint64_t hash, const PGresult *result) {
    for (int row = 0; row < PQntuples(result); row++) {
        for (int column = 0; column < PQnfields(result); column++) {
            uint64_t parts[3] = {hash, (uint64_t)PQgetlength(result, row, column),
                                 tp_hash_stable(PQgetvalue(result, row, column),
                                                (size_t)PQgetlength(result, row, column))};
            hash = tp_hash_stable(parts, sizeof parts);
        }
    }
    return hash + 1;
}

static int32_t read_all(PGconn *connection, tp_definition *out, trigperf_error **err) {
    const struct {
        const char *sql;
        PGresult **result;
        const char *what;
    } queries[] = {
        {columns_sql, &out->columns, "reading the table's columns"},
        {constraints_sql, &out->constraints, "reading the table's constraints"},
        {labels_sql, &out->labels, "reading the labels of enums"},
        {obstacles_sql, &out->obstacles, "reading the table's triggers"},
    };
    const char *const values[] = {out->relation.oid};
    out->fingerprint = tp_hash_stable(out->relation.quoted, strlen(out->relation.quoted));
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        int32_t status = tp_sql_query(connection, queries[i].sql, 1, values, queries[i].what,
                                      queries[i].result, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
        out->fingerprint = hash_result(out->fingerprint, *queries[i].result);
    }
    return TRIGPERF_OK;
}

int32_t tp_definition_read(PGconn *connection, const char *table, tp_definition *out,
                           trigperf_error **err) {
    tp_definition found = {.columns = NULL};
    int32_t status = check_connection(connection, err);
    if (status == TRIGPERF_OK) {
        status = tp_relation_find(connection, table, &found.relation, err);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    const char *encoding = PQparameterStatus(connection, "server_encoding");
    found.utf8 = encoding != NULL && strcmp(encoding, "UTF8") == 0;
    status = check_relation(&found.relation, err);
    if (status == TRIGPERF_OK) {
        status = read_all(connection, &found, err);
    }
    if (status != TRIGPERF_OK) {
        tp_definition_free(&found);
        return status;
    }
    *out = found;
    return TRIGPERF_OK;
}

void tp_definition_free(tp_definition *definition) {
    tp_relation_free(&definition->relation);
    PQclear(definition->columns);
    PQclear(definition->constraints);
    PQclear(definition->labels);
    PQclear(definition->obstacles);
    *definition = (tp_definition){.columns = NULL};
}
