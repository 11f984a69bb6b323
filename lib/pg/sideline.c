/* Failures of this connection are nobody's failure: work waits, connecting is tried again with
 * growing waits, and the log says so once, not each time. It is not made in advance, because each
 * connection counts on a server that has few; the price is some milliseconds before a job begins.
 *
 * A server process that computes does not notice that its client is gone. It is told to look every
 * few seconds (client_connection_check_interval, where the server's system has it), so that a
 * statement whose connection was closed ends soon. */
#include "pg/sideline.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/entropy.h"
#include "base/json.h"
#include "core/backoff.h"
#include "pg/lifecycle.h"
#include "pg/pgerror.h"
#include "pg/server.h"

struct tp_sideline {
    tp_sideline_options options;
    tp_connection *connection;
    tp_backoff backoff;
    bool begun; /* the session's settings were sent */
    bool ready;
    bool told; /* that there is none */
    bool retrying;
    bool wanted; /* in this turn */
    uint32_t number;
    uint64_t now_ms;
    uint64_t retry_ms;
    uint64_t idle_since_ms;
    uint64_t reconnects;
    char pid[16];
    trigperf_error *error; /* the newest, NULL: none since it was ready */
};

int32_t tp_sideline_new(tp_loop *loop, const tp_conninfo *info, const tp_sideline_options *options,
                        tp_sideline **out, trigperf_error **err) {
    tp_connection_options connection = {.connect_timeout_ms = options->connect_timeout_ms,
                                        .silence_timeout_ms = options->silence_timeout_ms,
                                        .log = options->log};
    tp_sideline *sideline = calloc(1, sizeof *sideline);
    if (sideline == NULL) {
        return tp_error_nomem(err);
    }
    sideline->options = *options;
    sideline->backoff = (tp_backoff){options->reconnect_min_ms, options->reconnect_max_ms, 0};
    int32_t status = tp_connection_new(loop, info, &connection, &sideline->connection, err);
    if (status != TRIGPERF_OK) {
        free(sideline);
        return status;
    }
    *out = sideline;
    return TRIGPERF_OK;
}

void tp_sideline_free(tp_sideline *sideline) {
    if (sideline != NULL) {
        tp_connection_free(sideline->connection);
        trigperf_error_free(sideline->error);
        free(sideline);
    }
}

void tp_sideline_abandon(tp_sideline *sideline) {
    tp_connection_abandon(sideline->connection);
}

void tp_sideline_close(tp_sideline *sideline) {
    tp_connection_close(sideline->connection);
    sideline->begun = false;
    sideline->ready = false;
    sideline->number++;
}

/* Takes the error. */
static void give_up(tp_sideline *sideline, trigperf_error *error) {
    uint32_t random = 0;
    tp_entropy_fill(&random, sizeof random);
    tp_sideline_close(sideline);
    trigperf_error_free(sideline->error);
    sideline->error = error;
    sideline->retrying = true;
    sideline->reconnects++;
    sideline->retry_ms = sideline->now_ms + tp_backoff_next(&sideline->backoff, random);
    tp_log_write(sideline->options.log, sideline->told ? TP_LOG_DEBUG : TP_LOG_WARNING,
                 "no connection for %s, which wait until there is one: %s",
                 sideline->options.purpose, trigperf_error_message(error));
    sideline->told = true;
}

static void became_ready(tp_sideline *sideline, const char *pid) {
    snprintf(sideline->pid, sizeof sideline->pid, "%s", pid);
    sideline->ready = true;
    sideline->retrying = false;
    sideline->idle_since_ms = sideline->now_ms;
    tp_backoff_reset(&sideline->backoff);
    trigperf_error_free(sideline->error);
    sideline->error = NULL;
    if (sideline->told) {
        tp_log_write(sideline->options.log, TP_LOG_INFO, "the connection for %s is back",
                     sideline->options.purpose);
    }
    sideline->told = false;
}

static void on_settings(void *user, PGresult *result) {
    tp_sideline *sideline = user;
    trigperf_error *error = NULL;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        tp_pg_error(&error, tp_connection_raw(sideline->connection), result,
                    "setting up the session");
        give_up(sideline, error);
    } else if (tp_server_check_primary(PQgetvalue(result, 0, 1)[0] == 't', "", &error) !=
               TRIGPERF_OK) {
        give_up(sideline, error);
    } else {
        became_ready(sideline, PQgetvalue(result, 0, 0));
    }
}

/* Where the server's system cannot tell that a client is gone, there is nothing to be set. */
static void on_watchful(void *user, PGresult *result) {
    const tp_sideline *sideline = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        tp_log_write(sideline->options.log, TP_LOG_DEBUG,
                     "the server does not notice clients that are gone: %s",
                     PQresultErrorMessage(result));
    }
}

