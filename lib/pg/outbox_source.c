/* A state machine over one connection:
 *
 *   CONNECTING: connection -> session checks -> registry -> claim (durable) or incarnation check
 *               (ephemeral) -> first poll to its end
 *   READY:      polls (or follows the notifier), stores acknowledged positions, beats
 *   BACKOFF:    after any failure that may pass by itself
 *   FAILED:     what only the host can mend (superseded, version, rights, not installed)
 *
 * On every new connection a durable consumer resumes from the position stored on that server; an
 * ephemeral one keeps its own while the server's incarnation is the same, and else starts at the
 * present with a resync of everything. */
#include "pg/outbox_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/entropy.h"
#include "base/text.h"
#include "pg/backlog.h"
#include "pg/connection.h"
#include "pg/consumer.h"
#include "pg/member.h"
#include "pg/notifier.h"
#include "pg/poller.h"
#include "pg/reader.h"
#include "pg/session.h"
#include "pg/wake.h"

struct tp_source {
    tp_source_options options;
    char *name; /* of the consumer, "" when ephemeral */
    char *application_name;
    tp_loop *loop;
    tp_engine *engine;
    const tp_log *log;
    tp_connection *connection;
    tp_session *session;
    tp_reader *reader;
    tp_notifier *notifier;
    tp_consumer *consumer; /* NULL when ephemeral */
    tp_registry *registry;
    tp_lifecycle life;
    bool session_up; /* checks passed on this connection */
    bool loading;    /* the registry is being read: no poll meanwhile */
    bool closing;
    bool close_sent;
    uint64_t now_ms;
    char instance[37];
    char incarnation[80]; /* of the last session, "" before */
    char system[32];
    bool resync_due; /* ephemeral: after the first poll of a new position */
    tp_poller poller;
    tp_backlog backlog;
    tp_member member;
    uint64_t announcements;
};

static void on_session(void *user, trigperf_error *error);
static void on_registry(void *user, trigperf_error *error);
static void on_reader_done(void *user, tp_reader_outcome outcome, const trigperf_error *error);
static void on_reader_page(void *user, const tp_reader_page *page);
static void on_notify(void *user, const char *channel, const char *payload, bool own);
static void on_claimed(void *user, const char *position, bool needs_resync, uint64_t lsn);
static void on_missing(void *user);
static void on_consumer_failed(void *user, trigperf_error *error);

static bool durable(const tp_source *source) {
    return source->name[0] != '\0';
}

static int32_t build_parts(tp_source *source, const tp_conninfo *info, trigperf_error **err) {
    tp_connection_options connection = {.connect_timeout_ms = source->options.connect_timeout_ms,
                                        .silence_timeout_ms = source->options.silence_timeout_ms,
                                        .notify = on_notify,
                                        .user = source,
                                        .log = source->log};
    tp_session_options session = {source->options.schema_version,
                                  source->options.connect_timeout_ms, on_session, source,
                                  source->log};
    tp_reader_handler handler = {source, on_reader_done, on_reader_page};
    tp_notifier_options notifier = {source->instance, source->options.beat_ms,
                                    source->options.notifier};
    tp_consumer_handler consumer = {source, on_claimed, on_missing, on_consumer_failed};
    int32_t status = tp_connection_new(source->loop, info, &connection, &source->connection, err);
    if (status == TRIGPERF_OK) {
        status =
            tp_session_new(source->connection, source->loop, info, &session, &source->session, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_reader_new(source->connection, source->engine, source->log, &handler,
                               &source->reader, err);
    }
    if (status == TRIGPERF_OK) {
        tp_poller_init(&source->poller, source->reader, source->options.poll_min_ms,
                       source->options.poll_max_ms);
        status =
            tp_notifier_new(source->connection, source->log, &notifier, &source->notifier, err);
    }
    if (status == TRIGPERF_OK && durable(source)) {
        status = tp_consumer_new(source->connection, source->engine, source->name, source->instance,
                                 &consumer, &source->consumer, err);
    }
    source->backlog = tp_backlog_make(source->connection, source->reader);
    source->member = (tp_member){.connection = source->connection,
                                 .reader = source->reader,
                                 .consumer = source->consumer,
                                 .instance = source->instance,
                                 .application = source->application_name,
                                 .ack_interval_ms = source->options.ack_interval_ms};
    return status;
}

int32_t tp_source_new(const tp_source_options *options, const tp_conninfo *info, tp_loop *loop,
                      tp_engine *engine, const tp_log *log, tp_source **out, trigperf_error **err) {
    tp_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return tp_error_nomem(err);
    }
    source->options = *options;
    source->name = tp_text_copy(options->consumer);
    source->application_name = tp_text_copy(options->application_name);
    source->loop = loop;
    source->engine = engine;
    source->log = log;
    tp_lifecycle_init(&source->life, options->reconnect_min_ms, options->reconnect_max_ms, log);
    int32_t status = TRIGPERF_OK;
    if (source->name == NULL || source->application_name == NULL) {
        status = tp_error_nomem(err);
    } else if (!tp_entropy_uuid(source->instance)) {
        status = tp_error_set(err, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                              "getrandom failed");
    } else {
        status = build_parts(source, info, err);
    }
    if (status != TRIGPERF_OK) {
        tp_source_free(source);
        return status;
    }
    *out = source;
    return TRIGPERF_OK;
}

