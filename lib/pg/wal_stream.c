/* Settings come first: what the server writes of dates, floating point numbers and the like follows
 * the session's settings, and keys shall be the same as those that capture triggers write.
 *
 * Making a slot waits for all transactions that run at that moment, however long, those of other
 * databases and prepared ones included: the statement may take 40 times the usual, and is tried
 * again then; the log says what it waits for. While a slot is followed, the server is asked for a
 * sign of life three times within the silence that breaks a connection. A host that stood still
 * asked for nothing meanwhile: only a question without an answer makes silence of it. While we do
 * not read, the server cannot be heard, and its own timeout (wal_sender_timeout) is held off by the
 * acknowledgements, which go on. */
#include "pg/wal_stream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/strbuf.h"
#include "core/waldecoder.h"
#include "pg/connection.h"
#include "pg/pgerror.h"
#include "pg/wal_fetch.h"

#define EPOCH_OFFSET_S 946684800 /* PostgreSQL's times begin in the year 2000 */
#define NOT_ASKED UINT64_MAX
#define MAKING_MS 2000

struct tp_wal_stream {
    tp_connection *connection;
    tp_wal_stream_options options;
    tp_wal_stream_handler handler;
    const tp_log *log;
    char slot[64];
    tp_wal_plan plan;
    tp_wal_fetch fetch;
    bool following;
    bool paused;
    uint64_t now_ms;
    uint64_t heard_ms; /* when the server said something last */
    uint64_t asked_ms; /* when it was asked for a sign of life that has not come; else NOT_ASKED */
    uint64_t next_beat;
    uint64_t patience_ends; /* with a slot that is being made */
    uint64_t reached;
    uint64_t acknowledged;
};

static const char settings_sql[] =
    "SELECT pg_catalog.set_config(name, value, false) FROM (VALUES "
    "('search_path', 'pg_catalog, pg_temp'), ('DateStyle', 'ISO, YMD'), ('TimeZone', 'UTC'), "
    "('IntervalStyle', 'postgres'), ('bytea_output', 'hex'), ('extra_float_digits', '1'), "
    "('lc_monetary', 'C'), ('lock_timeout', '0'), " TP_PG_NO_LIMITS
    ") AS s(name, value)" TP_PG_WHERE_KNOWN;

static void on_copy(void *user, const char *bytes, size_t length);
static uint64_t fetch_resumes(void *user);
static uint64_t fetch_acknowledged(void *user);
static void on_fetched_message(void *user, const char *bytes, size_t length);
static void on_fetched(void *user);
static void on_fetch_failed(void *user, trigperf_error *error);

static void on_notify(void *user, const char *channel, const char *payload, bool own) {
    (void)user;
    (void)channel;
    (void)payload;
    (void)own;
}

int32_t tp_wal_stream_new(tp_loop *loop, const tp_conninfo *info,
                          const tp_wal_stream_options *options,
                          const tp_wal_stream_handler *handler, const tp_log *log,
                          tp_wal_stream **out, trigperf_error **err) {
    tp_wal_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return tp_error_nomem(err);
    }
    stream->options = *options;
    stream->handler = *handler;
    stream->log = log;
    stream->next_beat = UINT64_MAX;
    stream->asked_ms = NOT_ASKED;
    stream->patience_ends = UINT64_MAX;
    tp_connection_options connection = {.connect_timeout_ms = options->connect_timeout_ms,
                                        .silence_timeout_ms = options->silence_timeout_ms,
                                        .window_ms = options->window_ms,
                                        .replication = true,
                                        .notify = on_notify,
                                        .copy = on_copy,
                                        .user = stream,
                                        .log = log};
    int32_t status = tp_connection_new(loop, info, &connection, &stream->connection, err);
    if (status != TRIGPERF_OK) {
        free(stream);
        return status;
    }
    stream->fetch = (tp_wal_fetch){.connection = stream->connection,
                                   .handler = {stream, fetch_resumes, fetch_acknowledged,
                                               on_fetched_message, on_fetched, on_fetch_failed}};
    *out = stream;
    return TRIGPERF_OK;
}

