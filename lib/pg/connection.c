/* A statement queue in front of libpq's non-blocking calls. One statement runs at a time:
 * pipelining would save round trips only where several are queued at once, which is rare here, and
 * one at a time keeps errors attributable.
 *
 * What is sent again and again is prepared when it is first sent, under a name made of its text:
 * most of what a small statement costs the server is parsing and planning it.
 *
 * PQconnectPoll() must be called only when its socket is ready, so readiness is asked with poll(2)
 * before; the loop's descriptor only tells that something may be ready. */
#include "pg/connection.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/queue.h"
#include "pg/hosts.h"
#include "pg/pgerror.h"
#include "pg/queued.h"
#include "pg/resolver.h"
#include "pg/rest.h"

#define PATIENCE 40u /* times the silence that breaks a connection */
#define RESULTS_PER_TURN 4096
#define MESSAGES_PER_TURN                                                                          \
    768u /* what they bring is worked on while it is in the processor's cache */
#define BYTES_PER_TURN 65536u
#define FRAME 5u /* what a message has around it */

struct tp_connection {
    tp_loop *loop;
    const tp_conninfo *info;
    tp_connection_options options;
    tp_connection_state state;
    tp_resolver *resolver;
    PGconn *pg;
    int watched;
    uint32_t interest;
    PostgresPollingStatusType poll_state;
    tp_queued *queue; /* head is the running one when busy */
    bool busy;
    bool preparing; /* the running statement is being prepared, and will be run then */
    bool paused;
    uint64_t *known; /* hashes of the texts that are prepared on this connection */
    uint32_t known_count;
    uint32_t known_capacity;
    bool copying;   /* the running statement sends messages */
    bool following; /* of a replication stream, which has no end */
    bool resting;   /* it is not read until the loop's nap is over */
    tp_rest rest;
    tp_taken taken;      /* since it was left alone */
    uint64_t deadline;   /* of connecting, or of the running statement */
    uint32_t first_host; /* attempts begin with it: those before did not answer */
};

int32_t tp_connection_new(tp_loop *loop, const tp_conninfo *info,
                          const tp_connection_options *options, tp_connection **out,
                          trigperf_error **err) {
    tp_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return tp_error_nomem(err);
    }
    connection->loop = loop;
    connection->info = info;
    connection->options = *options;
    connection->watched = -1;
    connection->deadline = UINT64_MAX;
    *out = connection;
    return TRIGPERF_OK;
}

static void drop_queue(tp_connection *connection) {
    while (connection->queue != NULL) {
        tp_queued *item = connection->queue;
        TP_QUEUE_REMOVE(connection->queue, item);
        tp_queued_free(item);
    }
    connection->busy = false;
    connection->preparing = false;
    connection->paused = false;
    connection->known_count = 0;
    connection->copying = false;
    connection->following = false;
    connection->resting = false;
}

void tp_connection_close(tp_connection *connection) {
    drop_queue(connection);
    tp_resolver_free(connection->resolver);
    connection->resolver = NULL;
    if (connection->watched >= 0) {
        tp_loop_watch(connection->loop, connection->watched, 0, NULL);
        connection->watched = -1;
    }
    PQfinish(connection->pg);
    connection->pg = NULL;
    connection->state = TP_CONNECTION_CLOSED;
    connection->deadline = UINT64_MAX;
}

void tp_connection_free(tp_connection *connection) {
    if (connection != NULL) {
        tp_connection_close(connection);
        free(connection->known);
        free(connection);
    }
}

void tp_connection_abandon(tp_connection *connection) {
    if (connection != NULL && connection->pg != NULL && PQsocket(connection->pg) >= 0) {
        close(PQsocket(connection->pg));
    }
}

static int32_t fail(tp_connection *connection, const char *what, trigperf_error **err) {
    int32_t status = tp_pg_error(err, connection->pg, NULL, what);
    tp_connection_close(connection);
    return status;
}

static int32_t watch(tp_connection *connection, uint32_t interest, trigperf_error **err) {
    int fd = PQsocket(connection->pg);
    if (fd == connection->watched && interest == connection->interest) {
        return TRIGPERF_OK;
    }
    if (connection->watched >= 0 && connection->watched != fd) {
        tp_loop_watch(connection->loop, connection->watched, 0, NULL);
    }
    connection->watched = fd;
    connection->interest = interest;
    return tp_loop_watch(connection->loop, fd, interest, err);
}