void tp_source_free(tp_source *source) {
    if (source == NULL) {
        return;
    }
    tp_connection_free(source->connection);
    tp_reader_free(source->reader);
    tp_notifier_free(source->notifier);
    tp_consumer_free(source->consumer);
    tp_session_free(source->session);
    tp_registry_free(source->registry);
    tp_lifecycle_free(&source->life);
    free(source->name);
    free(source->application_name);
    free(source);
}

void tp_source_abandon(tp_source *source) {
    if (source != NULL) {
        tp_connection_abandon(source->connection);
        tp_session_abandon(source->session);
    }
}

static void drop_connection(tp_source *source) {
    tp_session_reached(source->session, tp_reader_lsn(source->reader));
    tp_connection_close(source->connection);
    tp_session_end(source->session);
    tp_reader_reset(source->reader);
    tp_backlog_reset(&source->backlog);
    tp_notifier_session(source->notifier, NULL, source->now_ms, NULL);
    source->session_up = false;
    source->loading = false;
    if (source->consumer != NULL) {
        tp_consumer_reset(source->consumer);
    }
}

/* The connection is of no use any more: try again later, or never. Takes the error. */
static void give_up(tp_source *source, trigperf_error *error) {
    drop_connection(source);
    tp_lifecycle_fail(&source->life, source->now_ms, error);
}

/* For calls that report through err: nothing on success. */
static void check(tp_source *source, int32_t status, trigperf_error *error) {
    if (status != TRIGPERF_OK) {
        give_up(source, error);
    }
}

static void connect_now(tp_source *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_connection_open(source->connection, source->now_ms, &error);
    check(source, status, error);
}

static void poll_now(tp_source *source) {
    trigperf_error *error = NULL;
    if (!source->session_up || source->loading || source->registry == NULL) {
        tp_poller_defer(&source->poller);
        return;
    }
    int32_t status = tp_poller_poll(&source->poller, &error);
    check(source, status, error);
}

static void on_claimed(void *user, const char *position, bool needs_resync, uint64_t lsn) {
    tp_source *source = user;
    trigperf_error *error = NULL;
    int32_t status = tp_reader_set_position(source->reader, position, &error);
    if (status != TRIGPERF_OK) {
        give_up(source, error);
        return;
    }
    tp_pipeline *pipeline = tp_engine_lock(source->engine);
    tp_pipeline_rewind(pipeline);
    if (needs_resync || tp_session_went_back(source->session)) {
        tp_pipeline_resync(pipeline, source->now_ms, NULL,
                           tp_consumer_claim_number(source->consumer), lsn);
    }
    tp_engine_unlock(source->engine);
    poll_now(source);
}

static void claim(tp_source *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_consumer_claim(source->consumer, tp_session_system(source->session),
                                       tp_session_incarnation(source->session),
                                       tp_session_channel(source->session), &error);
    check(source, status, error);
}

/* The position cannot be continued. A new connection is the one way to start over that leaves
 * nothing of the old position behind: no poll under way, no chain of announcements. */
static void start_over(tp_source *source, const char *why) {
    trigperf_error *error = NULL;
    tp_error_set_sql(&error, TRIGPERF_E_CONNECTION, NULL, true, "nothing needs to be done",
                     "%s: starting over with a resync of everything", why);
    tp_reader_set_position(source->reader, NULL, NULL);
    give_up(source, error);
}

static void on_missing(void *user) {
    start_over(user, "the consumer was dropped or reset");
}

