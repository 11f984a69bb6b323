/* Notifications are delivered at most once: what is sent while nobody listens is gone. So every new
 * connection ends in a resync of everything, after LISTEN took effect.
 *
 * CONNECTING: connection -> server checks -> LISTEN -> a notification from a second connection
 *             comes back -> first mark -> READY
 *
 * A mark is a notification to ourselves, sent together with a look at the present snapshot. The
 * server hands notifications out in the order of commits, so when the mark comes back, everything
 * that was visible in that snapshot has come before it. Marks answer trigperf_wait_position(), and
 * sent now and then they prove that notifications still arrive. They have a channel of their own:
 * other listeners to the application's channels never see them.
 *
 * Reading never stops, however slow the host is: what is not read would fill the server's queue,
 * and a full queue makes the application's commits fail. The pipeline is bounded by collapsing
 * changes into resyncs instead. */
#include "pg/notify_source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/entropy.h"
#include "base/json.h"
#include "base/namelist.h"
#include "base/text.h"
#include "core/lsn.h"
#include "core/notice.h"
#include "core/samples.h"
#include "core/snapshot.h"
#include "pg/connection.h"
#include "pg/pgerror.h"
#include "pg/probe.h"
#include "pg/server.h"

#define CHANNELS_MAX 16
#define TABLES_MAX 4096
#define ECHO_MS 5000
#define MARK_MS 10000

typedef struct tp_notify {
    tp_namelist channels;
    tp_namelist keys;
    tp_engine *engine;
    const tp_log *log;
    tp_connection *connection;
    tp_probe *probe;
    tp_lifecycle life;
    tp_notice_reader reader;
    tp_samples malformed;
    bool closing;
    bool subscribed; /* the second connection's notification came */
    bool marking;    /* a mark is on its way */
    uint32_t listened;
    uint32_t tables; /* that payloads have named */
    uint64_t now_ms;
    uint64_t echo_deadline;
    uint64_t next_mark;
    uint64_t mark; /* number of the newest */
    uint64_t requested;
    uint64_t ticket; /* of the mark on its way */
    uint64_t complete;
    uint64_t notifications;
    uint64_t marked_ms;    /* when the newest mark was sent */
    uint64_t caught_up_ms; /* when the mark was sent that came back last */
    double queue_ratio;    /* of the server's queue that is in use, with the newest mark */
    tp_snapshot position;  /* of the newest mark that came back */
    tp_snapshot marked;    /* of the one on its way */
    char nonce[37];
    char channel[64]; /* of marks */
} tp_notify;

static void on_notify(void *user, const char *channel, const char *payload, bool own);

/* ---- life ---- */

static void notify_free(void *self) {
    tp_notify *source = self;
    tp_connection_free(source->connection);
    tp_probe_free(source->probe);
    tp_lifecycle_free(&source->life);
    tp_notice_reader_free(&source->reader);
    tp_snapshot_free(&source->position);
    tp_snapshot_free(&source->marked);
    tp_namelist_free(&source->channels);
    tp_namelist_free(&source->keys);
    free(source);
}

static void notify_abandon(void *self) {
    tp_notify *source = self;
    tp_connection_abandon(source->connection);
    tp_probe_abandon(source->probe);
}

