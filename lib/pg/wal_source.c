/* Two connections: an ordinary one (control) and one that speaks the replication protocol (stream).
 *
 * CONNECTING: control -> session checks -> registry -> claim (durable) -> stream: slot made if
 *             needed, or a backlog fetched -> followed -> first mark received -> READY
 *
 * A committed transaction waits until an ordinary snapshot sees it: under synchronous replication
 * the log tells of a commit before any reader can see it. They are applied in commit order, so one
 * that is not visible holds those behind it. What waits is bounded: beyond that, and while the host
 * is slow, the stream is not read, and the server keeps the log.
 *
 * A mark is a logical message of our own, committed together with a look at the present snapshot.
 * When it comes back through the stream, everything visible in that snapshot has been applied.
 *
 * A transaction that changed the registry stops the stream at its end, until the registry is loaded
 * anew, so that later changes meet the tables and rules that hold for them. */
#include "pg/wal_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "core/lsn.h"
#include "pg/wal_apply.h"
#include "pg/wal_fetch.h"
#include "pg/wal_parts.h"

typedef struct tp_wal {
    tp_wal_options options;
    char *name;
    tp_engine *engine;
    const tp_log *log;
    tp_wal_parts parts;
    tp_lifecycle life;
    char slot[64];
    tp_wal_plan plan;
    bool session_up;
    bool loading;    /* the registry is being read */
    bool loaded;     /* it was, for the first transaction that waits */
    bool opened;     /* the stream was opened on this session */
    bool restart;    /* the slot could not be followed */
    bool resync_due; /* once the stream is followed */
    bool closing;
    bool close_sent;
    uint64_t now_ms;
    uint64_t transactions;
    uint64_t caught_up_ms; /* when no transaction waited last */
} tp_wal;

/* ---- life ---- */

static void wal_free(void *self) {
    tp_wal *source = self;
    tp_wal_parts_free(&source->parts);
    tp_lifecycle_free(&source->life);
    free(source->name);
    free(source);
}

static void wal_abandon(void *self) {
    tp_wal_parts_abandon(&((tp_wal *)self)->parts);
}

/* The connections are of no use any more. Takes the error. */
static void give_up(tp_wal *source, trigperf_error *error) {
    tp_wal_parts_reset(&source->parts);
    source->session_up = false;
    source->loading = false;
    source->loaded = false;
    source->opened = false;
    tp_lifecycle_fail(&source->life, source->now_ms, error);
}

static void check(tp_wal *source, int32_t status, trigperf_error *error) {
    if (status != TRIGPERF_OK) {
        give_up(source, error);
    }
}

static void on_failed(void *user, trigperf_error *error) {
    give_up(user, error);
}

/* What would be the same with another attempt: log or catalogs that the slot needs are gone, a row
 * filter that fails, a stream that is not understood. Not: a slot that somebody else still holds,
 * or a server that is short of something. */
static bool is_lost(const trigperf_error *error) {
    const char *state = trigperf_error_sqlstate(error);
    return trigperf_error_code(error) == TRIGPERF_E_SERVER &&
           trigperf_error_retriable(error) == 0 && strcmp(state, "55006") != 0 &&
           strncmp(state, "53", 2) != 0;
}

static void on_stream_failed(void *user, trigperf_error *error) {
    tp_wal *source = user;
    source->restart = source->restart || is_lost(error);
    give_up(source, tp_wal_stream_explain(error));
}

static void start_over(tp_wal *source, const char *why) {
    trigperf_error *error = NULL;
    tp_error_set_sql(&error, TRIGPERF_E_CONNECTION, NULL, true, "nothing needs to be done",
                     "%s: starting over with a resync of everything", why);
    give_up(source, error);
}

static void on_missing(void *user) {
    start_over(user, "the consumer was dropped or reset");
}

static void on_overdue(void *user, uint64_t bytes) {
    tp_wal *source = user;
    char why[160];
    snprintf(
        why, sizeof why,
        "the slot holds back %llu bytes of the server's log, above wal.max_bytes, and is given "
        "up",
        (unsigned long long)bytes);
    source->restart = true;
    start_over(source, why);
}

static void send(tp_wal *source, const char *sql, int32_t count, const char *const *values,
                 tp_result_fn done) {
    trigperf_error *error = NULL;
    tp_statement statement = {
        .text = sql, .count = count, .values = values, .done = done, .user = source};
    int32_t status = tp_connection_send(source->parts.control, &statement, &error);
    check(source, status, error);
}