static void on_consumer_failed(void *user, trigperf_error *error) {
    give_up(user, error);
}

/* An ephemeral reader goes on where it was while the server is the same that it was. */
static void start_ephemeral(tp_source *source) {
    bool same = strcmp(source->incarnation, tp_session_incarnation(source->session)) == 0 &&
                strcmp(source->system, tp_session_system(source->session)) == 0 &&
                !tp_session_went_back(source->session);
    tp_pipeline_rewind(tp_engine_lock(source->engine));
    tp_engine_unlock(source->engine);
    if (!same || !tp_reader_has_position(source->reader)) {
        tp_reader_set_position(source->reader, NULL, NULL);
        source->resync_due = true;
    }
    poll_now(source);
}

static void begin_reading(tp_source *source) {
    tp_member_begin(&source->member, source->now_ms);
    if (durable(source)) {
        claim(source);
    } else {
        start_ephemeral(source);
    }
    snprintf(source->incarnation, sizeof source->incarnation, "%s",
             tp_session_incarnation(source->session));
    snprintf(source->system, sizeof source->system, "%s", tp_session_system(source->session));
}

static void load_registry(tp_source *source) {
    trigperf_error *error = NULL;
    source->loading = true;
    int32_t status =
        tp_session_load_registry(source->session, source->engine, on_registry, source, &error);
    check(source, status, error);
}

static void on_session(void *user, trigperf_error *error) {
    tp_source *source = user;
    if (error != NULL) {
        give_up(source, tp_error_copy(error));
        return;
    }
    source->session_up = true;
    int32_t status = tp_notifier_session(source->notifier, tp_session_channel(source->session),
                                         source->now_ms, &error);
    check(source, status, error);
    if (status == TRIGPERF_OK) {
        load_registry(source);
    }
}

/* At the start of a session, and whenever the registry's version changed. */
static void on_registry(void *user, trigperf_error *error) {
    tp_source *source = user;
    source->loading = false;
    if (error != NULL) {
        give_up(source, tp_error_copy(error));
        return;
    }
    bool first = source->life.state != TP_SOURCE_READY && !tp_reader_busy(source->reader) &&
                 tp_pace_stopped(&source->poller.pace);
    tp_registry *former = source->registry;
    source->registry = tp_session_take_registry(source->session);
    int32_t status = tp_reader_set_registry(source->reader, source->registry, &error);
    tp_registry_free(former);
    check(source, status, error);
    if (status != TRIGPERF_OK) {
        return;
    }
    if (first) {
        tp_pace_now(&source->poller.pace, source->now_ms);
        begin_reading(source);
    } else {
        poll_now(source);
    }
}

static void became_ready(tp_source *source) {
    if (tp_lifecycle_ready(&source->life)) {
        tp_log_write(source->log, TP_LOG_INFO, "ready: %s%s",
                     durable(source) ? "consumer " : "ephemeral reader", source->name);
    }
}

static void poll_complete(tp_source *source) {
    if (source->resync_due) {
        source->resync_due = false;
        tp_pipeline *pipeline = tp_engine_lock(source->engine);
        tp_pipeline_resync(pipeline, source->now_ms, NULL, 0, tp_reader_lsn(source->reader));
        tp_engine_unlock(source->engine);
    }
    became_ready(source);
    tp_backlog_none(&source->backlog, source->now_ms);
    if (tp_poller_ended(&source->poller, source->now_ms,
                        tp_notifier_follows(source->notifier, source->now_ms))) {
        poll_now(source);
    }
}

static void on_reader_done(void *user, tp_reader_outcome outcome, const trigperf_error *error) {
    tp_source *source = user;
    switch (outcome) {
    case TP_READER_DONE:
        poll_complete(source);
        break;
    case TP_READER_REGISTRY:
        tp_pace_now(&source->poller.pace, source->now_ms);
        load_registry(source);
        break;
    case TP_READER_GAP:
        start_over(source, "changes after the position were removed by retention");
        break;
    case TP_READER_AHEAD:
        start_over(source, "the server went back to a former state");
        break;
    case TP_READER_FAILED:
        give_up(source, tp_error_copy(error));
        break;
    }
}

static void on_reader_page(void *user, const tp_reader_page *page) {
    tp_source *source = user;
    trigperf_error *error = NULL;
    int32_t status = tp_notifier_share(source->notifier, page, source->registry, &error);
    check(source, status, error);
}

