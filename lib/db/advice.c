/* Reads everything in one read-only transaction, judges, and writes one object. Nothing is changed:
 * the SQL of a finding is for people to read and run. */
#include "db/advice.h"

#include <string.h>

#include "base/json.h"
#include "db/advice_checks.h"
#include "db/advice_circles.h"
#include "db/advice_finding.h"
#include "db/advice_helpers.h"
#include "db/advice_pairs.h"
#include "db/advice_shape.h"
#include "db/advice_trigger.h"
#include "db/relation.h"
#include "db/sqltext.h"

/* Of a single table only what is about it; triggers of others are still read, for circles. */
static int32_t judge(tp_advice *advice, trigperf_error **err) {
    const tp_advice_facts *facts = advice->facts;
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; i < facts->trigger_count; i++) {
        tp_advice_shape_judge(advice, &facts->triggers[i]);
        tp_advice_trigger_judge(advice, &facts->triggers[i]);
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < facts->table_count; i++) {
        status = tp_advice_checks_judge(advice, &facts->tables[i], err);
    }
    tp_advice_pairs_judge(advice);
    return status == TRIGPERF_OK ? tp_advice_circles_judge(advice, err) : status;
}

static int32_t write(PGconn *connection, const char *oid, tp_strbuf *json, trigperf_error **err) {
    tp_advice_facts facts;
    int32_t status = tp_advice_facts_read(connection, &facts, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    status = tp_advice_helpers_read(connection, &facts, err);
    tp_advice advice = {
        .facts = &facts, .connection = connection, .json = TP_STRBUF_INIT, .only = oid};
    tp_json_open(&advice.json, NULL, '[');
    status = status == TRIGPERF_OK ? judge(&advice, err) : status;
    tp_json_close(&advice.json, ']');
    tp_json_open(json, NULL, '{');
    tp_json_int(json, "format", 1);
    tp_json_text(json, "database", PQdb(connection));
    tp_json_uint(json, "triggers", facts.trigger_count);
    tp_json_text(json, "statements_from", facts.statements ? "pg_stat_statements" : "counters");
    tp_json_raw(json, "findings", tp_strbuf_str(&advice.json));
    tp_json_close(json, '}');
    if (status == TRIGPERF_OK && (advice.json.failed || json->failed || facts.failed)) {
        status = tp_error_nomem(err);
    }
    tp_strbuf_free(&advice.json);
    tp_advice_facts_free(&facts);
    return status;
}

int32_t tp_advice_write(PGconn *connection, const char *table, tp_strbuf *json,
                        trigperf_error **err) {
    tp_relation relation = {0};
    int32_t status =
        table == NULL ? TRIGPERF_OK : tp_relation_find(connection, table, &relation, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                            "beginning to read", err);
    }
    if (status == TRIGPERF_OK) {
        status = write(connection, table == NULL ? NULL : relation.oid, json, err);
        tp_sql_rollback(connection);
    }
    tp_relation_free(&relation);
    return status;
}