/* ---- from the stream to the engine ---- */

static void on_written(void *user) {
    tp_wal *source = user;
    tp_wal_stream_ask(source->parts.stream, source->now_ms);
}

static void send_mark(tp_wal *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_wal_mark_send(&source->parts.mark, &error);
    check(source, status, error);
}

static void became_ready(tp_wal *source) {
    if (tp_lifecycle_ready(&source->life)) {
        tp_wal_upkeep_begin(source->parts.upkeep, source->slot, source->now_ms);
        tp_log_write(source->log, TP_LOG_INFO, "ready: following the write-ahead log through %s",
                     source->slot);
    }
}

static void load_registry(tp_wal *source);

/* False: the oldest transaction must wait, or there is none. */
static bool apply_group(tp_wal *source) {
    tp_wal_group group = {.decoder = source->parts.decoder,
                          .look = &source->parts.look,
                          .registry = tp_wal_catalog_registry(source->parts.catalog),
                          .specs = tp_wal_catalog_specs(source->parts.catalog),
                          .now_ms = source->now_ms,
                          .loaded = source->loaded};
    tp_wal_apply_group(&group, tp_engine_lock(source->engine));
    tp_engine_unlock(source->engine);
    source->loaded = group.loaded;
    source->transactions += group.count;
    if (group.checkpointed) {
        source->parts.ack.checkpointed = group.end_lsn;
    }
    if (group.count > 0 && tp_wal_mark_take(&source->parts.mark, group.mark)) {
        became_ready(source);
    }
    return group.count > 0;
}

/* Applies what is visible, in commit order, and asks for what keeps the next one waiting. */
static void pump(tp_wal *source) {
    while (source->session_up && !source->loading && apply_group(source)) {
    }
    tp_waltx *tx = tp_waldecoder_first(source->parts.decoder);
    if (!source->session_up || source->loading || tx == NULL || tp_engine_full(source->engine)) {
        return;
    }
    uint32_t xid = tp_waltx_facts_of(tx)->xid;
    if (tp_wal_look_visible(&source->parts.look, xid)) {
        load_registry(source);
        return;
    }
    trigperf_error *error = NULL;
    int32_t status = tp_wal_look_ask(&source->parts.look, xid, source->now_ms, &error);
    check(source, status, error);
}

static bool crowded(const tp_wal *source) {
    return tp_waldecoder_waiting_bytes(source->parts.decoder) > source->options.max_bytes / 4 ||
           tp_waldecoder_registry_changed(source->parts.decoder);
}

/* Whether reading stops for now. */
static bool set_pause(tp_wal *source) {
    bool pause = crowded(source) || tp_engine_full(source->engine);
    tp_wal_stream_pause(source->parts.stream, pause);
    return pause;
}

static void on_message(void *user, const char *bytes, size_t length) {
    tp_wal *source = user;
    trigperf_error *error = NULL;
    if (tp_waldecoder_feed(source->parts.decoder, bytes, length, &error) != TRIGPERF_OK) {
        on_stream_failed(source, error);
    } else if (crowded(source)) {
        set_pause(source);
    }
}

static void on_started(void *user, bool made) {
    tp_wal *source = user;
    source->restart = false;
    if (source->resync_due || made) {
        uint64_t tag = source->parts.claim == NULL ? 0 : tp_wal_claim_emitted(source->parts.claim);
        tp_pipeline_resync(tp_engine_lock(source->engine), source->now_ms, NULL, tag, 0);
        tp_engine_unlock(source->engine);
    }
    source->resync_due = false;
    send_mark(source);
}

static uint64_t on_resume(void *user) {
    return tp_waldecoder_resume(((tp_wal *)user)->parts.decoder);
}

/* ---- the way to the stream ---- */

static void open_stream(tp_wal *source, const tp_wal_plan *plan) {
    trigperf_error *error = NULL;
    tp_pipeline_rewind(tp_engine_lock(source->engine));
    tp_engine_unlock(source->engine);
    tp_wal_ack_begin(&source->parts.ack, source->now_ms);
    source->opened = true;
    int32_t status = tp_wal_stream_open(source->parts.stream, plan, source->now_ms, &error);
    check(source, status, error);
}

