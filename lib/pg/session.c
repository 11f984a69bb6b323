/* Each check refuses with a sentence that says what to do. The self-test is a notification that
 * must come back: a pooler in transaction mode answers LISTEN with success, and nothing ever
 * arrives. That something stands between is seen by the process id of the handshake, which is not
 * the backend's. */
#include "pg/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/entropy.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/lsn.h"
#include "pg/pgerror.h"
#include "pg/probe.h"
#include "pg/server.h"

struct tp_session {
    tp_connection *connection;
    int32_t schema_version;
    tp_session_fn done;
    void *user;
    const tp_log *log;
    tp_session_fn registry_done;
    void *registry_user;
    tp_engine *engine;
    char channel[80];
    char system[32];
    char incarnation[80];
    char nonce[37];
    uint64_t reached; /* of the server's log, on any connection */
    bool went_back;
    uint64_t now_ms;
    char version[32];
    PGresult *tables;
    tp_registry *registry;
    tp_probe *probe;
    bool pooled;
};

static const char hello_sql[] =
    "SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.pg_is_in_recovery(), "
    "pg_catalog.to_regclass('trigperf.migration') IS NOT NULL, pg_catalog.current_database(), "
    "pg_catalog.pg_backend_pid()";

/* A claim need not wait for a standby: where that is promoted, everything is resynced anyway. */
static const char settings_sql[] =
    "SELECT pg_catalog.set_config(name, value, false) FROM (VALUES ('search_path', 'pg_catalog'), "
    "('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('jit', 'off'), "
    "('plan_cache_mode', 'force_generic_plan'), ('lock_timeout', '2s'), "
    "('quote_all_identifiers', 'off'), ('default_transaction_read_only', 'off'), "
    "('synchronous_commit', 'local'), ('standard_conforming_strings', 'on'), "
    "('default_transaction_isolation', 'read committed'), " TP_PG_NO_LIMITS
    ") AS s(name, value)" TP_PG_WHERE_KNOWN;

static const char schema_sql[] =
    "SELECT (SELECT max(version) FROM trigperf.migration), "
    "(SELECT max(compatible_from) FROM trigperf.migration), "
    "(SELECT channel FROM trigperf.notifier), trigperf.incarnation_get(), "
    "(SELECT system_identifier FROM pg_catalog.pg_control_system()), "
    "pg_catalog.pg_current_wal_insert_lsn()";

int32_t tp_session_new(tp_connection *connection, tp_loop *loop, const tp_conninfo *info,
                       const tp_session_options *options, tp_session **out, trigperf_error **err) {
    tp_session *session = calloc(1, sizeof *session);
    tp_probe *probe = tp_probe_new(loop, info, options->timeout_ms, connection);
    if (session == NULL || probe == NULL) {
        free(session);
        tp_probe_free(probe);
        return tp_error_nomem(err);
    }
    session->connection = connection;
    session->probe = probe;
    session->schema_version = options->schema_version;
    session->done = options->done;
    session->user = options->user;
    session->log = options->log;
    *out = session;
    return TRIGPERF_OK;
}

void tp_session_free(tp_session *session) {
    if (session != NULL) {
        tp_probe_free(session->probe);
        PQclear(session->tables);
        tp_registry_free(session->registry);
        free(session);
    }
}

void tp_session_abandon(tp_session *session) {
    tp_probe_abandon(session->probe);
}

void tp_session_end(tp_session *session) {
    tp_probe_stop(session->probe);
}

static void refuse(tp_session *session, trigperf_error *error) {
    tp_session_end(session);
    session->done(session->user, error);
    trigperf_error_free(error);
}

static void refuse_result(tp_session *session, PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(session->connection), result, what);
    refuse(session, error);
}

static int32_t send(tp_session *session, const char *sql, tp_result_fn done, trigperf_error **err) {
    tp_statement statement = {.text = sql, .done = done, .user = session};
    return tp_connection_send(session->connection, &statement, err);
}

