/* The outbox's session does the checks that both need, among them the round trip of a notification,
 * which shows a pooler; nothing is listened to afterwards. Whatever is read here, the snapshots
 * that decide about visibility come from the same connection. */
#include "pg/wal_catalog.h"

#include <stdlib.h>
#include <string.h>

#include "core/waldecoder.h"
#include "pg/pgerror.h"
#include "pg/session.h"

struct tp_wal_catalog {
    tp_connection *connection;
    tp_engine *engine;
    const tp_log *log;
    tp_wal_catalog_handler handler;
    tp_session *session;
    tp_registry *registry;
    tp_wal_specs *specs;
};

static void on_session(void *user, trigperf_error *error);

int32_t tp_wal_catalog_new(tp_connection *connection, const tp_wal_catalog_options *options,
                           const tp_wal_catalog_handler *handler, tp_wal_catalog **out,
                           trigperf_error **err) {
    tp_wal_catalog *catalog = calloc(1, sizeof *catalog);
    if (catalog == NULL) {
        return tp_error_nomem(err);
    }
    catalog->connection = connection;
    catalog->engine = options->engine;
    catalog->log = options->log;
    catalog->handler = *handler;
    tp_session_options session = {.schema_version = options->schema_version,
                                  .timeout_ms = options->timeout_ms,
                                  .done = on_session,
                                  .user = catalog,
                                  .log = options->log};
    int32_t status =
        tp_session_new(connection, options->loop, options->info, &session, &catalog->session, err);
    if (status != TRIGPERF_OK) {
        free(catalog);
        return status;
    }
    *out = catalog;
    return TRIGPERF_OK;
}

void tp_wal_catalog_free(tp_wal_catalog *catalog) {
    if (catalog != NULL) {
        tp_session_free(catalog->session);
        tp_registry_free(catalog->registry);
        tp_wal_specs_free(catalog->specs);
        free(catalog);
    }
}

void tp_wal_catalog_abandon(tp_wal_catalog *catalog) {
    tp_session_abandon(catalog->session);
}

void tp_wal_catalog_reset(tp_wal_catalog *catalog) {
    tp_session_end(catalog->session);
}

static void fail_result(tp_wal_catalog *catalog, const PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(catalog->connection), result, what);
    catalog->handler.failed(catalog->handler.user, error);
}

static void send(tp_wal_catalog *catalog, const char *sql, tp_result_fn done) {
    trigperf_error *error = NULL;
    tp_statement statement = {.text = sql, .done = done, .user = catalog};
    if (tp_connection_send(catalog->connection, &statement, &error) != TRIGPERF_OK) {
        catalog->handler.failed(catalog->handler.user, error);
    }
}

static void on_specs(void *user, PGresult *result) {
    tp_wal_catalog *catalog = user;
    trigperf_error *error = NULL;
    tp_wal_specs *specs = NULL;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fail_result(catalog, result, "reading the registry");
        return;
    }
    if (tp_wal_specs_new(result, &specs, &error) != TRIGPERF_OK) {
        catalog->handler.failed(catalog->handler.user, error);
        return;
    }
    tp_wal_specs *former = catalog->specs;
    catalog->specs = specs;
    catalog->handler.loaded(catalog->handler.user);
    tp_wal_specs_free(former);
}

static void on_registry(void *user, trigperf_error *error) {
    tp_wal_catalog *catalog = user;
    if (error != NULL) {
        catalog->handler.failed(catalog->handler.user, tp_error_copy(error));
        return;
    }
    tp_registry_free(catalog->registry);
    catalog->registry = tp_session_take_registry(catalog->session);
    send(catalog, TP_WAL_SPECS_SQL, on_specs);
}

int32_t tp_wal_catalog_load(tp_wal_catalog *catalog, trigperf_error **err) {
    return tp_session_load_registry(catalog->session, catalog->engine, on_registry, catalog, err);
}