static void on_let_go(void *user, PGresult *result) {
    tp_wal *source = user;
    (void)result;
    open_stream(source, &source->plan);
}

/* Another connection may still hold the slot, or its copy: that of a process whose name was taken
 * over, or one of our own that broke without the server noticing. Ending it may take rights that we
 * do not have.
 */
static void let_go(tp_wal *source) {
    char copy[64];
    const char *values[] = {source->slot, copy};
    tp_wal_fetch_name(source->slot, copy);
    send(source,
         "SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots "
         "WHERE (slot_name OPERATOR(pg_catalog.=) $1 OR slot_name OPERATOR(pg_catalog.=) $2) "
         "AND database OPERATOR(pg_catalog.=) pg_catalog.current_database() "
         "AND active_pid IS NOT NULL",
         2, values, on_let_go);
}

static void on_claimed(void *user, const tp_wal_claimed *claimed) {
    tp_wal *source = user;
    snprintf(source->slot, sizeof source->slot, "%s", claimed->slot);
    source->plan = (tp_wal_plan){.slot = source->slot,
                                 .make = claimed->make,
                                 .drop_first = claimed->make && claimed->stale,
                                 .fetch = !claimed->make && !claimed->resync};
    source->resync_due = claimed->resync;
    let_go(source);
}

static void begin_following(tp_wal *source) {
    trigperf_error *error = NULL;
    if (source->parts.claim != NULL) {
        int32_t status = tp_wal_claim_ask(
            source->parts.claim, tp_wal_catalog_system(source->parts.catalog),
            tp_wal_catalog_incarnation(source->parts.catalog),
            source->restart || tp_wal_catalog_went_back(source->parts.catalog), &error);
        check(source, status, error);
        return;
    }
    tp_wal_parts_name_slot(&source->parts, source->slot);
    source->plan = (tp_wal_plan){.slot = source->slot, .temporary = true, .make = true};
    let_go(source);
}

static void on_loaded(void *user) {
    tp_wal *source = user;
    uint32_t count = 0;
    const tp_walspec *list = tp_wal_specs_all(tp_wal_catalog_specs(source->parts.catalog), &count);
    tp_waldecoder_use(source->parts.decoder, list, count);
    source->loading = false;
    source->loaded = true;
    if (!source->opened) {
        begin_following(source);
    }
}

static void load_registry(tp_wal *source) {
    trigperf_error *error = NULL;
    source->loading = true;
    int32_t status = tp_wal_catalog_load(source->parts.catalog, &error);
    check(source, status, error);
}

static void on_standing(void *user) {
    tp_wal *source = user;
    source->session_up = true;
    source->loading = true;
    tp_wal_look_begin(&source->parts.look, source->now_ms);
}

static void on_notify(void *user, const char *channel, const char *payload, bool own) {
    (void)channel;
    (void)own;
    tp_wal_catalog_echo(((tp_wal *)user)->parts.catalog, payload);
}

static void connect_now(tp_wal *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_connection_open(source->parts.control, source->now_ms, &error);
    check(source, status, error);
}

/* ---- acknowledging ---- */

static void on_stored(void *user) {
    tp_wal *source = user;
    tp_wal_ack_stored(&source->parts.ack, source->now_ms);
}

static void tick(tp_wal *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_wal_ack_tick(&source->parts.ack, source->now_ms, &error);
    check(source, status, error);
    bool asked = source->life.state == TP_SOURCE_CONNECTING ||
                 source->parts.mark.requested > source->parts.mark.complete;
    if (source->session_up && !source->parts.mark.under_way && asked &&
        tp_wal_stream_following(source->parts.stream)) {
        send_mark(source);
    }
    if (source->session_up && source->life.state == TP_SOURCE_READY) {
        tp_wal_upkeep_tick(source->parts.upkeep, source->parts.claim, source->now_ms);
    }
}

/* ---- turns ---- */

static void drive_control(tp_wal *source) {
    trigperf_error *error = NULL;
    tp_connection_state before = tp_connection_state_of(source->parts.control);
    int32_t status = tp_connection_process(source->parts.control, source->now_ms, &error);
    check(source, status, error);
    if (status == TRIGPERF_OK && before != TP_CONNECTION_OPEN &&
        tp_connection_state_of(source->parts.control) == TP_CONNECTION_OPEN) {
        status = tp_wal_catalog_begin(source->parts.catalog, source->now_ms, &error);
        check(source, status, error);
    }
    if (source->life.state == TP_SOURCE_CONNECTING || source->life.state == TP_SOURCE_READY) {
        tp_wal_catalog_tick(source->parts.catalog, source->now_ms);
    }
}