static void send_or_refuse(tp_session *session, const char *sql, tp_result_fn done) {
    trigperf_error *error = NULL;
    if (send(session, sql, done, &error) != TRIGPERF_OK) {
        refuse(session, error);
    }
}

static void on_listen(void *user, PGresult *result) {
    tp_session *session = user;
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        refuse_result(session, result, "subscribing to notifications");
        return;
    }
    char payload[64];
    snprintf(payload, sizeof payload, "{\"k\":\"s\",\"n\":\"%s\"}", session->nonce);
    trigperf_error *error = NULL;
    if (tp_probe_start(session->probe, session->channel, payload, session->pooled, session->now_ms,
                       &error) != TRIGPERF_OK) {
        refuse(session, error);
    }
}

static void check_schema(const tp_session *session, const PGresult *result,
                         trigperf_error **error) {
    int32_t version = (int32_t)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    int32_t compatible = (int32_t)strtol(PQgetvalue(result, 0, 1), NULL, 10);
    if (version < session->schema_version) {
        tp_error_set(error, TRIGPERF_E_VERSION, "run 'trigperf install' with this library",
                     "the database's schema trigperf has version %d; this library expects %d",
                     version, session->schema_version);
    } else if (compatible > session->schema_version) {
        tp_error_set(error, TRIGPERF_E_VERSION, "upgrade libtrigperf on this host",
                     "the database's schema trigperf has version %d and needs a library that knows "
                     "version %d; this one knows %d",
                     version, compatible, session->schema_version);
    }
}

void tp_session_reached(tp_session *session, uint64_t lsn) {
    session->reached = lsn > session->reached ? lsn : session->reached;
}

bool tp_session_went_back(const tp_session *session) {
    return session->went_back;
}

/* A restored copy of the same cluster, made while it was shut down, has the same identity as ever;
 * only its log tells. */
static void note_lsn(tp_session *session, const char *text) {
    uint64_t lsn = 0;
    tp_lsn_parse(text, &lsn);
    session->went_back = lsn < session->reached;
    session->reached = lsn;
}

static void on_schema(void *user, PGresult *result) {
    tp_session *session = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        refuse_result(session, result, "reading the schema trigperf");
        return;
    }
    trigperf_error *error = NULL;
    check_schema(session, result, &error);
    if (error != NULL) {
        refuse(session, error);
        return;
    }
    snprintf(session->channel, sizeof session->channel, "%s", PQgetvalue(result, 0, 2));
    snprintf(session->system, sizeof session->system, "%s", PQgetvalue(result, 0, 4));
    snprintf(session->incarnation, sizeof session->incarnation, "%s", PQgetvalue(result, 0, 3));
    note_lsn(session, PQgetvalue(result, 0, 5));
    char listen[100];
    snprintf(listen, sizeof listen, "LISTEN \"%s\"", session->channel);
    send_or_refuse(session, listen, on_listen);
}

static void on_settings(void *user, PGresult *result) {
    tp_session *session = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        refuse_result(session, result, "setting up the session");
        return;
    }
    send_or_refuse(session, schema_sql, on_schema);
}

static int32_t check_hello(const PGresult *result, trigperf_error **err) {
    int32_t status = tp_server_check_version(strtol(PQgetvalue(result, 0, 0), NULL, 10), err);
    if (status == TRIGPERF_OK) {
        status = tp_server_check_primary(PQgetvalue(result, 0, 1)[0] == 't',
                                         ": changes are read where they are written", err);
    }
    if (status == TRIGPERF_OK && PQgetvalue(result, 0, 2)[0] != 't') {
        status =
            tp_error_set(err, TRIGPERF_E_NOT_FOUND, "run 'trigperf install' on that database",
                         "expected the schema trigperf in database \"%s\", it is not installed",
                         PQgetvalue(result, 0, 3));
    }
    return status;
}