static int32_t watch_connecting(tp_connection *connection, trigperf_error **err) {
    /* libpq may have replaced its socket under the same number: epoll forgot the closed one */
    connection->watched = -1;
    return watch(connection,
                 connection->poll_state == PGRES_POLLING_READING ? TP_LOOP_READ : TP_LOOP_WRITE,
                 err);
}

static int32_t start(tp_connection *connection, const char *const *keywords,
                     const char *const *values, trigperf_error **err) {
    const char *all_keywords[TP_CONNINFO_MAX + 1];
    const char *all_values[TP_CONNINFO_MAX + 1];
    tp_hosts hosts = {.first = connection->first_host};
    uint32_t count = 0;
    for (; keywords[count] != NULL; count++) {
        all_keywords[count] = keywords[count];
        all_values[count] = tp_hosts_value(&hosts, keywords[count], values[count]);
    }
    if (connection->options.replication) {
        all_keywords[count] = "replication";
        all_values[count++] = "database";
    }
    all_keywords[count] = NULL;
    all_values[count] = NULL;
    connection->pg = PQconnectStartParams(all_keywords, all_values, 0);
    tp_hosts_free(&hosts);
    if (connection->pg == NULL) {
        tp_connection_close(connection);
        return tp_error_nomem(err);
    }
    if (PQstatus(connection->pg) == CONNECTION_BAD) {
        return fail(connection, "connecting to PostgreSQL", err);
    }
    PQsetNoticeReceiver(connection->pg, tp_pg_notice, (void *)(uintptr_t)connection->options.log);
    connection->state = TP_CONNECTION_CONNECTING;
    connection->poll_state = PGRES_POLLING_WRITING;
    return watch_connecting(connection, err);
}

static int32_t start_resolved(tp_connection *connection, const tp_resolver_answer *answer,
                              trigperf_error **err) {
    const char *keywords[TP_CONNINFO_MAX];
    const char *values[TP_CONNINFO_MAX];
    tp_conninfo_place place = {answer->hosts, answer->addresses, answer->ports};
    tp_conninfo_at(connection->info, &place, keywords, values);
    return start(connection, keywords, values, err);
}

static void wake_loop(void *loop) {
    tp_loop_wake(loop);
}

int32_t tp_connection_open(tp_connection *connection, uint64_t now_ms, trigperf_error **err) {
    tp_connection_close(connection);
    connection->deadline = now_ms + connection->options.connect_timeout_ms;
    if (!tp_conninfo_needs_lookup(connection->info)) {
        return start(connection, tp_conninfo_keywords(connection->info),
                     tp_conninfo_values(connection->info), err);
    }
    connection->state = TP_CONNECTION_RESOLVING;
    int32_t status = tp_resolver_start(tp_conninfo_get(connection->info, "host"),
                                       tp_conninfo_get(connection->info, "port"), wake_loop,
                                       connection->loop, &connection->resolver, err);
    if (status != TRIGPERF_OK) {
        tp_connection_close(connection);
    }
    return status;
}

static int32_t process_resolving(tp_connection *connection, trigperf_error **err) {
    tp_resolver_answer answer;
    if (!tp_resolver_done(connection->resolver, &answer)) {
        return TRIGPERF_OK;
    }
    int32_t status;
    if (answer.failure != NULL) {
        status = tp_error_set_sql(err, TRIGPERF_E_CONNECTION, "08001", true,
                                  "check the host name and the network's name service",
                                  "cannot find the address of the server: %s", answer.failure);
        tp_connection_close(connection);
        return status;
    }
    status = start_resolved(connection, &answer, err);
    if (connection->resolver != NULL) {
        tp_resolver_free(connection->resolver);
        connection->resolver = NULL;
    }
    return status;
}

static bool socket_ready(const tp_connection *connection) {
    struct pollfd entry = {.fd = PQsocket(connection->pg), .events = 0, .revents = 0};
    entry.events |= connection->poll_state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    return poll(&entry, 1, 0) > 0;
}

/* A database of encoding SQL_ASCII holds whatever bytes it was given, and the server refuses to
 * send those that are not UTF-8. We had rather have them, and judge ourselves. */
static int32_t open_ears(tp_connection *connection, trigperf_error **err) {
    static const tp_statement as_is = {.text = "SET client_encoding = 'SQL_ASCII'"};
    const char *encoding = PQparameterStatus(connection->pg, "server_encoding");
    bool any_bytes = encoding != NULL && strcmp(encoding, "SQL_ASCII") == 0;
    return any_bytes ? tp_connection_send(connection, &as_is, err) : TRIGPERF_OK;
}

