/* The connection lives for one statement. It is made only where something stands between us and the
 * server: the process id that the handshake told differs from the backend's own. */
#include "pg/probe.h"

#include <stdlib.h>

#include "pg/connection.h"
#include "pg/pgerror.h"

struct tp_probe {
    tp_connection *connection;
    bool sent;
    trigperf_error *failure;
};

static void on_notify(void *user, const char *channel, const char *payload, bool own) {
    (void)user;
    (void)channel;
    (void)payload;
    (void)own;
}

tp_probe *tp_probe_new(tp_loop *loop, const tp_conninfo *info, uint32_t timeout_ms) {
    tp_connection_options options = {
        .connect_timeout_ms = timeout_ms, .silence_timeout_ms = timeout_ms, .notify = on_notify};
    tp_probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL ||
        tp_connection_new(loop, info, &options, &probe->connection, NULL) != TRIGPERF_OK) {
        free(probe);
        return NULL;
    }
    return probe;
}

void tp_probe_free(tp_probe *probe) {
    if (probe != NULL) {
        tp_connection_free(probe->connection);
        trigperf_error_free(probe->failure);
        free(probe);
    }
}

void tp_probe_abandon(tp_probe *probe) {
    tp_connection_abandon(probe->connection);
}

void tp_probe_stop(tp_probe *probe) {
    tp_connection_close(probe->connection);
    trigperf_error_free(probe->failure);
    probe->failure = NULL;
    probe->sent = false;
}

static void on_sent(void *user, PGresult *result) {
    tp_probe *probe = user;
    probe->sent = true;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        tp_pg_error(&probe->failure, tp_connection_raw(probe->connection), result,
                    "sending a notification from a second connection");
    }
}

int32_t tp_probe_start(tp_probe *probe, const char *channel, const char *payload, uint64_t now_ms,
                       trigperf_error **err) {
    const char *values[] = {channel, payload};
    tp_statement statement = {.text = "SELECT pg_catalog.pg_notify($1, $2)",
                              .count = 2,
                              .values = values,
                              .done = on_sent,
                              .user = probe};
    tp_probe_stop(probe);
    int32_t status = tp_connection_open(probe->connection, now_ms, err);
    return status != TRIGPERF_OK ? status : tp_connection_send(probe->connection, &statement, err);
}

int32_t tp_probe_process(tp_probe *probe, uint64_t now_ms, trigperf_error **err) {
    int32_t status = tp_connection_process(probe->connection, now_ms, err);
    if (status == TRIGPERF_OK && probe->failure != NULL) {
        status =
            tp_error_move(err, tp_error_copy(probe->failure), trigperf_error_code(probe->failure));
    }
    if (status != TRIGPERF_OK || probe->sent) {
        tp_probe_stop(probe);
    }
    return status;
}

uint64_t tp_probe_deadline(const tp_probe *probe) {
    return tp_connection_deadline(probe->connection);
}