static void check_facts(const tp_wal_catalog *catalog, const PGresult *result,
                        trigperf_error **error) {
    const char *level = PQgetvalue(result, 0, 0);
    if (strcmp(level, "logical") != 0) {
        tp_error_set(error, TRIGPERF_E_UNSUPPORTED,
                     "run ALTER SYSTEM SET wal_level = logical and restart the server, or use "
                     "source = outbox",
                     "expected a server with wal_level = logical, this one has wal_level = %s",
                     level);
    } else if (PQgetvalue(result, 0, 1)[0] != 't') {
        tp_error_set(error, TRIGPERF_E_PERMISSION,
                     "run ALTER ROLE .. REPLICATION for it as a superuser, or use source = outbox",
                     "expected a role that may replicate, \"%s\" may not",
                     PQuser(tp_connection_raw(catalog->connection)));
    } else if (PQgetvalue(result, 0, 2)[0] != 't') {
        tp_error_set(error, TRIGPERF_E_NOT_FOUND,
                     "run CREATE PUBLICATION trigperf; then attach again what is to be followed",
                     "expected the publication trigperf, it was dropped");
    }
}

static void on_facts(void *user, PGresult *result) {
    tp_wal_catalog *catalog = user;
    trigperf_error *error = NULL;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(catalog, result, "asking whether the log can be followed");
        return;
    }
    check_facts(catalog, result, &error);
    if (error != NULL) {
        catalog->handler.failed(catalog->handler.user, error);
        return;
    }
    if (strchr(PQgetvalue(result, 0, 3), '*') != NULL) {
        tp_log_write(catalog->log, TP_LOG_WARNING,
                     "synchronous_standby_names names every connection (*): commits may wait for "
                     "this consumer; name the standbys instead");
    }
    if (tp_wal_catalog_load(catalog, &error) != TRIGPERF_OK) {
        catalog->handler.failed(catalog->handler.user, error);
    }
}

static void on_session(void *user, trigperf_error *error) {
    tp_wal_catalog *catalog = user;
    if (error != NULL) {
        catalog->handler.failed(catalog->handler.user, tp_error_copy(error));
        return;
    }
    catalog->handler.standing(catalog->handler.user);
    if (tp_connection_state_of(catalog->connection) != TP_CONNECTION_OPEN) {
        return;
    }
    send(catalog, "UNLISTEN *", NULL);
    send(catalog,
         "SELECT pg_catalog.current_setting('wal_level'), "
         "(SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles "
         "WHERE rolname OPERATOR(pg_catalog.=) CURRENT_USER), "
         "EXISTS (SELECT FROM pg_catalog.pg_publication "
         "WHERE pubname OPERATOR(pg_catalog.=) '" TP_WAL_PREFIX "'), "
         "pg_catalog.current_setting('synchronous_standby_names')",
         on_facts);
}

int32_t tp_wal_catalog_begin(tp_wal_catalog *catalog, uint64_t now_ms, trigperf_error **err) {
    return tp_session_begin(catalog->session, now_ms, err);
}

void tp_wal_catalog_echo(tp_wal_catalog *catalog, const char *payload) {
    tp_session_echo(catalog->session, payload);
}

void tp_wal_catalog_tick(tp_wal_catalog *catalog, uint64_t now_ms) {
    tp_session_tick(catalog->session, now_ms);
}

uint64_t tp_wal_catalog_deadline(const tp_wal_catalog *catalog) {
    return tp_session_deadline(catalog->session);
}

void tp_wal_catalog_reached(tp_wal_catalog *catalog, uint64_t lsn) {
    tp_session_reached(catalog->session, lsn);
}

bool tp_wal_catalog_went_back(const tp_wal_catalog *catalog) {
    return tp_session_went_back(catalog->session);
}

const char *tp_wal_catalog_system(const tp_wal_catalog *catalog) {
    return tp_session_system(catalog->session);
}

const char *tp_wal_catalog_incarnation(const tp_wal_catalog *catalog) {
    return tp_session_incarnation(catalog->session);
}

const tp_registry *tp_wal_catalog_registry(const tp_wal_catalog *catalog) {
    return catalog->registry;
}

const tp_wal_specs *tp_wal_catalog_specs(const tp_wal_catalog *catalog) {
    return catalog->specs;
}