void tp_wal_stream_free(tp_wal_stream *stream) {
    if (stream != NULL) {
        tp_connection_free(stream->connection);
        free(stream);
    }
}

void tp_wal_stream_abandon(tp_wal_stream *stream) {
    tp_connection_abandon(stream->connection);
}

void tp_wal_stream_close(tp_wal_stream *stream) {
    tp_connection_close(stream->connection);
    tp_wal_fetch_reset(&stream->fetch);
    stream->following = false;
    stream->paused = false;
    stream->next_beat = UINT64_MAX;
    stream->patience_ends = UINT64_MAX;
}

static void fail_result(tp_wal_stream *stream, const PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(stream->connection), result, what);
    stream->handler.failed(stream->handler.user, error);
}

static void send(tp_wal_stream *stream, const char *sql, bool patient, tp_result_fn done) {
    trigperf_error *error = NULL;
    tp_statement statement = {.text = sql, .patient = patient, .done = done, .user = stream};
    if (tp_connection_send(stream->connection, &statement, &error) != TRIGPERF_OK) {
        stream->handler.failed(stream->handler.user, error);
    }
}

/* ---- the way to the stream ---- */

static void hear(tp_wal_stream *stream) {
    stream->heard_ms = stream->now_ms;
    stream->asked_ms = NOT_ASKED;
}

static void on_started(void *user, PGresult *result) {
    tp_wal_stream *stream = user;
    if (PQresultStatus(result) != PGRES_COPY_BOTH) {
        fail_result(stream, result, "following the replication slot");
        return;
    }
    stream->following = true;
    hear(stream);
    stream->next_beat = stream->now_ms;
    tp_connection_pause(stream->connection, stream->paused);
    stream->handler.started(stream->handler.user, stream->plan.make);
}

static void send_start(tp_wal_stream *stream) {
    char sql[256];
    uint64_t from = stream->handler.resume(stream->handler.user);
    snprintf(sql, sizeof sql,
             "START_REPLICATION SLOT \"%s\" LOGICAL %X/%X (proto_version '2', streaming 'on', "
             "messages 'on', publication_names '\"" TP_WAL_PREFIX "\"')",
             stream->slot, (uint32_t)(from >> 32), (uint32_t)from);
    send(stream, sql, false, on_started);
}

static uint64_t fetch_resumes(void *user) {
    tp_wal_stream *stream = user;
    return stream->handler.resume(stream->handler.user);
}

static uint64_t fetch_acknowledged(void *user) {
    return ((tp_wal_stream *)user)->acknowledged;
}

static void on_fetched_message(void *user, const char *bytes, size_t length) {
    tp_wal_stream *stream = user;
    stream->handler.message(stream->handler.user, bytes, length);
}

static void on_fetched(void *user) {
    send_start(user);
}

static void on_fetch_failed(void *user, trigperf_error *error) {
    tp_wal_stream *stream = user;
    stream->handler.failed(stream->handler.user, error);
}

static void on_made(void *user, PGresult *result) {
    tp_wal_stream *stream = user;
    stream->patience_ends = UINT64_MAX;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fail_result(stream, result, "making a replication slot");
        return;
    }
    send_start(stream);
}

static void send_make(tp_wal_stream *stream) {
    char sql[192];
    snprintf(sql, sizeof sql,
             "CREATE_REPLICATION_SLOT \"%s\"%s LOGICAL pgoutput (SNAPSHOT 'nothing')", stream->slot,
             stream->plan.temporary ? " TEMPORARY" : "");
    stream->patience_ends = stream->now_ms + MAKING_MS;
    send(stream, sql, true, on_made);
}

static void tell_what_it_waits_for(tp_wal_stream *stream) {
    stream->patience_ends = UINT64_MAX;
    tp_log_write(stream->log, TP_LOG_WARNING,
                 "making the replication slot %s waits until all transactions have ended that ran "
                 "when it began, of any database: see pg_prepared_xacts, and pg_stat_activity "
                 "WHERE backend_xid IS NOT NULL",
                 stream->slot);
}

