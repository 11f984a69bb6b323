/* A row trigger costs a third less than a statement trigger when a statement changes one row, as
 * much at about five rows, and seven times as much at a thousand. So 'auto' takes row triggers only
 * where the statistics speak clearly for single rows: many rows updated or deleted, one and a
 * quarter at most for each scan (if few statements are large, half a row more on average costs what
 * the others save), and no more inserted than that (a bulk load is not counted in scans). */
#include "db/granularity.h"

#include <stdio.h>
#include <stdlib.h>

#include "db/sqltext.h"

#define ROWS_MIN 1000

static const char statistics_sql[] =
    "SELECT pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid),"
    " pg_stat_get_tuples_inserted(c.oid),"
    " pg_stat_get_numscans(c.oid) + COALESCE((SELECT sum(pg_stat_get_numscans(i.indexrelid))"
    "  FROM pg_index i WHERE i.indrelid = c.oid), 0)::bigint "
    "FROM pg_class c WHERE c.oid = $1::oid";

static int32_t from_statistics(PGconn *connection, const tp_relation *relation, bool *by_row,
                               char *reason, size_t size, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status =
        tp_sql_query(connection, statistics_sql, 1, (const char *const[]){relation->oid},
                     "reading the table's statistics", &result, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    long long changed = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    long long inserted = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    long long scans = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
    PQclear(result);
    *by_row = changed >= ROWS_MIN && changed <= scans + scans / 4 && inserted <= changed;
    if (changed + inserted < ROWS_MIN) {
        snprintf(reason, size,
                 "auto: the statistics know too few writes (%lld) to tell; statement "
                 "triggers are never slow",
                 changed + inserted);
    } else {
        snprintf(reason, size,
                 "auto: %lld rows updated or deleted by at most %lld scans and %lld inserted: "
                 "%s",
                 changed, scans, inserted,
                 *by_row ? "mostly single rows, which row triggers tell at less cost"
                         : "statements of several rows, or too little to tell");
    }
    return TRIGPERF_OK;
}

static int32_t refuse_statement(const tp_relation *relation, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                        "attach its parent, or choose --granularity row",
                        "%s is a partition or inherits from a table: its statement triggers do not "
                        "fire for writes that name the parent",
                        relation->quoted);
}

static int32_t refuse_replicated(const tp_relation *relation, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose --granularity row, or auto",
                        "%s receives rows by replication: the server fires row triggers alone for "
                        "them",
                        relation->quoted);
}

static int32_t settle(bool row, const char *text, bool *by_row, char *reason, size_t size) {
    *by_row = row;
    snprintf(reason, size, "%s", text);
    return TRIGPERF_OK;
}

/* What a table is decides more often than its statistics: NULL when only these are left. */
static const char *settled_reason(const tp_granularity_facts *facts, bool *by_row) {
    *by_row = true;
    if (facts->replicated) {
        return "auto: for rows that arrive by replication the server fires row triggers alone";
    }
    if (facts->relation->has_parent) {
        return "auto: a partition or inheriting table; statement triggers do not fire for writes "
               "that name its parent";
    }
    *by_row = false;
    if (facts->relation->kind == 'p' || facts->layout->below_count > 0) {
        return "auto: a table with partitions or inheriting tables";
    }
    return facts->expressions
               ? "auto: keys that are expressions cost as much by row as by statement"
               : NULL;
}

int32_t tp_granularity_choose(PGconn *connection, const tp_granularity_facts *facts,
                              tp_granularity wanted, bool *by_row, char *reason, size_t size,
                              trigperf_error **err) {
    if (wanted == TP_GRANULARITY_STATEMENT && facts->relation->has_parent) {
        return refuse_statement(facts->relation, err);
    }
    if (wanted == TP_GRANULARITY_STATEMENT && facts->replicated) {
        return refuse_replicated(facts->relation, err);
    }
    if (wanted != TP_GRANULARITY_AUTO) {
        return settle(wanted == TP_GRANULARITY_ROW, "chosen by whoever attached the table", by_row,
                      reason, size);
    }
    bool row = false;
    const char *text = settled_reason(facts, &row);
    return text != NULL ? settle(row, text, by_row, reason, size)
                        : from_statistics(connection, facts->relation, by_row, reason, size, err);
}
