/* The server makes the list and does the work, in functions that anyone can call without this
 * library; here is decided which of them, and whether. A name can stand for two consumers, one of
 * the outbox and one of the log: then it must be said which.
 *
 * Dropping what a process still reads would only last until that process notices, and claims the
 * name anew: so it is refused, and when forced, the slot is taken from its reader first. */
#include "db/consumers.h"

#include <string.h>

#include "db/sqltext.h"

int32_t tp_consumers_list(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(connection, "SELECT trigperf.consumers()", 0, NULL,
                                  "listing the consumers", &result, err);
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(json, PQgetvalue(result, 0, 0));
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    PQclear(result);
    return status;
}

/* What is known of the one that is meant. */
typedef struct found {
    bool wal;
    bool connected;
    char seen_age[32];
} found;

static int32_t check_source(const char *source, trigperf_error **err) {
    if (source == NULL || strcmp(source, "outbox") == 0 || strcmp(source, "wal") == 0) {
        return TRIGPERF_OK;
    }
    return tp_error_set(err, TRIGPERF_E_INVALID, "only these keep named consumers",
                        "expected outbox or wal as a source, got \"%s\"", source);
}

static int32_t judge(const tp_consumers_which *which, const PGresult *rows, found *out,
                     trigperf_error **err) {
    if (PQntuples(rows) == 0) {
        return tp_error_set(err, TRIGPERF_E_NOT_FOUND, "'trigperf consumers' lists them",
                            "expected the name of a consumer%s%s, there is none named \"%s\"",
                            which->source == NULL ? "" : " of the source ",
                            which->source == NULL ? "" : which->source, which->name);
    }
    if (PQntuples(rows) > 1) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "name the source as well",
                            "expected the name of one consumer, \"%s\" is one of the source "
                            "outbox and one of the source wal",
                            which->name);
    }
    out->wal = strcmp(PQgetvalue(rows, 0, 0), "wal") == 0;
    out->connected = PQgetvalue(rows, 0, 1)[0] == 't';
    snprintf(out->seen_age, sizeof out->seen_age, "%s", PQgetvalue(rows, 0, 2));
    return TRIGPERF_OK;
}

static int32_t find(PGconn *connection, const tp_consumers_which *which, found *out,
                    trigperf_error **err) {
    const char *values[] = {which->name, which->source};
    PGresult *rows = NULL;
    if (which->name == NULL || which->name[0] == '\0') {
        return tp_error_set(err, TRIGPERF_E_INVALID, "'trigperf consumers' lists them",
                            "expected the name of a consumer, got nothing");
    }
    int32_t status = check_source(which->source, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection,
                              "SELECT source, connected, seen_age_s FROM trigperf.consumer_list() "
                              "WHERE name OPERATOR(pg_catalog.=) $1::pg_catalog.text AND "
                              "($2::pg_catalog.text IS NULL OR source "
                              "OPERATOR(pg_catalog.=) $2::pg_catalog.text)",
                              2, values, "looking for the consumer", &rows, err);
    }
    if (status == TRIGPERF_OK) {
        status = judge(which, rows, out, err);
    }
    PQclear(rows);
    return status;
}

static void put_call(tp_strbuf *sql, const char *function, const char *name) {
    tp_strbuf_printf(sql, "SELECT trigperf.%s(", function);
    tp_sql_literal(sql, name);
    tp_strbuf_puts(sql, ");\n");
}

static int32_t run(PGconn *connection, tp_strbuf *sql, bool dry_run, const char *what,
                   trigperf_error **err) {
    if (sql->failed) {
        return tp_error_nomem(err);
    }
    return dry_run ? TRIGPERF_OK : tp_sql_run(connection, tp_strbuf_str(sql), what, err);
}

int32_t tp_consumers_reset(PGconn *connection, const tp_consumers_which *which, bool dry_run,
                           tp_strbuf *sql, trigperf_error **err) {
    found one;
    int32_t status = find(connection, which, &one, err);
    if (status == TRIGPERF_OK) {
        put_call(sql, one.wal ? "wal_reset" : "consumer_reset", which->name);
        status = run(connection, sql, dry_run, "resetting the consumer", err);
    }
    return status;
}

int32_t tp_consumers_drop(PGconn *connection, const tp_consumers_which *which, bool force,
                          bool dry_run, tp_strbuf *sql, trigperf_error **err) {
    found one;
    int32_t status = find(connection, which, &one, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (one.connected && !force) {
        return tp_error_set(err, TRIGPERF_E_STATE,
                            "end the program first; one that was killed counts as gone after 30 "
                            "seconds. Dropped by force, the name comes back with a resync as long "
                            "as the program runs",
                            "consumer \"%s\" is read by a process that was seen %s seconds ago: "
                            "nothing was changed",
                            which->name, one.seen_age);
    }
    if (one.wal && one.connected) {
        put_call(sql, "wal_release", which->name);
    }
    put_call(sql, one.wal ? "wal_drop" : "consumer_drop", which->name);
    return run(connection, sql, dry_run, "dropping the consumer", err);
}
