/* Looking up, judging and making happen in one transaction, as with attaching; a dry run ends it
 * without keeping anything. Tables and functions belong to the owner of the source, so that the
 * expressions have its rights and no other; writers need none. */
#include "db/kpi_add.h"

#include <stdlib.h>
#include <string.h>

#include "base/entropy.h"
#include "base/text.h"
#include "db/granularity.h"
#include "db/kpi_part.h"
#include "db/kpi_probe.h"
#include "db/kpi_text.h"
#include "db/kpi_work.h"
#include "db/migrate.h"
#include "db/retry.h"
#include "db/sqltext.h"

static const char doing[] = "adding the KPI";

typedef struct work {
    const trigperf_kpi *spec;
    bool dry_run;
    tp_strbuf *sql;
    tp_relation source;
    tp_layout layout;
    tp_kpi_probe probe;
    PGresult *target; /* quoted name, schema, table, whether it exists, whether the schema does */
    tp_kpi_plan plan;
    char reason[256];
} work;

static const char target_sql[] =
    "SELECT format('%I.%I', s, t), s, t, to_regclass(format('%I.%I', s, t)) IS NOT NULL,"
    " to_regnamespace(quote_ident(s)) IS NOT NULL FROM (SELECT a[n] AS t,"
    " COALESCE(a[n - 1], $2) AS s, n FROM parse_ident($1) AS a, array_length(a, 1) AS n) x"
    " WHERE n <= 2";

static int32_t find_target(work *w, PGconn *connection, trigperf_error **err) {
    const char *values[] = {w->spec->target, w->source.schema};
    PQclear(w->target);
    w->target = NULL;
    trigperf_error *cause = NULL;
    int32_t status = tp_sql_query(connection, target_sql, 2, values, "reading the target's name",
                                  &w->target, &cause);
    bool bad = status == TRIGPERF_E_SERVER || (status == TRIGPERF_OK && PQntuples(w->target) == 0);
    if (bad) {
        trigperf_error_free(cause);
        return tp_error_set(err, TRIGPERF_E_INVALID, "write it as in SQL: user_kpi, app.user_kpi",
                            "expected the name of a table to make, got %s", w->spec->target);
    }
    if (status != TRIGPERF_OK) {
        return tp_error_move(err, cause, status);
    }
    const char *name = PQgetvalue(w->target, 0, 0);
    if (PQgetvalue(w->target, 0, 4)[0] != 't') {
        return tp_error_set(err, TRIGPERF_E_NOT_FOUND, "create the schema first",
                            "expected a schema \"%s\" for the target, there is none",
                            PQgetvalue(w->target, 0, 1));
    }
    if (PQgetvalue(w->target, 0, 3)[0] == 't') {
        return tp_error_set(err, TRIGPERF_E_EXISTS,
                            "choose another name; a KPI has a table of its own, which is joined",
                            "expected no table named %s, there is one", name);
    }
    return TRIGPERF_OK;
}

static int32_t check_source(work *w, PGconn *connection, trigperf_error **err) {
    int32_t status = tp_relation_check(&w->source, err);
    if (status == TRIGPERF_OK) {
        tp_layout_free(&w->layout);
        status = tp_layout_read(connection, &w->source, &w->layout, err);
    }
    bool inherits = w->source.kind != 'p' && w->layout.below_count > 0;
    if (status == TRIGPERF_OK && (inherits || w->source.has_parent)) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                            "name the partitioned table itself, or a table by itself",
                            "%s is a partition, or inherits from a table or to one: its rows are "
                            "not all that a query of it sees",
                            w->source.quoted);
    }
    PGresult *found = NULL;
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, "SELECT trigperf.table_subscribed($1::oid)", 1,
                              (const char *const[]){w->source.oid}, "looking for subscriptions",
                              &found, err);
    }
    if (status == TRIGPERF_OK && PQgetvalue(found, 0, 0)[0] == 't') {
        status = tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "add the KPI on the publisher",
                              "%s receives rows by replication, for which its triggers do not fire",
                              w->source.quoted);
    }
    PQclear(found);
    return status;
}

static int32_t choose_shape(work *w, PGconn *connection, trigperf_error **err) {
    tp_granularity_facts facts = {&w->source, &w->layout, false, false};
    tp_granularity wanted = w->spec->granularity;
    w->plan.partitioned = w->source.kind == 'p';
    if (w->plan.partitioned && wanted == TP_GRANULARITY_STATEMENT) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose --granularity row, or auto",
                            "%s is partitioned: statement triggers do not see what is written to "
                            "its partitions directly",
                            w->source.quoted);
    }
    if (w->plan.partitioned && wanted == TP_GRANULARITY_AUTO) {
        w->plan.by_row = true;
        snprintf(w->reason, sizeof w->reason,
                 "auto: row triggers also see what is written to partitions directly");
        return TRIGPERF_OK;
    }
    return tp_granularity_choose(connection, &facts, wanted, &w->plan.by_row, w->reason,
                                 sizeof w->reason, err);
}