static void on_dropped(void *user, PGresult *result) {
    tp_wal_stream *stream = user;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (PQresultStatus(result) != PGRES_COMMAND_OK &&
        (state == NULL || strcmp(state, "42704") != 0)) {
        fail_result(stream, result, "dropping a replication slot that cannot be continued");
        return;
    }
    send_make(stream);
}

static void on_settings(void *user, PGresult *result) {
    tp_wal_stream *stream = user;
    char sql[128];
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fail_result(stream, result, "setting up the replication connection");
    } else if (stream->plan.drop_first) {
        snprintf(sql, sizeof sql, "DROP_REPLICATION_SLOT \"%s\"", stream->slot);
        send(stream, sql, false, on_dropped);
    } else if (stream->plan.make) {
        send_make(stream);
    } else if (stream->plan.fetch) {
        tp_wal_fetch_begin(&stream->fetch, stream->slot, stream->now_ms);
    } else {
        send_start(stream);
    }
}

int32_t tp_wal_stream_open(tp_wal_stream *stream, const tp_wal_plan *plan, uint64_t now_ms,
                           trigperf_error **err) {
    tp_wal_stream_close(stream);
    snprintf(stream->slot, sizeof stream->slot, "%s", plan->slot);
    stream->plan = *plan;
    stream->plan.slot = stream->slot;
    stream->now_ms = now_ms;
    stream->reached = 0;
    stream->acknowledged = 0;
    int32_t status = tp_connection_open(stream->connection, now_ms, err);
    if (status == TRIGPERF_OK) {
        send(stream, settings_sql, false, on_settings);
    }
    return status;
}

/* A pooler refuses the parameter that asks for replication, or leaves it out, and the commands are
 * not understood. */
trigperf_error *tp_wal_stream_explain(trigperf_error *error) {
    const char *message = trigperf_error_message(error);
    trigperf_error *explained = NULL;
    if (strstr(message, "startup parameter: replication") == NULL &&
        strcmp(trigperf_error_sqlstate(error), "42601") != 0) {
        return error;
    }
    tp_error_set(&explained, TRIGPERF_E_UNSUPPORTED,
                 "connect to the server directly; source = outbox works through a pooler in "
                 "session mode",
                 "expected a connection for replication, a pooler in between does not make one: %s",
                 message);
    trigperf_error_free(error);
    return explained;
}

/* ---- the stream ---- */

static uint64_t read_u64(const char *bytes) {
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | (unsigned char)bytes[i];
    }
    return number;
}

static char *put_u64(char *out, uint64_t number) {
    for (int i = 7; i >= 0; i--) {
        *out++ = (char)(number >> (8 * i));
    }
    return out;
}

/* Where there is no room at present, the next beat tells the same. */
static void send_status(tp_wal_stream *stream, bool ask) {
    char bytes[34] = "r";
    uint64_t clock_us = (uint64_t)(time(NULL) - EPOCH_OFFSET_S) * 1000000u;
    uint64_t written =
        stream->reached > stream->acknowledged ? stream->reached : stream->acknowledged;
    char *at = put_u64(bytes + 1, written);
    at = put_u64(at, stream->acknowledged);
    at = put_u64(at, stream->acknowledged);
    at = put_u64(at, clock_us);
    *at = ask ? 1 : 0;
    tp_connection_put(stream->connection, bytes, sizeof bytes);
    stream->next_beat = stream->now_ms + stream->options.silence_timeout_ms / 3;
    if (ask && stream->asked_ms == NOT_ASKED) {
        stream->asked_ms = stream->now_ms;
    }
}

static void reach(tp_wal_stream *stream, uint64_t lsn) {
    stream->reached = lsn > stream->reached ? lsn : stream->reached;
}

/* 'w': start, end of the log there, time, then the plugin's message. 'k': end of what was sent,
 * time, whether an answer is wanted. */