static void drive_stream(tp_wal *source) {
    trigperf_error *error = NULL;
    int32_t status = tp_wal_stream_process(source->parts.stream, source->now_ms, &error);
    if (status != TRIGPERF_OK) {
        on_stream_failed(source, error);
    }
}

static void send_farewell(tp_wal *source) {
    source->close_sent = true;
    if (tp_wal_stream_following(source->parts.stream)) {
        trigperf_error *error = NULL;
        int32_t status = tp_wal_ack_farewell(&source->parts.ack, source->now_ms, &error);
        check(source, status, error);
        tp_wal_upkeep_leave(source->parts.upkeep, NULL);
    }
}

static void drive(tp_wal *source) {
    drive_control(source);
    if (source->session_up && source->opened) {
        drive_stream(source);
    }
    if (source->session_up && tp_wal_stream_flowing(source->parts.stream)) {
        pump(source);
    }
    if (source->session_up && tp_wal_stream_flowing(source->parts.stream)) {
        bool idle = !set_pause(source) && tp_waldecoder_between(source->parts.decoder) &&
                    tp_wal_stream_following(source->parts.stream);
        source->caught_up_ms = idle ? source->now_ms : source->caught_up_ms;
        tick(source);
    }
    bool storing = source->parts.claim != NULL && tp_wal_claim_storing(source->parts.claim);
    if (source->closing && !source->close_sent && source->session_up && !storing) {
        send_farewell(source);
    }
    /* what this turn has asked for goes out now */
    if (source->session_up && !tp_connection_quiet(source->parts.control)) {
        drive_control(source);
    }
}

static int32_t wal_process(void *self, uint64_t now_ms, trigperf_error **err) {
    tp_wal *source = self;
    source->now_ms = now_ms;
    if (!source->closing && tp_lifecycle_begins(&source->life, now_ms)) {
        connect_now(source);
    }
    if (tp_lifecycle_works(&source->life)) {
        drive(source);
    }
    return tp_lifecycle_verdict(&source->life, err);
}

static uint64_t following_deadline(const tp_wal *source) {
    uint64_t deadline = tp_wal_ack_deadline(&source->parts.ack);
    bool waits = tp_waldecoder_first(source->parts.decoder) != NULL && !source->parts.look.asking &&
                 !source->loading && !tp_engine_full(source->engine);
    deadline = waits ? tp_earlier(deadline, source->parts.look.next_ms) : deadline;
    return tp_earlier(deadline, tp_wal_upkeep_deadline(source->parts.upkeep));
}

static uint64_t wal_deadline(const void *self) {
    const tp_wal *source = self;
    if (source->closing && !source->session_up) {
        return UINT64_MAX;
    }
    if (!tp_lifecycle_works(&source->life)) {
        return tp_lifecycle_deadline(&source->life);
    }
    uint64_t deadline = tp_earlier(tp_connection_deadline(source->parts.control),
                                   tp_wal_catalog_deadline(source->parts.catalog));
    deadline = source->opened ? tp_earlier(deadline, tp_wal_stream_deadline(source->parts.stream))
                              : deadline;
    return tp_wal_stream_flowing(source->parts.stream)
               ? tp_earlier(deadline, following_deadline(source))
               : deadline;
}

static tp_source_state wal_state(const void *self) {
    return ((const tp_wal *)self)->life.state;
}

static const trigperf_error *wal_error(const void *self) {
    return ((const tp_wal *)self)->life.error;
}

static void wal_retry(void *self) {
    tp_lifecycle_retry(&((tp_wal *)self)->life);
}

static void wal_request(void *self, uint64_t ticket) {
    ((tp_wal *)self)->parts.mark.requested = ticket;
}

static uint64_t wal_polled(const void *self) {
    return ((const tp_wal *)self)->parts.mark.complete;
}

static bool wal_passed(const void *self, uint64_t xid) {
    const tp_wal *source = self;
    return source->parts.mark.position.xmax > 0 &&
           tp_snapshot_visible(&source->parts.mark.position, xid);
}

