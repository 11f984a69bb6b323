/* The test for a pooler is that of lib/pg/probe.h, without a loop: where the process id of the
 * handshake is not the backend's, a notification is sent from a second connection through the same
 * door, and waited for. Time here is that of a person who waits for an answer. */
#include "db/doctor_look.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/entropy.h"
#include "db/grants.h"
#include "db/migrate.h"
#include "db/rules.h"
#include "db/sqltext.h"

#define ECHO_MS 3000

/* ---- the pooler ---- */

/* A connection as the first one was made. */
static PGconn *connect_again(PGconn *connection) {
    const char *keywords[64];
    const char *values[64];
    int count = 0;
    PQconninfoOption *options = PQconninfo(connection);
    for (PQconninfoOption *option = options;
         option != NULL && option->keyword != NULL && count < 63; option++) {
        if (option->val != NULL && option->val[0] != '\0') {
            keywords[count] = option->keyword;
            values[count++] = option->val;
        }
    }
    keywords[count] = NULL;
    values[count] = NULL;
    PGconn *second = options == NULL ? NULL : PQconnectdbParams(keywords, values, 0);
    PQconninfoFree(options);
    return second;
}

static bool heard(PGconn *listener, const char *channel) {
    bool found = false;
    PGnotify *notification;
    PQconsumeInput(listener);
    while ((notification = PQnotifies(listener)) != NULL) {
        found = found || strcmp(notification->relname, channel) == 0;
        PQfreemem(notification);
    }
    return found;
}

static bool wait_for(PGconn *listener, const char *channel) {
    uint64_t deadline = tp_clock_ms() + ECHO_MS;
    for (uint64_t now = tp_clock_ms(); now < deadline; now = tp_clock_ms()) {
        struct pollfd entry = {.fd = PQsocket(listener), .events = POLLIN, .revents = 0};
        poll(&entry, 1, (int)(deadline - now));
        if (heard(listener, channel)) {
            return true;
        }
    }
    return false;
}

static ExecStatusType take_results(PGconn *connection) {
    ExecStatusType status = PGRES_FATAL_ERROR;
    PGresult *result;
    while ((result = PQgetResult(connection)) != NULL) {
        status = PQresultStatus(result);
        PQclear(result);
    }
    return status;
}

/* A pooler whose pool is used up answers late, or never. */
static bool run_quietly(PGconn *connection, const char *sql) {
    uint64_t deadline = tp_clock_ms() + ECHO_MS;
    if (connection == NULL || PQsendQuery(connection, sql) == 0) {
        return false;
    }
    while (PQisBusy(connection)) {
        uint64_t now = tp_clock_ms();
        struct pollfd entry = {.fd = PQsocket(connection), .events = POLLIN, .revents = 0};
        if (now >= deadline || poll(&entry, 1, (int)(deadline - now)) < 0 ||
            PQconsumeInput(connection) == 0) {
            return false;
        }
    }
    return take_results(connection) == PGRES_COMMAND_OK;
}

/* A second connection listens, this one speaks. */
static void try_echo(tp_doctor *doctor) {
    char nonce[37] = "";
    char channel[64];
    char sql[96];
    PGconn *ear = connect_again(tp_doctor_connection(doctor));
    tp_entropy_uuid(nonce);
    snprintf(channel, sizeof channel, "trigperf_doctor_%s", nonce);
    snprintf(sql, sizeof sql, "LISTEN \"%s\"", channel);
    bool ready = run_quietly(ear, sql);
    snprintf(sql, sizeof sql, "NOTIFY \"%s\"", channel);
    ready = ready && run_quietly(tp_doctor_connection(doctor), sql);
    tp_finding finding = {TP_SEVERITY_INFO, NULL,
                          "a pooler stands between, and lets notifications through", NULL};
    if (!ready) {
        finding = (tp_finding){TP_SEVERITY_UNKNOWN, NULL,
                               "a pooler stands between, and a second connection through it was of "
                               "no use within 3 seconds",
                               "look at the size of its pool, or connect to the server directly"};
    } else if (!wait_for(ear, channel)) {
        finding = (tp_finding){TP_SEVERITY_CRITICAL, NULL,
                               "a pooler stands between, and a notification from another "
                               "connection did not arrive within 3 seconds: transaction mode",
                               "connect to the server directly, or through a pooler in session "
                               "mode (pgbouncer: pool_mode = session)"};
    }
    PQfinish(ear);
    tp_doctor_find(doctor, &finding);
}

