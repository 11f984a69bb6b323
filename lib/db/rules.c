/* Names of tables are looked up under the session's own search_path, so every operator is
 * qualified. Whether rules fit together is decided by the code that contexts use, lib/core/cascade:
 * it is given all tables and rules of the database and the new one. So nothing is stored that a
 * context would later refuse. */
#include "db/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "core/cascade.h"
#include "db/sqltext.h"
#include "pg/registry.h"
#include "pg/textarray.h"

static int32_t check_table(tp_cascade *cascade, const PGresult *tables, int row,
                           trigperf_error **err) {
    const char *names[TP_REGISTRY_KEYS_MAX];
    tp_strbuf spaces[TP_REGISTRY_KEYS_MAX];
    tp_textarray array;
    tp_value value;
    uint32_t count = 0;
    bool failed = false;
    if (!tp_textarray_begin(&array, PQgetvalue(tables, row, 2))) {
        return TRIGPERF_OK;
    }
    while (count < TP_REGISTRY_KEYS_MAX && tp_textarray_next(&array, &value)) {
        spaces[count] = (tp_strbuf)TP_STRBUF_INIT;
        tp_strbuf_add(&spaces[count], value.data, value.length);
        names[count] = tp_strbuf_str(&spaces[count]);
        failed = failed || spaces[count].failed;
        count++;
    }
    failed = failed || array.scratch.failed;
    tp_textarray_end(&array);
    const tp_table *declared;
    int32_t status = failed ? tp_error_nomem(err)
                            : tp_cascade_table(cascade, PQgetvalue(tables, row, 1), row + 1, names,
                                               count, &declared, err);
    for (uint32_t i = 0; i < count; i++) {
        tp_strbuf_free(&spaces[i]);
    }
    return status;
}

static int32_t fill(tp_cascade *cascade, const PGresult *tables, const PGresult *rules,
                    trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(tables); row++) {
        status = check_table(cascade, tables, row, err);
    }
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(rules); row++) {
        bool scoped = !PQgetisnull(rules, row, 1);
        status = tp_cascade_rule(cascade, scoped ? NULL : PQgetvalue(rules, row, 0),
                                 scoped ? PQgetvalue(rules, row, 1) : NULL, 0,
                                 PQgetvalue(rules, row, 3), 0, err);
    }
    return status;
}

static int32_t check_all(const PGresult *tables, const PGresult *rules, const tp_rule_spec *extra,
                         trigperf_error **err) {
    tp_cascade *cascade = NULL;
    int32_t status = tp_cascade_new(&cascade, err);
    if (status == TRIGPERF_OK) {
        status = fill(cascade, tables, rules, err);
    }
    if (status == TRIGPERF_OK && extra != NULL) {
        status = tp_cascade_rule(cascade, extra->table, extra->scope, extra->ops,
                                 extra->key_template, extra->min_interval_ms, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_cascade_prepare(cascade, err);
    }
    tp_cascade_free(cascade);
    return status;
}

/* Fails as a context would. The table of extra is its name as quote_ident writes it. */
static int32_t check_with(PGconn *connection, const tp_rule_spec *extra, trigperf_error **err) {
    PGresult *tables = NULL;
    PGresult *rules = NULL;
    int32_t status = tp_sql_query(connection, TP_REGISTRY_TABLES_SQL, 0, NULL,
                                  "reading the attached tables", &tables, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, TP_REGISTRY_RULES_SQL, 0, NULL, "reading the rules",
                              &rules, err);
    }
    if (status == TRIGPERF_OK) {
        status = check_all(tables, rules, extra, err);
    }
    PQclear(tables);
    PQclear(rules);
    return status;
}

int32_t tp_rules_check(PGconn *connection, trigperf_error **err) {
    return check_with(connection, NULL, err);
}