static void wal_close(void *self, uint64_t now_ms) {
    tp_wal *source = self;
    source->now_ms = now_ms;
    source->closing = true;
}

static bool wal_closed(const void *self) {
    const tp_wal *source = self;
    return !source->session_up ||
           (source->close_sent && tp_connection_quiet(source->parts.control));
}

static void wal_status(const void *self, tp_strbuf *json) {
    const tp_wal *source = self;
    tp_json_text(json, "state", tp_lifecycle_name(&source->life));
    tp_json_text(json, "consumer", source->name[0] == '\0' ? NULL : source->name);
    tp_json_text(json, "instance", source->parts.instance);
    tp_json_uint(json, "claim",
                 source->parts.claim == NULL ? 0 : tp_wal_claim_number(source->parts.claim));
    tp_json_text(json, "slot", source->slot[0] == '\0' ? NULL : source->slot);
    tp_lsn_json(json, "position", tp_wal_stream_acknowledged(source->parts.stream));
    tp_lsn_json(json, "reached", tp_wal_stream_reached(source->parts.stream));
    tp_json_uint(json, "rows", tp_waldecoder_changes(source->parts.decoder));
    tp_json_uint(json, "transactions", source->transactions);
    tp_json_uint(json, "fetched", tp_wal_stream_fetched(source->parts.stream));
    tp_json_uint(json, "waiting_bytes", tp_waldecoder_waiting_bytes(source->parts.decoder));
    tp_wal_upkeep_status(source->parts.upkeep, json);
    tp_json_uint(json, "reconnects", source->life.reconnects);
    tp_json_text(json, "error",
                 source->life.error == NULL ? NULL : trigperf_error_message(source->life.error));
}

static void wal_measure(const void *self, tp_feed_measures *out) {
    const tp_wal *source = self;
    *out = tp_feed_nothing();
    out->rows = tp_waldecoder_changes(source->parts.decoder);
    out->reconnects = source->life.reconnects;
    out->caught_up_ms = source->caught_up_ms;
    tp_wal_upkeep_measure(source->parts.upkeep, out);
}

static const tp_census_figures *wal_census(const void *self) {
    return tp_wal_upkeep_census(((const tp_wal *)self)->parts.upkeep);
}

static tp_connection *wal_link(void *self) {
    const tp_wal *source = self;
    bool ready = source->life.state == TP_SOURCE_READY && source->session_up;
    return ready ? source->parts.control : NULL;
}

int32_t tp_wal_source_new(const tp_wal_options *options, const tp_conninfo *info, tp_loop *loop,
                          tp_engine *engine, const tp_log *log, tp_feed *out,
                          trigperf_error **err) {
    static const tp_feed_class class = {.name = "wal",
                                        .free = wal_free,
                                        .abandon = wal_abandon,
                                        .process = wal_process,
                                        .deadline = wal_deadline,
                                        .state = wal_state,
                                        .error = wal_error,
                                        .retry = wal_retry,
                                        .request = wal_request,
                                        .polled = wal_polled,
                                        .passed = wal_passed,
                                        .close = wal_close,
                                        .closed = wal_closed,
                                        .status = wal_status,
                                        .measure = wal_measure,
                                        .census = wal_census,
                                        .link = wal_link};
    tp_wal *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return tp_error_nomem(err);
    }
    source->options = *options;
    source->engine = engine;
    source->log = log;
    source->name = tp_text_copy(options->consumer);
    tp_lifecycle_init(&source->life, options->reconnect_min_ms, options->reconnect_max_ms, log);
    tp_wal_wiring wiring = {.info = info,
                            .loop = loop,
                            .engine = engine,
                            .log = log,
                            .user = source,
                            .notify = on_notify,
                            .standing = on_standing,
                            .loaded = on_loaded,
                            .claimed = on_claimed,
                            .missing = on_missing,
                            .stored = on_stored,
                            .failed = on_failed,
                            .stream_failed = on_stream_failed,
                            .started = on_started,
                            .resume = on_resume,
                            .written = on_written,
                            .message = on_message,
                            .overdue = on_overdue};
    int32_t status = source->name == NULL
                         ? tp_error_nomem(err)
                         : tp_wal_parts_build(&source->parts, options, &wiring, err);
    if (status != TRIGPERF_OK) {
        wal_free(source);
        return status;
    }
    *out = (tp_feed){&class, source};
    return TRIGPERF_OK;
}