static int32_t build(tp_notify *source, const tp_notify_options *options, const tp_conninfo *info,
                     tp_loop *loop, trigperf_error **err) {
    tp_connection_options connection = {.connect_timeout_ms = options->connect_timeout_ms,
                                        .silence_timeout_ms = options->silence_timeout_ms,
                                        .notify = on_notify,
                                        .user = source,
                                        .log = source->log};
    int32_t status = tp_namelist_parse("notify.channel", options->channels, CHANNELS_MAX,
                                       &source->channels, err);
    if (status == TRIGPERF_OK) {
        status =
            tp_namelist_parse("notify.keys", options->keys, TP_NOTICE_KEYS_MAX, &source->keys, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_connection_new(loop, info, &connection, &source->connection, err);
    }
    if (status == TRIGPERF_OK) {
        source->probe = tp_probe_new(loop, info, options->connect_timeout_ms, source->connection);
        status = source->probe == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    source->reader = (tp_notice_reader){.names = source->keys.names, .count = source->keys.count};
    return status;
}

/* The connection is of no use any more. Takes the error. */
static void give_up(tp_notify *source, trigperf_error *error) {
    tp_connection_close(source->connection);
    tp_probe_stop(source->probe);
    source->subscribed = false;
    source->marking = false;
    source->echo_deadline = UINT64_MAX;
    source->next_mark = UINT64_MAX;
    tp_lifecycle_fail(&source->life, source->now_ms, error);
}

static void check(tp_notify *source, int32_t status, trigperf_error *error) {
    if (status != TRIGPERF_OK) {
        give_up(source, error);
    }
}

static void fail_result(tp_notify *source, const PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(source->connection), result, what);
    give_up(source, error);
}

static void send(tp_notify *source, const char *sql, tp_result_fn done) {
    trigperf_error *error = NULL;
    tp_statement statement = {.text = sql, .done = done, .user = source};
    int32_t status = tp_connection_send(source->connection, &statement, &error);
    check(source, status, error);
}

/* ---- marks ---- */

static void resync(tp_notify *source, const tp_table *table, uint64_t lsn) {
    tp_pipeline_resync(tp_engine_lock(source->engine), source->now_ms, table, 0, lsn);
    tp_engine_unlock(source->engine);
}

static void on_marked(void *user, PGresult *result) {
    tp_notify *source = user;
    trigperf_error *error = NULL;
    uint64_t lsn = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(source, result, "sending a notification to itself");
        return;
    }
    source->queue_ratio = strtod(PQgetvalue(result, 0, 3), NULL);
    tp_snapshot_free(&source->marked);
    int32_t status = tp_snapshot_parse(PQgetvalue(result, 0, 0), &source->marked, &error);
    check(source, status, error);
    if (status == TRIGPERF_OK && source->life.state != TP_SOURCE_READY) {
        tp_lsn_parse(PQgetvalue(result, 0, 1), &lsn);
        resync(source, NULL, lsn);
    }
}

static void send_mark(tp_notify *source) {
    trigperf_error *error = NULL;
    char payload[64];
    snprintf(payload, sizeof payload, "%s:%llu", source->nonce, (unsigned long long)++source->mark);
    const char *values[] = {source->channel, payload};
    tp_statement statement = {
        .text = "SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_current_wal_insert_lsn(), "
                "pg_catalog.pg_notify($1, $2), pg_catalog.pg_notification_queue_usage()",
        .count = 2,
        .values = values,
        .done = on_marked,
        .user = source};
    source->marking = true;
    source->marked_ms = source->now_ms;
    source->ticket = source->requested;
    source->next_mark = source->now_ms + MARK_MS;
    source->echo_deadline = source->now_ms + ECHO_MS;
    int32_t status = tp_connection_send(source->connection, &statement, &error);
    check(source, status, error);
}

/* The mark has come back: everything that was visible when it was sent came before it. */
static void mark_returned(tp_notify *source) {
    source->marking = false;
    source->echo_deadline = UINT64_MAX;
    source->complete = source->ticket;
    source->caught_up_ms = source->marked_ms;
    tp_snapshot_free(&source->position);
    source->position = source->marked;
    source->marked = (tp_snapshot){0};
    if (tp_lifecycle_ready(&source->life)) {
        tp_log_write(source->log, TP_LOG_INFO, "ready: listening to notifications");
    }
}

static void take_echo(tp_notify *source, const char *payload) {
    char expected[64];
    snprintf(expected, sizeof expected, "%s:%llu", source->nonce, (unsigned long long)source->mark);
    if (tp_probe_running(source->probe) && strcmp(payload, source->nonce) == 0) {
        tp_probe_stop(source->probe);
        source->subscribed = true;
        send_mark(source);
    } else if (source->marking && strcmp(payload, expected) == 0) {
        mark_returned(source);
    }
}

