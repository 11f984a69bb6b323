/* Rules that stand in the database, shared by every app server. */
#ifndef TP_DB_RULES_H
#define TP_DB_RULES_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* A rule as the database or the host names it; exactly one of table and scope is not NULL. */
typedef struct tp_rule_spec {
    const char *table; /* as in SQL */
    const char *scope;
    uint32_t ops; /* 0: all */
    const char *key_template;
    uint32_t min_interval_ms; /* 0: the default */
} tp_rule_spec;

/* One transaction each; the registry's version rises. Adding checks the template's names against
 * the table's keys, and all rules together for a cycle of scopes. */
int32_t tp_rules_add(PGconn *connection, const tp_rule_spec *rule, trigperf_error **err);
int32_t tp_rules_remove(PGconn *connection, const tp_rule_spec *rule, trigperf_error **err);

/* A JSON array of {"table","scope","ops","template","min_interval_ms"}. */
int32_t tp_rules_list(PGconn *connection, tp_strbuf *json, trigperf_error **err);

/* Fails as a context would that reads the rules as they stand. */
int32_t tp_rules_check(PGconn *connection, trigperf_error **err);

/* Append INSERT INTO trigperf.cascade_rule, and DELETE (without a semicolon); table_id is an SQL
 * expression, NULL for a scope rule. */
void tp_rules_put_insert(tp_strbuf *sql, const char *table_id, const tp_rule_spec *rule);
void tp_rules_put_delete(tp_strbuf *sql, const char *table_id, const tp_rule_spec *rule);

#endif