/* Id and quoted name of an attached table. */
static int32_t find_table(PGconn *connection, const char *table, PGresult **found,
                          trigperf_error **err) {
    const char *values[] = {table};
    int32_t status = tp_sql_query(
        connection,
        "SELECT id, pg_catalog.format('%I.%I', schema_name, table_name) "
        "FROM trigperf.captured_table "
        "WHERE relid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid "
        "OR pg_catalog.format('%I.%I', schema_name, table_name) OPERATOR(pg_catalog.=) $1",
        1, values, "looking for the attached table", found, err);
    if (status == TRIGPERF_OK && PQntuples(*found) == 0) {
        PQclear(*found);
        *found = NULL;
        status = tp_error_set(err, TRIGPERF_E_NOT_FOUND,
                              "'trigperf status' lists the attached tables; attach it first",
                              "expected an attached table, \"%s\" is not attached", table);
    }
    return status;
}

static void put_ops(tp_strbuf *sql, uint32_t ops) {
    const char *separator = "";
    tp_strbuf_puts(sql, "'{");
    for (uint32_t op = 1; op <= TP_OP_UPDATE; op *= 2) {
        if ((ops & op) != 0 && ops != TP_OP_ALL) {
            tp_strbuf_printf(sql, "%s%s", separator, tp_op_name(op));
            separator = ",";
        }
    }
    tp_strbuf_puts(sql, "}'");
}

void tp_rules_put_insert(tp_strbuf *sql, const char *table_id, const tp_rule_spec *rule) {
    tp_strbuf_puts(sql, "INSERT INTO trigperf.cascade_rule (table_id, scope, ops, template, "
                        "min_interval_ms)\nVALUES (");
    tp_strbuf_puts(sql, table_id);
    tp_strbuf_puts(sql, ", ");
    if (rule->scope == NULL) {
        tp_strbuf_puts(sql, "NULL");
    } else {
        tp_sql_literal(sql, rule->scope);
    }
    tp_strbuf_puts(sql, ", ");
    put_ops(sql, rule->ops);
    tp_strbuf_puts(sql, ", ");
    tp_sql_literal(sql, rule->key_template);
    if (rule->min_interval_ms == 0) {
        tp_strbuf_puts(sql, ", NULL);\n");
    } else {
        tp_strbuf_printf(sql, ", %u);\n", rule->min_interval_ms);
    }
}

static int32_t run_in_transaction(PGconn *connection, tp_strbuf *sql, const char *what,
                                  trigperf_error **err) {
    tp_strbuf whole = TP_STRBUF_INIT;
    tp_strbuf_puts(&whole, "BEGIN; SET LOCAL lock_timeout = '5s'; "
                           "SET LOCAL search_path = pg_catalog, pg_temp;\n");
    tp_strbuf_add(&whole, tp_strbuf_str(sql), sql->length);
    tp_strbuf_puts(&whole, "SELECT trigperf.registry_bump();\nCOMMIT;\n");
    int32_t status = whole.failed || sql->failed
                         ? tp_error_nomem(err)
                         : tp_sql_run(connection, tp_strbuf_str(&whole), what, err);
    if (status != TRIGPERF_OK) {
        tp_sql_rollback(connection);
    }
    tp_strbuf_free(&whole);
    return status;
}

static int32_t duplicate(const tp_rule_spec *rule, trigperf_error **err, trigperf_error *cause,
                         int32_t status) {
    if (strcmp(trigperf_error_sqlstate(cause), "23505") != 0) {
        return tp_error_move(err, cause, status);
    }
    trigperf_error_free(cause);
    return tp_error_set(err, TRIGPERF_E_EXISTS, "remove it first to change it",
                        "the rule \"%s\" of %s \"%s\" exists already", rule->key_template,
                        rule->scope == NULL ? "table" : "scope",
                        rule->scope == NULL ? rule->table : rule->scope);
}

static int32_t add_checked(PGconn *connection, const tp_rule_spec *rule, const char *table_id,
                           trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    trigperf_error *cause = NULL;
    tp_rules_put_insert(&sql, table_id, rule);
    tp_strbuf_printf(&sql, "SELECT trigperf.resync(%s);\n", table_id);
    int32_t status = run_in_transaction(connection, &sql, "adding the rule", &cause);
    tp_strbuf_free(&sql);
    return status == TRIGPERF_OK ? TRIGPERF_OK : duplicate(rule, err, cause, status);
}