/* ---- what triggers send ---- */

static bool is_power_of_two(uint64_t number) {
    return (number & (number - 1)) == 0;
}

static void take_malformed(tp_notify *source, const char *channel, const char *payload,
                           size_t length, const char *why) {
    tp_samples_add(&source->malformed, channel, payload, length, why);
    if (is_power_of_two(source->malformed.count)) {
        tp_log_write(source->log, TP_LOG_WARNING,
                     "channel %s: payload number %llu that is not understood (%s), skipped; the "
                     "status shows samples",
                     channel, (unsigned long long)source->malformed.count, why);
    }
}

/* Under the engine's lock: the table, declared if it is new; NULL when that cannot be. */
static const tp_table *find_table(tp_notify *source, const char *name) {
    tp_cascade *cascade = tp_engine_cascade(source->engine);
    const tp_table *table = tp_cascade_find(cascade, name);
    if (table == NULL && source->tables < TABLES_MAX &&
        tp_cascade_table(cascade, name, 0, source->keys.names, source->keys.count, &table, NULL) ==
            TRIGPERF_OK) {
        source->tables++;
    }
    return table;
}

/* What cannot be told key by key becomes a resync of the table, or of everything. */
static void take_notice(tp_notify *source, const tp_notice *notice) {
    if (!tp_text_is_utf8(notice->table, strlen(notice->table))) {
        resync(source, NULL, 0);
        return;
    }
    tp_pipeline *pipeline = tp_engine_lock(source->engine);
    const tp_table *table = find_table(source, notice->table);
    tp_engine_unlock(source->engine);
    int32_t status = TRIGPERF_E_LIMIT;
    if (table != NULL && !notice->resync) {
        status = tp_engine_push(source->engine, source->now_ms, notice->table, notice->op,
                                source->keys.names, notice->values, source->keys.count, NULL);
    }
    if (status != TRIGPERF_OK) {
        pipeline = tp_engine_lock(source->engine);
        tp_pipeline_resync(pipeline, source->now_ms, find_table(source, notice->table), 0, 0);
        tp_engine_unlock(source->engine);
    }
}

static void on_notify(void *user, const char *channel, const char *payload, bool own) {
    tp_notify *source = user;
    tp_notice notice;
    const char *why = NULL;
    (void)own;
    if (strcmp(channel, source->channel) == 0) {
        take_echo(source, payload);
        return;
    }
    size_t length = strlen(payload);
    source->notifications++;
    int32_t status = tp_notice_read(&source->reader, payload, length, &notice, &why);
    if (status == TRIGPERF_OK) {
        take_notice(source, &notice);
    } else if (status == TRIGPERF_E_INVALID) {
        take_malformed(source, channel, payload, length, why);
    } else {
        resync(source, NULL, 0);
    }
}

/* ---- the way to the first mark ---- */

static void on_listened(void *user, PGresult *result) {
    tp_notify *source = user;
    trigperf_error *error = NULL;
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fail_result(source, result, "subscribing to notifications");
        return;
    }
    if (++source->listened <= source->channels.count) {
        return;
    }
    int32_t status =
        tp_probe_start(source->probe, source->channel, source->nonce, true, source->now_ms, &error);
    check(source, status, error);
}

static void send_listen(tp_notify *source, const char *channel) {
    char sql[160] = "LISTEN \"";
    size_t length = strlen(sql);
    for (const char *c = channel; *c != '\0'; c++) {
        sql[length++] = *c;
        if (*c == '"') {
            sql[length++] = '"';
        }
    }
    sql[length++] = '"';
    sql[length] = '\0';
    send(source, sql, on_listened);
}

static int32_t check_hello(const PGresult *result, trigperf_error **err) {
    int32_t status = tp_server_check_version(strtol(PQgetvalue(result, 0, 0), NULL, 10), err);
    return status != TRIGPERF_OK ? status
                                 : tp_server_check_primary(PQgetvalue(result, 0, 1)[0] == 't',
                                                           ", which sends no notifications", err);
}

