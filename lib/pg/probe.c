/* IDLE -> SENDING -> SENT -> WAITING, for ECHO_MS -> ASKING -> the verdict
 *
 * A server that stands still looks like a pooler at first: nothing comes. So time counts from when
 * the notification was sent, and before the verdict the listener must answer a statement, behind
 * which a notification of before cannot be. One that does not answer is given up as any other
 * connection that fell silent, and made anew.
 *
 * The second connection lives for one statement. */
#include "pg/probe.h"

#include <stdlib.h>

#include "pg/pgerror.h"

#define ECHO_MS 5000

typedef enum probe_state {
    PROBE_IDLE,
    PROBE_SENDING,
    PROBE_SENT,
    PROBE_WAITING,
    PROBE_ASKING
} probe_state;

struct tp_probe {
    tp_connection *listener;
    tp_connection *second;
    tp_connection *sender; /* one of the two */
    probe_state state;
    uint64_t deadline; /* of WAITING */
    trigperf_error *failure;
};

tp_probe *tp_probe_new(tp_loop *loop, const tp_conninfo *info, uint32_t timeout_ms,
                       tp_connection *listener) {
    tp_connection_options options = {.connect_timeout_ms = timeout_ms,
                                     .silence_timeout_ms = timeout_ms};
    tp_probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL ||
        tp_connection_new(loop, info, &options, &probe->second, NULL) != TRIGPERF_OK) {
        free(probe);
        return NULL;
    }
    probe->listener = listener;
    return probe;
}

void tp_probe_free(tp_probe *probe) {
    if (probe != NULL) {
        tp_connection_free(probe->second);
        trigperf_error_free(probe->failure);
        free(probe);
    }
}

void tp_probe_abandon(tp_probe *probe) {
    tp_connection_abandon(probe->second);
}

void tp_probe_stop(tp_probe *probe) {
    tp_connection_close(probe->second);
    trigperf_error_free(probe->failure);
    probe->failure = NULL;
    probe->state = PROBE_IDLE;
}

bool tp_probe_running(const tp_probe *probe) {
    return probe->state != PROBE_IDLE;
}

static void on_sent(void *user, PGresult *result) {
    tp_probe *probe = user;
    probe->state = PROBE_SENT;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        tp_pg_error(&probe->failure, tp_connection_raw(probe->sender), result,
                    "sending a notification to itself");
    }
}

int32_t tp_probe_start(tp_probe *probe, const char *channel, const char *payload, bool second,
                       uint64_t now_ms, trigperf_error **err) {
    const char *values[] = {channel, payload};
    tp_statement statement = {.text = "SELECT pg_catalog.pg_notify($1, $2)",
                              .count = 2,
                              .values = values,
                              .done = on_sent,
                              .user = probe};
    tp_probe_stop(probe);
    probe->state = PROBE_SENDING;
    probe->sender = second ? probe->second : probe->listener;
    int32_t status = second ? tp_connection_open(probe->second, now_ms, err) : TRIGPERF_OK;
    return status != TRIGPERF_OK ? status : tp_connection_send(probe->sender, &statement, err);
}

/* Takes the error. */
static int32_t explain(trigperf_error *error, trigperf_error **err) {
    int32_t status = tp_error_set_sql(
        err, trigperf_error_code(error), trigperf_error_sqlstate(error),
        trigperf_error_retriable(error) != 0,
        "where a pooler stands between, look at the size of its pool",
        "the second connection, which proves that notifications arrive, was of no use: %s",
        trigperf_error_message(error));
    trigperf_error_free(error);
    return status;
}

static int32_t drive_second(tp_probe *probe, uint64_t now_ms, trigperf_error **err) {
    trigperf_error *error = NULL;
    int32_t status = tp_connection_process(probe->second, now_ms, &error);
    return status != TRIGPERF_OK ? explain(error, err) : TRIGPERF_OK;
}

static int32_t verdict(trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                        "connect to the server directly, or through a pooler in session mode "
                        "(pgbouncer: pool_mode = session)",
                        "expected a notification to come back within %d ms, it did not: a pooler "
                        "in transaction mode stands between",
                        ECHO_MS);
}

static int32_t go_on(tp_probe *probe, uint64_t now_ms, trigperf_error **err) {
    if (probe->failure != NULL) {
        return tp_error_move(err, tp_error_copy(probe->failure),
                             trigperf_error_code(probe->failure));
    }
    if (probe->state == PROBE_SENT) {
        tp_connection_close(probe->second);
        probe->state = PROBE_WAITING;
        probe->deadline = now_ms + ECHO_MS;
    } else if (probe->state == PROBE_WAITING && now_ms >= probe->deadline) {
        tp_statement statement = {.text = "SELECT 1"};
        probe->state = PROBE_ASKING;
        return tp_connection_send(probe->listener, &statement, err);
    } else if (probe->state == PROBE_ASKING && tp_connection_quiet(probe->listener)) {
        return verdict(err);
    }
    return TRIGPERF_OK;
}

int32_t tp_probe_process(tp_probe *probe, uint64_t now_ms, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    if (probe->state == PROBE_SENDING && probe->sender == probe->second) {
        status = drive_second(probe, now_ms, err);
    }
    if (status == TRIGPERF_OK) {
        status = go_on(probe, now_ms, err);
    }
    if (status != TRIGPERF_OK) {
        tp_probe_stop(probe);
    }
    return status;
}

uint64_t tp_probe_deadline(const tp_probe *probe) {
    return probe->state == PROBE_WAITING ? probe->deadline : tp_connection_deadline(probe->second);
}