int32_t tp_rules_add(PGconn *connection, const tp_rule_spec *rule, trigperf_error **err) {
    PGresult *found = NULL;
    tp_rule_spec named = *rule;
    int32_t status = TRIGPERF_OK;
    if (rule->table != NULL) {
        status = find_table(connection, rule->table, &found, err);
        named.table = status == TRIGPERF_OK ? PQgetvalue(found, 0, 1) : NULL;
    }
    if (status == TRIGPERF_OK) {
        status = check_with(connection, &named, err);
    }
    if (status == TRIGPERF_OK) {
        status =
            add_checked(connection, &named, found == NULL ? "NULL" : PQgetvalue(found, 0, 0), err);
    }
    PQclear(found);
    return status;
}

void tp_rules_put_delete(tp_strbuf *sql, const char *table_id, const tp_rule_spec *rule) {
    tp_strbuf_puts(sql, "DELETE FROM trigperf.cascade_rule WHERE template OPERATOR(pg_catalog.=) ");
    tp_sql_literal(sql, rule->key_template);
    if (rule->scope == NULL) {
        tp_strbuf_printf(sql, " AND table_id OPERATOR(pg_catalog.=) %s", table_id);
    } else {
        tp_strbuf_puts(sql, " AND scope OPERATOR(pg_catalog.=) ");
        tp_sql_literal(sql, rule->scope);
    }
}

static int32_t delete_rule(PGconn *connection, const tp_rule_spec *rule, const char *table_id,
                           trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    PGresult *result = NULL;
    tp_strbuf_puts(&sql, "WITH gone AS (");
    tp_rules_put_delete(&sql, table_id, rule);
    tp_strbuf_puts(&sql, " RETURNING 1) SELECT pg_catalog.count(*), CASE WHEN "
                         "pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 "
                         "THEN trigperf.registry_bump() END FROM gone");
    int32_t status = sql.failed ? tp_error_nomem(err)
                                : tp_sql_query(connection, tp_strbuf_str(&sql), 0, NULL,
                                               "removing the rule", &result, err);
    tp_strbuf_free(&sql);
    if (status == TRIGPERF_OK && strcmp(PQgetvalue(result, 0, 0), "0") == 0) {
        status = tp_error_set(err, TRIGPERF_E_NOT_FOUND, "'trigperf rules' lists what there is",
                              "no such rule: \"%s\" of %s \"%s\"", rule->key_template,
                              rule->scope == NULL ? "table" : "scope",
                              rule->scope == NULL ? rule->table : rule->scope);
    }
    PQclear(result);
    return status;
}

int32_t tp_rules_remove(PGconn *connection, const tp_rule_spec *rule, trigperf_error **err) {
    PGresult *found = NULL;
    int32_t status = TRIGPERF_OK;
    if (rule->table != NULL) {
        status = find_table(connection, rule->table, &found, err);
    }
    if (status == TRIGPERF_OK) {
        status = delete_rule(connection, rule, found == NULL ? NULL : PQgetvalue(found, 0, 0), err);
    }
    PQclear(found);
    return status;
}

static void put_rule(tp_strbuf *json, const PGresult *rules, int row) {
    tp_json_open(json, NULL, '{');
    tp_json_text(json, "table", PQgetisnull(rules, row, 0) ? NULL : PQgetvalue(rules, row, 0));
    tp_json_text(json, "scope", PQgetisnull(rules, row, 1) ? NULL : PQgetvalue(rules, row, 1));
    tp_json_open(json, "ops", '[');
    for (const char *at = PQgetvalue(rules, row, 2); *at != '\0';) {
        size_t length = strcspn(at, ",");
        tp_json_bytes(json, NULL, at, length);
        at += length + (at[length] == ',' ? 1 : 0);
    }
    tp_json_close(json, ']');
    tp_json_text(json, "template", PQgetvalue(rules, row, 3));
    tp_json_uint(json, "min_interval_ms", strtoull(PQgetvalue(rules, row, 4), NULL, 10));
    tp_json_close(json, '}');
}

int32_t tp_rules_list(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    PGresult *rules = NULL;
    int32_t status =
        tp_sql_query(connection, TP_REGISTRY_RULES_SQL, 0, NULL, "reading the rules", &rules, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_json_open(json, NULL, '[');
    for (int row = 0; row < PQntuples(rules); row++) {
        put_rule(json, rules, row);
    }
    tp_json_close(json, ']');
    PQclear(rules);
    return json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
}