static void on_hello(void *user, PGresult *result) {
    tp_notify *source = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(source, result, "asking the server for its version");
        return;
    }
    trigperf_error *error = NULL;
    if (check_hello(result, &error) != TRIGPERF_OK) {
        give_up(source, error);
        return;
    }
    source->listened = 0;
    for (uint32_t i = 0; i < source->channels.count; i++) {
        send_listen(source, source->channels.names[i]);
    }
    send_listen(source, source->channel);
}

static void begin(tp_notify *source) {
    if (!tp_entropy_uuid(source->nonce)) {
        trigperf_error *error = NULL;
        tp_error_set(&error, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                     "getrandom failed");
        give_up(source, error);
        return;
    }
    snprintf(source->channel, sizeof source->channel, "trigperf_mark_%s", source->nonce);
    send(source,
         "SELECT pg_catalog.current_setting('server_version_num')::int, "
         "pg_catalog.pg_is_in_recovery(), (SELECT pg_catalog.count(pg_catalog.set_config("
         "s.name, s.value, false)) FROM (VALUES ('search_path', 'pg_catalog'), " TP_PG_NO_LIMITS
         ") AS s(name, value)" TP_PG_WHERE_KNOWN ")",
         on_hello);
}

static void connect_now(tp_notify *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_connection_open(source->connection, source->now_ms, &error);
    check(source, status, error);
}

/* ---- turns ---- */

static void echo_missing(tp_notify *source) {
    trigperf_error *error = NULL;
    tp_error_set_sql(&error, TRIGPERF_E_CONNECTION, "08006", true, "it is connected to anew",
                     "notifications to itself do not come back any more");
    give_up(source, error);
}

static void tick(tp_notify *source) {
    trigperf_error *error = NULL;
    if (tp_probe_running(source->probe)) {
        int32_t status = tp_probe_process(source->probe, source->now_ms, &error);
        check(source, status, error);
    }
    bool asked = source->life.state == TP_SOURCE_READY && source->requested > source->complete;
    bool due = asked || source->now_ms >= source->next_mark;
    if (source->now_ms >= source->echo_deadline) {
        echo_missing(source);
    } else if (source->subscribed && !source->marking && due) {
        send_mark(source);
    }
}

static void drive(tp_notify *source) {
    trigperf_error *error = NULL;
    tp_connection_state before = tp_connection_state_of(source->connection);
    int32_t status = tp_connection_process(source->connection, source->now_ms, &error);
    check(source, status, error);
    if (status == TRIGPERF_OK && before != TP_CONNECTION_OPEN &&
        tp_connection_state_of(source->connection) == TP_CONNECTION_OPEN) {
        begin(source);
    }
    if (tp_connection_state_of(source->connection) == TP_CONNECTION_OPEN) {
        tick(source);
    }
    if (tp_connection_state_of(source->connection) == TP_CONNECTION_OPEN) {
        status = tp_connection_process(source->connection, source->now_ms, &error);
        check(source, status, error);
    }
}

static int32_t notify_process(void *self, uint64_t now_ms, trigperf_error **err) {
    tp_notify *source = self;
    source->now_ms = now_ms;
    if (!source->closing && tp_lifecycle_begins(&source->life, now_ms)) {
        connect_now(source);
    }
    if (tp_lifecycle_works(&source->life)) {
        drive(source);
    }
    return tp_lifecycle_verdict(&source->life, err);
}

static uint64_t notify_deadline(const void *self) {
    const tp_notify *source = self;
    if (source->closing) {
        return UINT64_MAX;
    }
    if (!tp_lifecycle_works(&source->life)) {
        return tp_lifecycle_deadline(&source->life);
    }
    uint64_t deadline =
        tp_earlier(tp_connection_deadline(source->connection), source->echo_deadline);
    deadline = source->marking ? deadline : tp_earlier(deadline, source->next_mark);
    return tp_probe_running(source->probe) ? tp_earlier(deadline, tp_probe_deadline(source->probe))
                                           : deadline;
}