static void use_announcement(tp_source *source, const tp_wake *wake) {
    if (source->registry == NULL || !tp_reader_has_position(source->reader)) {
        return;
    }
    source->announcements++;
    if (tp_reader_busy(source->reader)) {
        tp_poller_defer(&source->poller);
        return;
    }
    tp_wake_use use = tp_wake_apply(wake, source->reader, source->registry, source->engine,
                                    source->now_ms, source->log);
    if (use == TP_WAKE_FETCH) {
        poll_now(source);
    } else if (use == TP_WAKE_APPLIED) {
        tp_pace_told(&source->poller.pace, source->now_ms);
        tp_backlog_none(&source->backlog, source->now_ms);
    }
}

static void on_notify(void *user, const char *channel, const char *payload, bool own) {
    tp_source *source = user;
    if (strcmp(channel, tp_session_channel(source->session)) != 0) {
        return;
    }
    tp_session_echo(source->session, payload);
    tp_wake *wake = tp_wake_decode(payload);
    tp_wake_kind kind = wake == NULL ? TP_WAKE_UNKNOWN : tp_wake_kind_of(wake);
    if (kind == TP_WAKE_UNKNOWN) {
        /* memory was short, or a newer library speaks: it may have been news */
        poll_now(source);
    } else if (kind == TP_WAKE_RESIGN && !own) {
        tp_notifier_resigned(source->notifier, source->now_ms);
        tp_pace_now(&source->poller.pace, source->now_ms);
    } else if (kind == TP_WAKE_CLAIM) {
        source->member.contested =
            source->member.contested || (!own && tp_wake_claims(wake, source->name));
    } else if (kind != TP_WAKE_SELFTEST && !own && !tp_notifier_leads(source->notifier)) {
        tp_notifier_heard(source->notifier, source->now_ms);
        if (kind != TP_WAKE_BEAT) {
            use_announcement(source, wake);
        } else if (!tp_reader_busy(source->reader)) {
            tp_backlog_none(&source->backlog, source->now_ms);
        }
    }
    tp_wake_free(wake);
}

/* Whether this context could read for all others at present. */
static bool able(tp_source *source) {
    if (source->life.state != TP_SOURCE_READY || source->closing) {
        return false;
    }
    return !tp_engine_full(source->engine);
}

static void tick_session(tp_source *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_notifier_tick(source->notifier, source->now_ms, able(source), &error);
    check(source, status, error);
    if (source->session_up) {
        status = tp_member_tick(&source->member, source->now_ms, &error);
        status = status < 0 ? status : tp_backlog_tick(&source->backlog, source->now_ms, &error);
        check(source, status, error);
    }
    if (!tp_notifier_follows(source->notifier, source->now_ms)) {
        tp_pace_alone(&source->poller.pace, source->now_ms);
    }
    if (source->life.state == TP_SOURCE_READY && tp_poller_due(&source->poller, source->now_ms)) {
        poll_now(source);
    }
}

static void send_farewell(tp_source *source) {
    source->close_sent = true;
    tp_member_leave(&source->member, NULL);
    tp_notifier_resign(source->notifier);
}

static void drive(tp_source *source) {
    trigperf_error *error = NULL;
    tp_connection_state before = tp_connection_state_of(source->connection);
    tp_reader_set_now(source->reader, source->now_ms);
    int32_t status = tp_connection_process(source->connection, source->now_ms, &error);
    if (status != TRIGPERF_OK) {
        give_up(source, error);
        return;
    }
    if (before != TP_CONNECTION_OPEN &&
        tp_connection_state_of(source->connection) == TP_CONNECTION_OPEN) {
        tp_pace_stop(&source->poller.pace);
        status = tp_session_begin(source->session, source->now_ms, &error);
        check(source, status, error);
    }
    if (source->life.state == TP_SOURCE_CONNECTING || source->life.state == TP_SOURCE_READY) {
        tp_session_tick(source->session, source->now_ms);
    }
    if (source->session_up) {
        tp_reader_work(source->reader, source->now_ms);
        if (tp_reader_has_work(source->reader)) {
            tp_loop_wake(source->loop);
        }
    }
    if (source->session_up) {
        tick_session(source);
    }
    bool storing = source->consumer != NULL && tp_consumer_storing(source->consumer);
    if (source->closing && !source->close_sent && source->session_up && !storing) {
        send_farewell(source);
    }
}