static void on_copy(void *user, const char *bytes, size_t length) {
    tp_wal_stream *stream = user;
    hear(stream);
    if (!stream->following) {
        tp_wal_fetch_take(&stream->fetch, bytes, length);
    } else if (length >= 25 && bytes[0] == 'w') {
        reach(stream, read_u64(bytes + 1));
        stream->handler.message(stream->handler.user, bytes + 25, length - 25);
    } else if (length >= 18 && bytes[0] == 'k') {
        reach(stream, read_u64(bytes + 1));
        if (bytes[17] != 0) {
            send_status(stream, false);
        }
    }
}

static bool is_silent(const tp_wal_stream *stream) {
    uint64_t limit = stream->options.silence_timeout_ms;
    return stream->following && !stream->paused && stream->now_ms - stream->heard_ms >= limit &&
           stream->asked_ms != NOT_ASKED && stream->now_ms - stream->asked_ms >= limit - limit / 3;
}

static int32_t check_silence(tp_wal_stream *stream, trigperf_error **err) {
    if (!is_silent(stream)) {
        return TRIGPERF_OK;
    }
    return tp_error_set_sql(err, TRIGPERF_E_CONNECTION, "08006", true,
                            "the network or the server may be down; it is tried again",
                            "the server said nothing for %llu ms on the replication connection",
                            (unsigned long long)stream->options.silence_timeout_ms);
}

/* Rows of a backlog do not wait for long. */
static void read_on(tp_wal_stream *stream) {
    uint64_t waited_ms = stream->paused ? stream->now_ms - stream->heard_ms : 0;
    if (tp_wal_fetch_waited(&stream->fetch, stream->now_ms, waited_ms)) {
        tp_connection_pause(stream->connection, false);
    }
}

int32_t tp_wal_stream_process(tp_wal_stream *stream, uint64_t now_ms, trigperf_error **err) {
    stream->now_ms = now_ms;
    if (stream->fetch.busy) {
        read_on(stream);
    }
    if (stream->following && now_ms >= stream->next_beat) {
        send_status(stream, true);
    }
    int32_t status = tp_connection_process(stream->connection, now_ms, err);
    if (status == TRIGPERF_OK && now_ms >= stream->patience_ends) { /* no answer is there */
        tell_what_it_waits_for(stream);
    }
    return status != TRIGPERF_OK ? status : check_silence(stream, err);
}

uint64_t tp_wal_stream_deadline(const tp_wal_stream *stream) {
    uint64_t deadline = tp_connection_deadline(stream->connection);
    uint64_t waited =
        stream->paused ? tp_wal_fetch_deadline(&stream->fetch, stream->heard_ms) : UINT64_MAX;
    deadline = waited < deadline ? waited : deadline;
    deadline = stream->patience_ends < deadline ? stream->patience_ends : deadline;
    return stream->next_beat < deadline ? stream->next_beat : deadline;
}

void tp_wal_stream_pause(tp_wal_stream *stream, bool paused) {
    if (paused != stream->paused) {
        stream->paused = paused;
        hear(stream);
        tp_connection_pause(stream->connection, paused && !stream->fetch.discards);
    }
}

void tp_wal_stream_acknowledge(tp_wal_stream *stream, uint64_t lsn, uint64_t now_ms) {
    stream->now_ms = now_ms;
    if (lsn > stream->acknowledged) {
        stream->acknowledged = lsn;
        if (stream->following) {
            send_status(stream, false);
        }
    }
}

void tp_wal_stream_ask(tp_wal_stream *stream, uint64_t now_ms) {
    stream->now_ms = now_ms;
    if (stream->following) {
        send_status(stream, true);
    }
}

uint64_t tp_wal_stream_acknowledged(const tp_wal_stream *stream) {
    return stream->acknowledged;
}

uint64_t tp_wal_stream_reached(const tp_wal_stream *stream) {
    return stream->reached;
}

bool tp_wal_stream_following(const tp_wal_stream *stream) {
    return stream->following;
}

bool tp_wal_stream_flowing(const tp_wal_stream *stream) {
    return stream->following || stream->fetch.busy;
}

uint64_t tp_wal_stream_fetched(const tp_wal_stream *stream) {
    return stream->fetch.rows;
}