static tp_source_state notify_state(const void *self) {
    return ((const tp_notify *)self)->life.state;
}

static const trigperf_error *notify_error(const void *self) {
    return ((const tp_notify *)self)->life.error;
}

static void notify_retry(void *self) {
    tp_lifecycle_retry(&((tp_notify *)self)->life);
}

static void notify_request(void *self, uint64_t ticket) {
    ((tp_notify *)self)->requested = ticket;
}

static uint64_t notify_polled(const void *self) {
    return ((const tp_notify *)self)->complete;
}

static bool notify_passed(const void *self, uint64_t xid) {
    const tp_notify *source = self;
    return source->position.xmax > 0 && tp_snapshot_visible(&source->position, xid);
}

/* Nothing is stored anywhere. */
static void notify_close(void *self, uint64_t now_ms) {
    tp_notify *source = self;
    (void)now_ms;
    source->closing = true;
}

static bool notify_closed(const void *self) {
    (void)self;
    return true;
}

/* ---- status ---- */

static void notify_status(const void *self, tp_strbuf *json) {
    const tp_notify *source = self;
    tp_strbuf position = TP_STRBUF_INIT;
    if (source->position.xmax > 0) {
        tp_snapshot_format(&source->position, &position);
    }
    tp_json_text(json, "state", tp_lifecycle_name(&source->life));
    tp_json_text(json, "consumer", NULL);
    tp_json_open(json, "channels", '[');
    for (uint32_t i = 0; i < source->channels.count; i++) {
        tp_json_text(json, NULL, source->channels.names[i]);
    }
    tp_json_close(json, ']');
    tp_json_text(json, "position", position.length == 0 ? NULL : tp_strbuf_str(&position));
    tp_json_uint(json, "notifications", source->notifications);
    tp_json_uint(json, "tables", source->tables);
    tp_json_double(json, "queue_ratio", source->queue_ratio);
    tp_samples_json(&source->malformed, "malformed", "channel", json);
    tp_json_uint(json, "reconnects", source->life.reconnects);
    tp_json_text(json, "error",
                 source->life.error == NULL ? NULL : trigperf_error_message(source->life.error));
    tp_strbuf_free(&position);
}

static void notify_measure(const void *self, tp_feed_measures *out) {
    const tp_notify *source = self;
    *out = tp_feed_nothing();
    out->rows = source->notifications;
    out->reconnects = source->life.reconnects;
    out->caught_up_ms = source->caught_up_ms;
    out->malformed = source->malformed.count;
    out->queue_ratio = source->queue_ratio;
}

static tp_connection *notify_link(void *self) {
    const tp_notify *source = self;
    return source->life.state == TP_SOURCE_READY ? source->connection : NULL;
}

int32_t tp_notify_source_new(const tp_notify_options *options, const tp_conninfo *info,
                             tp_loop *loop, tp_engine *engine, const tp_log *log, tp_feed *out,
                             trigperf_error **err) {
    static const tp_feed_class class = {
        .name = "notify",
        .free = notify_free,
        .abandon = notify_abandon,
        .process = notify_process,
        .deadline = notify_deadline,
        .state = notify_state,
        .error = notify_error,
        .retry = notify_retry,
        .request = notify_request,
        .polled = notify_polled,
        .passed = notify_passed,
        .close = notify_close,
        .closed = notify_closed,
        .status = notify_status,
        .measure = notify_measure,
        .link = notify_link,
    };
    tp_notify *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return tp_error_nomem(err);
    }
    source->queue_ratio = NAN;
    source->engine = engine;
    source->log = log;
    source->echo_deadline = UINT64_MAX;
    source->next_mark = UINT64_MAX;
    tp_lifecycle_init(&source->life, options->reconnect_min_ms, options->reconnect_max_ms, log);
    int32_t status = build(source, options, info, loop, err);
    if (status != TRIGPERF_OK) {
        notify_free(source);
        return status;
    }
    *out = (tp_feed){&class, source};
    return TRIGPERF_OK;
}