static int32_t opened(tp_connection *connection, trigperf_error **err) {
    connection->state = TP_CONNECTION_OPEN;
    connection->deadline = UINT64_MAX;
    PQsetnonblocking(connection->pg, 1);
    connection->watched = -1;
    int32_t status = watch(connection, TP_LOOP_READ, err);
    return status == TRIGPERF_OK ? open_ears(connection, err) : status;
}

static int32_t process_connecting(tp_connection *connection, trigperf_error **err) {
    while (socket_ready(connection)) {
        connection->poll_state = PQconnectPoll(connection->pg);
        if (connection->poll_state == PGRES_POLLING_FAILED) {
            return fail(connection, "connecting to PostgreSQL", err);
        }
        if (connection->poll_state == PGRES_POLLING_OK) {
            return opened(connection, err);
        }
        int32_t status = watch_connecting(connection, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
    }
    return TRIGPERF_OK;
}

static bool is_known(const tp_connection *connection, uint64_t hash) {
    for (uint32_t i = 0; i < connection->known_count; i++) {
        if (connection->known[i] == hash) {
            return true;
        }
    }
    return false;
}

static bool reserve_known(tp_connection *connection) {
    uint64_t *known = tp_array_reserve(connection->known, &connection->known_capacity,
                                       connection->known_count + 1, sizeof *known);
    connection->known = known != NULL ? known : connection->known;
    return known != NULL;
}

/* Runs it if it is prepared already, prepares it if not. */
static int send_repeated(tp_connection *connection, const tp_statement *next) {
    char name[24];
    uint64_t hash = tp_hash_stable(next->text, strlen(next->text));
    snprintf(name, sizeof name, "tp_%016llx", (unsigned long long)hash);
    connection->preparing = !is_known(connection, hash);
    return connection->preparing
               ? PQsendPrepare(connection->pg, name, next->text, next->count, NULL)
               : PQsendQueryPrepared(connection->pg, name, next->count, next->values, NULL, NULL,
                                     0);
}

static int send(tp_connection *connection, const tp_statement *next) {
    if (next->prepared) {
        return PQsendQueryPrepared(connection->pg, next->text, next->count, next->values, NULL,
                                   NULL, 0);
    }
    if (next->repeated && reserve_known(connection)) {
        return send_repeated(connection, next);
    }
    return next->count == 0 ? PQsendQuery(connection->pg, next->text)
                            : PQsendQueryParams(connection->pg, next->text, next->count, NULL,
                                                next->values, NULL, NULL, 0);
}

static int32_t launch(tp_connection *connection, uint64_t now_ms, trigperf_error **err) {
    const tp_statement *next = &connection->queue->statement;
    if (send(connection, next) == 0) {
        return fail(connection, "sending a statement", err);
    }
    if (next->streamed) {
        PQsetSingleRowMode(connection->pg);
    }
    connection->busy = true;
    uint64_t patience = next->patient ? PATIENCE : 1;
    uint64_t silence = patience * connection->options.silence_timeout_ms;
    connection->deadline = now_ms + (next->limit_ms > 0 ? next->limit_ms : silence);
    return TRIGPERF_OK;
}

static int32_t flush(tp_connection *connection, trigperf_error **err) {
    int pending = PQflush(connection->pg);
    if (pending < 0) {
        return fail(connection, "sending to the server", err);
    }
    uint32_t interest = connection->paused || connection->resting ? 0 : (uint32_t)TP_LOOP_READ;
    interest |= pending > 0 ? (uint32_t)TP_LOOP_WRITE : 0;
    return watch(connection, interest, err);
}

static void deliver(tp_connection *connection, PGresult *result) {
    const tp_statement *statement = &connection->queue->statement;
    bool keeps = statement->keeps;
    if (statement->done != NULL) {
        statement->done(statement->user, result);
    } else if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
        tp_log_write(connection->options.log, TP_LOG_WARNING, "statement failed: %s: %.80s",
                     PQresultErrorMessage(result), statement->text);
    }
    if (!keeps) {
        PQclear(result);
    }
}

static void finish_statement(tp_connection *connection) {
    tp_queued *item = connection->queue;
    TP_QUEUE_REMOVE(connection->queue, item);
    tp_queued_free(item);
    connection->busy = false;
    connection->deadline = UINT64_MAX;
}

