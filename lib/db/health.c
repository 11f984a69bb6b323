/* The server does the work, in functions that others can call without this library: it has the
 * counters, and the clock that decides which hour it is. */
#include "db/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db/migrate.h"
#include "db/retry.h"
#include "db/sqltext.h"

#define OLDEST_S (INT64_C(3660) * 86400)

int32_t tp_health_document(PGconn *connection, const char *sql, int count,
                           const char *const *values, const char *what, tp_strbuf *json,
                           trigperf_error **err) {
    int32_t version = 0;
    PGresult *result = NULL;
    int32_t status = tp_migrate_check(connection, true, &version, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, sql, count, values, what, &result, err);
    }
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(json, PQgetvalue(result, 0, 0));
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    PQclear(result);
    return status;
}

int32_t tp_health_collect(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    return tp_health_document(connection, "SELECT trigperf.collect()", 0, NULL,
                              "measuring triggers", json, err);
}

int32_t tp_health_report(PGconn *connection, int64_t since_s, int64_t until_s, tp_strbuf *json,
                         trigperf_error **err) {
    char since[24];
    char until[24];
    if (since_s < 1 || since_s > OLDEST_S || until_s < 0 || until_s >= since_s) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "the last day is 86400 and 0",
                            "expected a time that began 1 to %" PRId64 " seconds ago and ended "
                            "later, got %" PRId64 " and %" PRId64,
                            OLDEST_S, since_s, until_s);
    }
    snprintf(since, sizeof since, "%" PRId64, since_s);
    snprintf(until, sizeof until, "%" PRId64, until_s);
    const char *values[] = {since, until_s == 0 ? NULL : until};
    return tp_health_document(connection,
                              "SELECT trigperf.report(c.now OPERATOR(pg_catalog.-)"
                              " pg_catalog.make_interval(secs => $1::pg_catalog.float8),"
                              " COALESCE(c.now OPERATOR(pg_catalog.-)"
                              " pg_catalog.make_interval(secs => $2::pg_catalog.float8), c.now))"
                              " FROM pg_catalog.clock_timestamp() AS c(now)",
                              2, values, "reading the report", json, err);
}

typedef struct bracket {
    const char *table;
    bool remove;
    bool dry_run;
    tp_strbuf *sql;
} bracket;

/* What bracket_sql() and the cast of a name refuse, by the codes that they raise. */
static int32_t explain_bracket(trigperf_error *problem, int32_t status, trigperf_error **err) {
    static const struct {
        const char *state;
        int32_t code;
    } known[] = {{"42710", TRIGPERF_E_EXISTS},    {"42704", TRIGPERF_E_NOT_FOUND},
                 {"42P01", TRIGPERF_E_NOT_FOUND}, {"3F000", TRIGPERF_E_NOT_FOUND},
                 {"42602", TRIGPERF_E_INVALID},   {"42809", TRIGPERF_E_UNSUPPORTED}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(trigperf_error_sqlstate(problem), known[i].state) == 0) {
            const char *hint = trigperf_error_hint(problem);
            tp_error_set_sql(err, known[i].code, known[i].state, false,
                             hint[0] != '\0' ? hint : "write the name as in SQL: public.calls",
                             "%s", trigperf_error_message(problem));
            trigperf_error_free(problem);
            return known[i].code;
        }
    }
    return tp_error_move(err, problem, status);
}

static int32_t put_bracket(PGconn *connection, void *user, trigperf_error **err) {
    bracket *b = user;
    const char *values[] = {b->table, b->remove ? "true" : "false"};
    tp_strbuf_reset(b->sql);
    trigperf_error *problem = NULL;
    int32_t status = tp_health_document(
        connection, "SELECT trigperf.bracket_sql($1::pg_catalog.regclass, $2::bool)", 2, values,
        "looking at the triggers", b->sql, &problem);
    status = explain_bracket(problem, status, err);
    if (status == TRIGPERF_OK && !b->dry_run && b->sql->length > 0) {
        status =
            tp_sql_run(connection, tp_strbuf_str(b->sql), "putting brackets around triggers", err);
    }
    return status;
}

int32_t tp_health_bracket(PGconn *connection, const char *table, bool remove, bool dry_run,
                          tp_strbuf *sql, trigperf_error **err) {
    bracket b = {table, remove, dry_run, sql};
    if (table == NULL || table[0] == '\0') {
        return tp_error_set(err, TRIGPERF_E_INVALID, "write it as in SQL: public.calls",
                            "expected the name of a table, got nothing");
    }
    return tp_retry(connection, put_bracket, &b, !dry_run, "putting brackets around triggers", err);
}

int32_t tp_health_cleanup_plan(PGconn *connection, uint32_t days, tp_strbuf *json,
                               trigperf_error **err) {
    char number[16];
    snprintf(number, sizeof number, "%" PRIu32, days);
    const char *values[] = {number};
    return tp_health_document(connection, "SELECT trigperf.cleanup_plan($1::pg_catalog.int4)", 1,
                              values, "looking for what is too old", json, err);
}

int32_t tp_health_cleanup_step(PGconn *connection, uint32_t days, uint32_t batch, tp_strbuf *json,
                               trigperf_error **err) {
    char number[16];
    char rows[16];
    snprintf(number, sizeof number, "%" PRIu32, days);
    snprintf(rows, sizeof rows, "%" PRIu32, batch);
    const char *values[] = {number, rows};
    return tp_health_document(
        connection, "SELECT trigperf.cleanup_step($1::pg_catalog.int4, $2::pg_catalog.int4)", 2,
        values, "removing what is too old", json, err);
}