/* Numbers of dry runs are drawn from a range of their own: their SQL may run later, or elsewhere.
 */
static int32_t next_id(work *w, PGconn *connection, trigperf_error **err) {
    PGresult *result = NULL;
    uint32_t random = 0;
    if (w->dry_run && !tp_entropy_fill(&random, sizeof random)) {
        return tp_error_set(err, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                            "getrandom failed");
    }
    if (w->dry_run) {
        w->plan.id = (int32_t)(1000000000u + random % 1000000000u);
        return TRIGPERF_OK;
    }
    int32_t status = tp_sql_query(connection, "SELECT nextval('trigperf.kpi_id_seq')", 0, NULL,
                                  "reading the registry", &result, err);
    if (status == TRIGPERF_OK) {
        w->plan.id = (int32_t)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    }
    PQclear(result);
    return status;
}

static int32_t check_counts(const trigperf_kpi *spec, trigperf_error **err) {
    if (spec->group_count == 0) {
        return tp_error_set(err, TRIGPERF_E_INVALID,
                            "for one row over the whole table, group by a constant: all=1",
                            "expected a column to group by, got none");
    }
    if (spec->value_count == 0) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "for instance calls=count(*)",
                            "expected a value to keep, got none");
    }
    return TRIGPERF_OK;
}