int32_t tp_source_process(tp_source *source, uint64_t now_ms, trigperf_error **err) {
    source->now_ms = now_ms;
    if (!source->closing && tp_lifecycle_begins(&source->life, now_ms)) {
        connect_now(source);
    }
    if (tp_lifecycle_works(&source->life)) {
        drive(source);
    }
    /* statements queued by this turn's handlers go out now, not at the next wake-up */
    if (source->session_up) {
        trigperf_error *error = NULL;
        int32_t status = tp_connection_process(source->connection, now_ms, &error);
        check(source, status, error);
    }
    return tp_lifecycle_verdict(&source->life, err);
}

uint64_t tp_source_deadline(const tp_source *source) {
    if (source->closing && !source->session_up) {
        return UINT64_MAX;
    }
    if (!tp_lifecycle_works(&source->life)) {
        return tp_lifecycle_deadline(&source->life);
    }
    uint64_t deadline = tp_earlier(tp_connection_deadline(source->connection),
                                   tp_session_deadline(source->session));
    if (source->session_up) {
        deadline = tp_earlier(deadline, tp_notifier_deadline(source->notifier));
        deadline = tp_earlier(deadline, tp_member_deadline(&source->member, source->now_ms));
        deadline = tp_earlier(deadline, tp_poller_deadline(&source->poller));
        deadline = tp_earlier(deadline, tp_backlog_deadline(&source->backlog));
    }
    return deadline;
}

tp_source_state tp_source_state_of(const tp_source *source) {
    return source->life.state;
}

const trigperf_error *tp_source_error(const tp_source *source) {
    return source->life.error;
}

void tp_source_retry(tp_source *source) {
    tp_lifecycle_retry(&source->life);
}

void tp_source_request(tp_source *source, uint64_t ticket) {
    tp_poller_request(&source->poller, ticket);
}

uint64_t tp_source_polled(const tp_source *source) {
    return source->poller.complete;
}

bool tp_source_passed(const tp_source *source, uint64_t xid) {
    return tp_reader_has_position(source->reader) &&
           tp_snapshot_visible(tp_reader_position(source->reader), xid);
}

void tp_source_close(tp_source *source, uint64_t now_ms) {
    source->now_ms = now_ms;
    source->closing = true;
}

bool tp_source_closed(const tp_source *source) {
    return !source->session_up || (source->close_sent && tp_connection_quiet(source->connection));
}

tp_connection *tp_source_link(tp_source *source) {
    return source->life.state == TP_SOURCE_READY && source->session_up ? source->connection : NULL;
}

void tp_source_measure(const tp_source *source, tp_source_measures *out) {
    *out = (tp_source_measures){.rows = tp_reader_rows(source->reader),
                                .polls = source->poller.polls,
                                .announcements = source->announcements,
                                .reconnects = source->life.reconnects,
                                .caught_up_ms = source->backlog.caught_up_ms,
                                .lag_bytes = source->backlog.bytes,
                                .census = tp_notifier_census(source->notifier)};
}

void tp_source_status(const tp_source *source, tp_strbuf *json) {
    tp_strbuf position = TP_STRBUF_INIT;
    if (tp_reader_has_position(source->reader)) {
        tp_snapshot_format(tp_reader_position(source->reader), &position);
    }
    tp_json_text(json, "state", tp_lifecycle_name(&source->life));
    tp_json_text(json, "consumer", durable(source) ? source->name : NULL);
    tp_json_text(json, "instance", source->instance);
    tp_json_uint(json, "claim",
                 source->consumer == NULL ? 0 : tp_consumer_claim_number(source->consumer));
    tp_json_text(json, "position", position.length == 0 ? NULL : tp_strbuf_str(&position));
    tp_json_text(json, "incarnation", source->incarnation[0] == '\0' ? NULL : source->incarnation);
    tp_json_bool(json, "notifier", tp_notifier_leads(source->notifier));
    tp_json_uint(json, "rules_left_out",
                 source->registry == NULL ? 0 : tp_registry_refused(source->registry));
    tp_json_uint(json, "rows", tp_reader_rows(source->reader));
    tp_json_uint(json, "polls", source->poller.polls);
    tp_json_uint(json, "announcements", source->announcements);
    tp_json_uint(json, "reconnects", source->life.reconnects);
    tp_json_text(json, "error",
                 source->life.error == NULL ? NULL : trigperf_error_message(source->life.error));
    tp_strbuf_free(&position);
}