/* The answer to a preparation: on success the statement stays in the queue, to be run next. */
static void note_prepared(tp_connection *connection, PGresult *result) {
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        connection->preparing = false; /* it ends with this error */
        deliver(connection, result);
        return;
    }
    const char *text = connection->queue->statement.text;
    connection->known[connection->known_count++] = tp_hash_stable(text, strlen(text));
    PQclear(result);
}

static void end_statement(tp_connection *connection) {
    if (connection->preparing) {
        connection->preparing = false;
        connection->busy = false;
    } else {
        finish_statement(connection);
    }
}

static void begin_copy(tp_connection *connection, ExecStatusType status) {
    connection->copying = status == PGRES_COPY_BOTH || status == PGRES_COPY_OUT;
    connection->following = status == PGRES_COPY_BOTH;
    bool narrow = connection->following && tp_hosts_is_local(PQhost(connection->pg));
    connection->rest = tp_rest_make(connection->options.window_ms, narrow);
    connection->taken = (tp_taken){0, 0};
    connection->deadline = connection->following ? UINT64_MAX : connection->deadline;
}

/* Takes what has arrived; a handler may queue more, pause, or close the connection. */
static void take_results(tp_connection *connection, uint64_t now_ms) {
    for (int i = 0; i < RESULTS_PER_TURN && connection->busy && !connection->paused; i++) {
        if (connection->copying || PQisBusy(connection->pg)) {
            return;
        }
        connection->deadline = now_ms + connection->options.silence_timeout_ms;
        PGresult *result = PQgetResult(connection->pg);
        if (result == NULL) {
            end_statement(connection);
        } else if (connection->preparing) {
            note_prepared(connection, result);
        } else {
            begin_copy(connection, PQresultStatus(result));
            deliver(connection, result);
        }
        if (connection->pg == NULL) {
            return;
        }
    }
    if (connection->busy && !connection->copying && !connection->paused &&
        !PQisBusy(connection->pg)) {
        tp_loop_wake(connection->loop);
    }
}

static void take_notifications(tp_connection *connection) {
    PGnotify *notification;
    while (connection->pg != NULL && (notification = PQnotifies(connection->pg)) != NULL) {
        if (connection->options.notify != NULL) {
            connection->options.notify(connection->options.user, notification->relname,
                                       notification->extra,
                                       notification->be_pid == PQbackendPID(connection->pg));
        }
        PQfreemem(notification);
    }
}

/* The stream ended: the server says why in a result, or the connection is gone, or is about to be:
 * a server that shuts down ends the stream in good order before. */
static int32_t copy_ended(tp_connection *connection, trigperf_error **err) {
    PGresult *result = PQgetResult(connection->pg);
    const PGresult *reason = PQresultStatus(result) == PGRES_COMMAND_OK ? NULL : result;
    int32_t status = tp_pg_error(err, connection->pg, reason, "following the write-ahead log");
    PQclear(result);
    tp_connection_close(connection);
    return status;
}

static void rest(tp_connection *connection, uint64_t now_ms) {
    const tp_taken *taken = &connection->taken;
    uint32_t us = taken->messages == 0 ? 0 : tp_rest_after(&connection->rest, taken, now_ms);
    connection->resting = us > 0 && tp_loop_nap(connection->loop, us);
    connection->taken = (tp_taken){0, 0};
}

/* Rows that are copied come to an end, after which the statement has another result. */
static bool has_ended(tp_connection *connection, int length) {
    bool ended = length == -1 && !connection->following;
    connection->copying = !ended;
    return ended;
}

/* It is not silent: while paused, it cannot be heard. */
static void extend(tp_connection *connection, uint64_t now_ms) {
    bool limited = connection->deadline != UINT64_MAX;
    connection->deadline =
        limited ? now_ms + connection->options.silence_timeout_ms : connection->deadline;
}

static void take_message(tp_connection *connection, char *bytes, int length) {
    connection->taken.messages++;
    connection->taken.bytes += (size_t)length + FRAME;
    connection->options.copy(connection->options.user, bytes, (size_t)length);
    PQfreemem(bytes);
}

static bool may_take_more(const tp_connection *connection, const tp_taken *at_first) {
    return connection->pg != NULL && !connection->paused &&
           connection->taken.messages - at_first->messages < MESSAGES_PER_TURN &&
           connection->taken.bytes - at_first->bytes < BYTES_PER_TURN;
}