static int32_t judge(work *w, PGconn *connection, trigperf_error **err) {
    int32_t status = check_counts(w->spec, err);
    if (status == TRIGPERF_OK) {
        status = check_source(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        status = find_target(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        tp_kpi_probe_free(&w->probe);
        status = tp_kpi_probe_run(connection, w->spec, &w->source, &w->layout, &w->probe, err);
    }
    if (status == TRIGPERF_OK) {
        status = choose_shape(w, connection, err);
    }
    return status == TRIGPERF_OK ? next_id(w, connection, err) : status;
}

/* --- the SQL
 * ------------------------------------------------------------------------------------*/

static void put_array(tp_strbuf *sql, uint32_t count, const char *(*text)(const work *, uint32_t),
                      const work *w) {
    tp_strbuf_puts(sql, "    ARRAY[");
    for (uint32_t i = 0; i < count; i++) {
        const char *element = text(w, i);
        tp_strbuf_puts(sql, i == 0 ? "" : ", ");
        if (element == NULL) {
            tp_strbuf_puts(sql, "NULL");
        } else {
            tp_sql_literal(sql, element);
        }
    }
    tp_strbuf_puts(sql, "]::text[],\n");
}

static const char *group_name(const work *w, uint32_t i) {
    return w->spec->groups[i].name;
}

static const char *group_expression(const work *w, uint32_t i) {
    return w->spec->groups[i].expression;
}

static const char *value_name(const work *w, uint32_t i) {
    return w->spec->values[i].name;
}

static const char *value_aggregate(const work *w, uint32_t i) {
    return w->spec->values[i].aggregate;
}

static void put_registry(const work *w, tp_strbuf *sql) {
    const tp_kpi_plan *plan = &w->plan;
    tp_strbuf_printf(sql,
                     "INSERT INTO trigperf.kpi (id, target_schema, target_table, source_schema, "
                     "source_table,\n    group_names, group_exprs, value_names, aggregates, "
                     "row_filter, mode, interval_ms,\n    granularity, reason, triggers, "
                     "update_of, generator)\nOVERRIDING SYSTEM VALUE VALUES (%d, ",
                     plan->id);
    tp_sql_literal(sql, PQgetvalue(w->target, 0, 1));
    tp_strbuf_puts(sql, ", ");
    tp_sql_literal(sql, PQgetvalue(w->target, 0, 2));
    tp_strbuf_puts(sql, ", ");
    tp_sql_literal(sql, w->source.schema);
    tp_strbuf_puts(sql, ", ");
    tp_sql_literal(sql, w->source.table);
    tp_strbuf_puts(sql, ",\n");
    put_array(sql, w->spec->group_count, group_name, w);
    put_array(sql, w->spec->group_count, group_expression, w);
    put_array(sql, w->spec->value_count, value_name, w);
    put_array(sql, w->spec->value_count, value_aggregate, w);
    tp_strbuf_puts(sql, "    ");
    if (w->spec->where == NULL) {
        tp_strbuf_puts(sql, "NULL");
    } else {
        tp_sql_literal(sql, w->spec->where);
    }
    tp_strbuf_printf(sql, ", '%s', %u, '%s', ", w->spec->trailing ? "trailing" : "immediate",
                     w->spec->interval_ms, plan->by_row ? "row" : "statement");
    tp_sql_literal(sql, w->reason);
    tp_strbuf_printf(sql, ", 4, %s, %d);\n", plan->by_row && plan->update_of ? "true" : "false",
                     TP_KPI_GENERATOR);
}

static void put_owner(const work *w, tp_strbuf *sql) {
    tp_strbuf owner = TP_STRBUF_INIT;
    tp_sql_ident(&owner, w->source.owner);
    const char *role = tp_strbuf_str(&owner);
    int id = w->plan.id;
    if (!w->source.owns_schema) {
        tp_strbuf_printf(sql,
                         "GRANT USAGE, CREATE ON SCHEMA trigperf TO %s;\n"
                         "GRANT INSERT ON trigperf.trigger_error_log TO %s;\n"
                         "GRANT SELECT ON trigperf.kpi TO %s;\n"
                         "GRANT EXECUTE ON FUNCTION trigperf.kpi_refresh(text, text) TO %s;\n",
                         role, role, role, role);
    }
    tp_strbuf_printf(sql,
                     "REVOKE ALL ON FUNCTION trigperf.kpi_%d(), trigperf.kpi_work_%d(text) FROM "
                     "PUBLIC;\nREVOKE ALL ON trigperf.kpi_mark_%d FROM PUBLIC;\n"
                     "ALTER TABLE %s OWNER TO %s;\nALTER TABLE trigperf.kpi_mark_%d OWNER TO %s;\n"
                     "ALTER FUNCTION trigperf.kpi_%d() OWNER TO %s;\n"
                     "ALTER FUNCTION trigperf.kpi_work_%d(text) OWNER TO %s;\n",
                     id, id, id, w->plan.target, role, id, role, id, role, id, role);
    if (!w->source.owns_schema) {
        tp_strbuf_printf(sql, "REVOKE CREATE ON SCHEMA trigperf FROM %s;\n", role);
    }
    sql->failed = sql->failed || owner.failed;
    tp_strbuf_free(&owner);
}

static void put_all(work *w, tp_strbuf *sql) {
    tp_kpi_plan *plan = &w->plan;
    plan->spec = w->spec;
    plan->source = w->source.quoted;
    plan->target = PQgetvalue(w->target, 0, 0);
    plan->used = w->probe.used;
    plan->used_count = w->probe.used_count;
    plan->not_null = w->probe.not_null;
    plan->numeric = w->probe.numeric;
    plan->update_of = !w->probe.before;
    tp_strbuf_puts(sql, "-- Keeps ");
    tp_sql_comment(sql, plan->target);
    tp_strbuf_puts(sql, " up to date with ");
    tp_sql_comment(sql, plan->source);
    tp_strbuf_puts(sql, ". Run in one transaction; writers of the\n"
                        "-- source wait until its end, while the whole source is read once.\n"
                        "SET LOCAL search_path = pg_catalog, pg_temp;\n");
    tp_strbuf_printf(sql, "LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE;\n", plan->source);
    tp_kpi_put_tables(plan, sql);
    tp_kpi_put_fill(plan, sql);
    tp_kpi_put_function(plan, sql);
    tp_kpi_put_work(plan, sql);
    tp_kpi_put_triggers(plan, sql);
    for (uint32_t i = 0; plan->partitioned && i < w->layout.below_count; i++) {
        tp_kpi_put_truncate_trigger(plan, w->layout.below[i].quoted, sql);
    }
    put_owner(w, sql);
    put_registry(w, sql);
    tp_strbuf_printf(sql, "ANALYZE %s;\n", plan->target);
}

static int32_t add(PGconn *connection, void *user, trigperf_error **err) {
    work *w = user;
    int32_t version = 0;
    tp_strbuf_reset(w->sql);
    tp_relation_free(&w->source);
    int32_t status = tp_migrate_check(connection, true, &version, err);
    if (status == TRIGPERF_OK) {
        status = tp_relation_find(connection, w->spec->source, &w->source, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "SET LOCAL search_path = pg_catalog, pg_temp", doing, err);
    }
    if (status == TRIGPERF_OK) {
        status = judge(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        put_all(w, w->sql);
        status = w->sql->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    return status == TRIGPERF_OK && !w->dry_run
               ? tp_sql_run(connection, tp_strbuf_str(w->sql), doing, err)
               : status;
}

int32_t tp_kpi_add(PGconn *connection, const trigperf_kpi *spec, bool dry_run, tp_strbuf *sql,
                   trigperf_error **err) {
    work w = {.spec = spec, .dry_run = dry_run, .sql = sql};
    int32_t status = tp_retry(connection, add, &w, !dry_run, doing, err);
    tp_relation_free(&w.source);
    tp_layout_free(&w.layout);
    tp_kpi_probe_free(&w.probe);
    PQclear(w.target);
    return status;
}