static int32_t begin(tp_sideline *sideline, trigperf_error **err) {
    char timeout[16];
    const char *values[] = {timeout, sideline->options.suffix};
    tp_statement watchful = {
        .text = "SELECT pg_catalog.set_config('client_connection_check_interval', '2s', false)",
        .done = on_watchful,
        .user = sideline};
    tp_statement settings = {
        .text = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), "
                "(SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, false)) "
                "FROM (VALUES " TP_PG_NO_LIMITS ", ('statement_timeout', $1), "
                "('lock_timeout', '5s'), ('search_path', 'pg_catalog'), ('application_name', "
                "pg_catalog.concat(pg_catalog.left(pg_catalog.current_setting("
                "'application_name'), 56), $2::text)), ('synchronous_commit', 'local'), "
                "('default_transaction_read_only', 'off'), "
                "('default_transaction_isolation', 'read committed')"
                ") AS s(name, value)" TP_PG_WHERE_KNOWN ")",
        .count = 2,
        .values = values,
        .done = on_settings,
        .user = sideline};
    snprintf(timeout, sizeof timeout, "%u", sideline->options.statement_timeout_ms);
    sideline->begun = true;
    int32_t status = tp_connection_send(sideline->connection, &watchful, err);
    return status == TRIGPERF_OK ? tp_connection_send(sideline->connection, &settings, err)
                                 : status;
}

static int32_t drive(tp_sideline *sideline, trigperf_error **err) {
    int32_t status = tp_connection_process(sideline->connection, sideline->now_ms, err);
    if (status == TRIGPERF_OK && !sideline->begun &&
        tp_connection_state_of(sideline->connection) == TP_CONNECTION_OPEN) {
        status = begin(sideline, err);
        status = status == TRIGPERF_OK
                     ? tp_connection_process(sideline->connection, sideline->now_ms, err)
                     : status;
    }
    return status;
}

static void check_idle(tp_sideline *sideline) {
    if (!tp_connection_quiet(sideline->connection)) {
        sideline->idle_since_ms = sideline->now_ms;
    } else if (sideline->now_ms - sideline->idle_since_ms >= sideline->options.idle_ms) {
        tp_sideline_close(sideline);
    }
}

void tp_sideline_process(tp_sideline *sideline, uint64_t now_ms) {
    trigperf_error *error = NULL;
    bool was_ready = sideline->ready; /* else it is given something to do after this call */
    sideline->now_ms = now_ms;
    sideline->wanted = false;
    if (tp_connection_state_of(sideline->connection) == TP_CONNECTION_CLOSED) {
        return;
    }
    if (drive(sideline, &error) != TRIGPERF_OK) {
        give_up(sideline, error);
    } else if (was_ready && sideline->ready) {
        check_idle(sideline);
    }
}

uint64_t tp_sideline_deadline(const tp_sideline *sideline) {
    if (tp_connection_state_of(sideline->connection) == TP_CONNECTION_CLOSED) {
        return sideline->retrying && sideline->wanted ? sideline->retry_ms : UINT64_MAX;
    }
    uint64_t idle = sideline->ready && tp_connection_quiet(sideline->connection)
                        ? sideline->idle_since_ms + sideline->options.idle_ms
                        : UINT64_MAX;
    return tp_earlier(idle, tp_connection_deadline(sideline->connection));
}

void tp_sideline_want(tp_sideline *sideline, uint64_t now_ms) {
    trigperf_error *error = NULL;
    sideline->now_ms = now_ms;
    sideline->wanted = true;
    if (tp_connection_state_of(sideline->connection) != TP_CONNECTION_CLOSED ||
        (sideline->retrying && now_ms < sideline->retry_ms)) {
        return;
    }
    if (tp_connection_open(sideline->connection, now_ms, &error) != TRIGPERF_OK) {
        give_up(sideline, error);
    }
}

tp_connection *tp_sideline_ready(const tp_sideline *sideline) {
    return sideline->ready ? sideline->connection : NULL;
}

uint32_t tp_sideline_number(const tp_sideline *sideline) {
    return sideline->number;
}

const char *tp_sideline_pid(const tp_sideline *sideline) {
    return sideline->pid;
}

void tp_sideline_status(const tp_sideline *sideline, tp_strbuf *json) {
    static const char *const names[] = {"closed", "connecting", "connecting", "open"};
    bool waits =
        sideline->retrying && tp_connection_state_of(sideline->connection) == TP_CONNECTION_CLOSED;
    tp_json_text(json, "connection",
                 waits ? "backoff" : names[tp_connection_state_of(sideline->connection)]);
    tp_json_text(json, "pid", sideline->ready ? sideline->pid : NULL);
    tp_json_uint(json, "reconnects", sideline->reconnects);
    tp_json_text(json, "connection_error",
                 sideline->error == NULL ? NULL : trigperf_error_message(sideline->error));
}