/* One reading takes what libpq has room for: if that was used, more is likely to be there. */
static int32_t take_copy(tp_connection *connection, uint64_t now_ms, trigperf_error **err) {
    char *bytes = NULL;
    const tp_taken at_first = connection->taken;
    size_t before = at_first.bytes;
    uint32_t little = 0;
    while (may_take_more(connection, &at_first)) {
        int length = PQgetCopyData(connection->pg, &bytes, 1);
        if (length > 0) {
            extend(connection, now_ms);
            take_message(connection, bytes, length);
        } else if (length < 0) {
            extend(connection, now_ms);
            return has_ended(connection, length) ? TRIGPERF_OK : copy_ended(connection, err);
        } else if (tp_rest_is_due(connection->taken.bytes - before, connection->pg, &little)) {
            rest(connection, now_ms);
            return TRIGPERF_OK;
        } else if (PQconsumeInput(connection->pg) == 0) {
            return fail(connection, "reading from the server", err);
        } else {
            before = connection->taken.bytes;
        }
    }
    if (connection->pg != NULL && !connection->paused) {
        tp_loop_wake(connection->loop);
    }
    return TRIGPERF_OK;
}

bool tp_connection_put(tp_connection *connection, const char *bytes, size_t length) {
    bool sent = connection->copying && PQputCopyData(connection->pg, bytes, (int)length) == 1;
    if (sent) {
        tp_loop_wake(connection->loop);
    }
    return sent;
}

static int32_t process_open(tp_connection *connection, uint64_t now_ms, trigperf_error **err) {
    if (connection->resting && tp_loop_napping(connection->loop)) {
        return flush(connection, err);
    }
    connection->resting = false;
    if (!connection->paused && PQconsumeInput(connection->pg) == 0) {
        return fail(connection, "reading from the server", err);
    }
    take_results(connection, now_ms);
    if (connection->pg != NULL && connection->copying) {
        int32_t status = take_copy(connection, now_ms, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
        take_results(connection, now_ms);
    }
    take_notifications(connection);
    while (connection->pg != NULL && !connection->busy && connection->queue != NULL) {
        int32_t status = launch(connection, now_ms, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
        take_results(connection, now_ms);
    }
    return connection->pg == NULL ? TRIGPERF_OK : flush(connection, err);
}

static int32_t check_deadline(tp_connection *connection, uint64_t now_ms, trigperf_error **err) {
    if (connection->paused) {
        extend(connection, now_ms);
    }
    if (now_ms < connection->deadline) {
        return TRIGPERF_OK;
    }
    bool open = connection->state == TP_CONNECTION_OPEN;
    uint32_t limit =
        open ? connection->options.silence_timeout_ms : connection->options.connect_timeout_ms;
    connection->first_host += connection->state == TP_CONNECTION_CONNECTING ? 1 : 0;
    tp_connection_close(connection);
    return tp_error_set_sql(err, TRIGPERF_E_CONNECTION, open ? "08006" : "08001", true,
                            open ? "the network or the server may be down; it is tried again"
                                 : "check host, port and that the server accepts connections",
                            open ? "the server did not answer a statement within %u ms"
                                 : "no connection to the server within %u ms",
                            limit);
}

int32_t tp_connection_process(tp_connection *connection, uint64_t now_ms, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    if (connection->state == TP_CONNECTION_RESOLVING) {
        status = process_resolving(connection, err);
    }
    if (status == TRIGPERF_OK && connection->state == TP_CONNECTION_CONNECTING) {
        status = process_connecting(connection, err);
    }
    if (status == TRIGPERF_OK && connection->state == TP_CONNECTION_OPEN) {
        status = process_open(connection, now_ms, err);
    }
    return status != TRIGPERF_OK ? status : check_deadline(connection, now_ms, err);
}

tp_connection_state tp_connection_state_of(const tp_connection *connection) {
    return connection->state;
}

uint64_t tp_connection_deadline(const tp_connection *connection) {
    return connection->paused ? UINT64_MAX : connection->deadline;
}

int32_t tp_connection_send(tp_connection *connection, const tp_statement *statement,
                           trigperf_error **err) {
    tp_queued *item = tp_queued_new(statement);
    if (item == NULL) {
        return tp_error_nomem(err);
    }
    TP_QUEUE_APPEND(connection->queue, item);
    tp_loop_wake(connection->loop);
    return TRIGPERF_OK;
}

bool tp_connection_quiet(const tp_connection *connection) {
    return connection->queue == NULL;
}

void tp_connection_pause(tp_connection *connection, bool paused) {
    if (connection->paused != paused) {
        connection->paused = paused;
        tp_loop_wake(connection->loop);
    }
}

PGconn *tp_connection_raw(tp_connection *connection) {
    return connection->pg;
}