int32_t tp_doctor_look_pooler(tp_doctor *doctor, trigperf_error **err) {
    PGconn *connection = tp_doctor_connection(doctor);
    PGresult *rows = NULL;
    int32_t status = tp_sql_query(connection, "SELECT pg_catalog.pg_backend_pid()", 0, NULL,
                                  "asking for the server's process", &rows, err);
    if (status == TRIGPERF_OK &&
        strtol(PQgetvalue(rows, 0, 0), NULL, 10) != PQbackendPID(connection)) {
        try_echo(doctor);
    }
    PQclear(rows);
    return status;
}

/* ---- the schema ---- */

int32_t tp_doctor_look_schema(tp_doctor *doctor, trigperf_error **err) {
    trigperf_error *error = NULL;
    int32_t version = 0;
    int32_t status = tp_migrate_check(tp_doctor_connection(doctor), true, &version, &error);
    if (status == TRIGPERF_E_NOMEM || status == TRIGPERF_E_CONNECTION) {
        tp_doctor_without_schema(doctor);
        return tp_error_move(err, error, status);
    }
    if (status != TRIGPERF_OK) {
        bool denied = strcmp(trigperf_error_sqlstate(error), "42501") == 0;
        tp_doctor_without_schema(doctor);
        if (denied) {
            return tp_error_move(err, error, status);
        }
        tp_doctor_find(doctor,
                       &(tp_finding){TP_SEVERITY_CRITICAL, NULL, trigperf_error_message(error),
                                     trigperf_error_hint(error)});
        trigperf_error_free(error);
        return TRIGPERF_OK;
    }
    if (version > TP_SCHEMA_VERSION) {
        char text[128];
        snprintf(text, sizeof text,
                 "the schema has version %d, this library was made for %d; both work together",
                 version, TP_SCHEMA_VERSION);
        tp_doctor_find(doctor, &(tp_finding){TP_SEVERITY_INFO, NULL, text,
                                             "upgrade libtrigperf on this host"});
    }
    return TRIGPERF_OK;
}

/* ---- rights ---- */

int32_t tp_doctor_look_rights(tp_doctor *doctor, trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_grants_put_missing(&sql);
    int32_t status =
        sql.failed ? tp_error_nomem(err) : tp_doctor_query(doctor, tp_strbuf_str(&sql), err);
    tp_strbuf_free(&sql);
    return status;
}

/* ---- rules ---- */

int32_t tp_doctor_look_rules(tp_doctor *doctor, trigperf_error **err) {
    trigperf_error *error = NULL;
    int32_t status = tp_rules_check(tp_doctor_connection(doctor), &error);
    if (status == TRIGPERF_OK) {
        return TRIGPERF_OK;
    }
    if (status != TRIGPERF_E_INVALID && status != TRIGPERF_E_CONFIG &&
        status != TRIGPERF_E_NOT_FOUND) {
        return tp_error_move(err, error, status);
    }
    tp_doctor_find(doctor, &(tp_finding){TP_SEVERITY_CRITICAL, NULL, trigperf_error_message(error),
                                         "'trigperf rules' lists them: remove what was spoilt, and "
                                         "add it anew"});
    trigperf_error_free(error);
    return TRIGPERF_OK;
}

/* ---- the clock ---- */

/* The server's time is that of some moment between question and answer. */
int32_t tp_doctor_look_clock(tp_doctor *doctor, trigperf_error **err) {
    PGresult *rows = NULL;
    char text[128];
    uint64_t before = tp_clock_unix_ms();
    int32_t status = tp_sql_query(tp_doctor_connection(doctor),
                                  "SELECT (EXTRACT(epoch FROM clock_timestamp()) * 1000)::bigint",
                                  0, NULL, "asking for the server's time", &rows, err);
    uint64_t after = tp_clock_unix_ms();
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint64_t there = strtoull(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    uint64_t apart = there + 1 < before ? before - there : there > after + 1 ? there - after : 0;
    if (apart >= 1000) {
        snprintf(text, sizeof text,
                 "the server's clock is %" PRIu64 ".%" PRIu64 " s %s that of this host",
                 apart / 1000, apart / 100 % 10, there < before ? "behind" : "ahead of");
        tp_doctor_find(doctor, &(tp_finding){apart >= 5000 ? TP_SEVERITY_WARN : TP_SEVERITY_INFO,
                                             NULL, text, "synchronize both (NTP)"});
    }
    return TRIGPERF_OK;
}