static void on_hello(void *user, PGresult *result) {
    tp_session *session = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        refuse_result(session, result, "asking the server for its version");
        return;
    }
    trigperf_error *error = NULL;
    if (check_hello(result, &error) != TRIGPERF_OK) {
        refuse(session, error);
        return;
    }
    session->pooled = strtol(PQgetvalue(result, 0, 4), NULL, 10) !=
                      PQbackendPID(tp_connection_raw(session->connection));
    send_or_refuse(session, settings_sql, on_settings);
}

int32_t tp_session_begin(tp_session *session, uint64_t now_ms, trigperf_error **err) {
    session->now_ms = now_ms;
    if (!tp_entropy_uuid(session->nonce)) {
        return tp_error_set(err, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                            "getrandom failed");
    }
    return send(session, hello_sql, on_hello, err);
}

void tp_session_echo(tp_session *session, const char *payload) {
    if (tp_probe_running(session->probe) && strstr(payload, session->nonce) != NULL) {
        tp_session_end(session);
        session->done(session->user, NULL);
    }
}

void tp_session_tick(tp_session *session, uint64_t now_ms) {
    trigperf_error *error = NULL;
    session->now_ms = now_ms;
    if (tp_probe_running(session->probe) &&
        tp_probe_process(session->probe, now_ms, &error) != TRIGPERF_OK) {
        refuse(session, error);
    }
}

uint64_t tp_session_deadline(const tp_session *session) {
    return tp_probe_running(session->probe) ? tp_probe_deadline(session->probe) : UINT64_MAX;
}

const char *tp_session_channel(const tp_session *session) {
    return session->channel;
}

const char *tp_session_incarnation(const tp_session *session) {
    return session->incarnation;
}

const char *tp_session_system(const tp_session *session) {
    return session->system;
}

static void registry_finish(tp_session *session, trigperf_error *error) {
    PQclear(session->tables);
    session->tables = NULL;
    session->registry_done(session->registry_user, error);
    trigperf_error_free(error);
}

static void registry_fail(tp_session *session, PGresult *result) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(session->connection), result, "reading the registry");
    registry_finish(session, error);
}

static void on_rules(void *user, PGresult *result) {
    tp_session *session = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        registry_fail(session, result);
        return;
    }
    trigperf_error *error = NULL;
    tp_registry *registry = NULL;
    if (tp_registry_new(session->tables, result, session->version, session->engine, session->log,
                        &registry, &error) == TRIGPERF_OK) {
        tp_registry_free(session->registry);
        session->registry = registry;
    }
    registry_finish(session, error);
}

static void on_tables(void *user, PGresult *result) {
    tp_session *session = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        registry_fail(session, result);
        return;
    }
    PQclear(session->tables);
    session->tables = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
    trigperf_error *error = NULL;
    if (session->tables == NULL) {
        tp_error_nomem(&error);
        registry_finish(session, error);
    } else if (send(session, TP_REGISTRY_RULES_SQL, on_rules, &error) != TRIGPERF_OK) {
        registry_finish(session, error);
    }
}

static void on_version(void *user, PGresult *result) {
    tp_session *session = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        registry_fail(session, result);
        return;
    }
    snprintf(session->version, sizeof session->version, "%s", PQgetvalue(result, 0, 0));
    trigperf_error *error = NULL;
    if (send(session, TP_REGISTRY_TABLES_SQL, on_tables, &error) != TRIGPERF_OK) {
        registry_finish(session, error);
    }
}

int32_t tp_session_load_registry(tp_session *session, tp_engine *engine, tp_session_fn done,
                                 void *user, trigperf_error **err) {
    session->engine = engine;
    session->registry_done = done;
    session->registry_user = user;
    return send(session, "SELECT value FROM trigperf.setting WHERE name = 'registry_version'",
                on_version, err);
}

tp_registry *tp_session_take_registry(tp_session *session) {
    tp_registry *registry = session->registry;
    session->registry = NULL;
    return registry;
}
