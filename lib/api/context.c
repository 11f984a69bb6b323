/* What a context holds, and one turn of its work. Three locks, never nested except in this order:
 *
 *   turn     one turn at a time; protects the source
 *   engine   short: pipeline and rules (inside the engine)
 *   atomics  what other threads look at between turns: state, tickets, wake-ups
 */
#include "api/context.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/config.h"
#include "api/keeping.h"
#include "api/source.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/fork_guard.h"
#include "base/json.h"
#include "pg/conninfo.h"
#include "pg/feed.h"
#include <trigperf/version.h>

struct trigperf_context {
    tp_context_head head; /* first */
    tp_fork_guard *guard;
    tp_loop *loop;
    tp_engine *engine;
    tp_meter *meter;
    tp_internals *internals;
    tp_watch *watch;
    tp_conninfo *conninfo;
    tp_feed source;
    tp_keeper *keeper; /* NULL: offline */
    tp_runner *runner;
    tp_log log;
    trigperf_ready_fn ready;
    void *ready_user;
    pthread_mutex_t turn;
    atomic_int state;
    atomic_bool wakeup;
    atomic_bool threaded;
    atomic_uintptr_t processor; /* pthread_t of the last turn, 0: none yet */
    atomic_ullong requested;    /* catch-up tickets */
    atomic_ullong caught_up;
    atomic_bool flush;
};

static int32_t no_entropy(trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                        "getrandom failed");
}

static int32_t make_engine(trigperf_context *context, const trigperf_config *config,
                           trigperf_error **err) {
    tp_pipeline_options options = {
        .window_ms = tp_config_u32(config, TP_OPTION_BATCH_WINDOW_MS),
        .fresh_ms = tp_config_u32(config, TP_OPTION_BATCH_FRESH_MS),
        .max_keys = tp_config_u32(config, TP_OPTION_BATCH_MAX_KEYS),
        .max_pending = tp_config_u32(config, TP_OPTION_BATCH_MAX_PENDING),
        .max_bytes = tp_config_number(config, TP_OPTION_MEMORY_MAX_BYTES),
        .group_percent = tp_config_u32(config, TP_OPTION_MEMORY_GROUP_PERCENT),
        .table_percent = tp_config_u32(config, TP_OPTION_MEMORY_TABLE_PERCENT),
        .max_groups = tp_config_u32(config, TP_OPTION_MEMORY_MAX_GROUPS),
        .key_interval_ms = tp_config_u32(config, TP_OPTION_LIMIT_KEY_INTERVAL_MS),
        .nack_delay_ms = tp_config_u32(config, TP_OPTION_NACK_DELAY_MS),
        .nack_delay_max_ms = tp_config_u32(config, TP_OPTION_NACK_DELAY_MAX_MS)};
    if (!tp_entropy_fill(&options.hash_key, sizeof options.hash_key)) {
        return no_entropy(err);
    }
    uint32_t count;
    const tp_engine_rule *rules = tp_config_rules(config, &count);
    return tp_engine_new(&options, rules, count, &context->engine, err);
}

static int32_t make_cache(trigperf_context *context, const trigperf_config *config,
                          trigperf_error **err) {
    tp_cache_options options = {
        .capacity = tp_config_number(config, TP_OPTION_CACHE_CAPACITY),
        .policy = (tp_cache_policy)tp_config_number(config, TP_OPTION_CACHE_POLICY),
        .exact = tp_config_number(config, TP_OPTION_CACHE_EXACT) != 0,
        .ttl_ms = tp_config_number(config, TP_OPTION_CACHE_TTL_MS),
        .start_ms = tp_clock_coarse_ms(),
        .ttl_jitter = tp_config_u32(config, TP_OPTION_CACHE_TTL_JITTER),
        .bonds = tp_engine_bonds(context->engine)};
    if (!tp_entropy_fill(&options.key, sizeof options.key)) {
        return no_entropy(err);
    }
    return tp_cache_new(&options, &context->head.cache, err);
}

static int32_t make_meter(trigperf_context *context, const trigperf_config *config,
                          trigperf_error **err) {
    uint32_t max_series = tp_config_u32(config, TP_OPTION_METRICS_MAX_SERIES) + TP_INTERNALS_SERIES;
    int32_t status = tp_meter_new(context, max_series, &context->meter, err);
    if (status == TRIGPERF_OK) {
        status = tp_internals_new(context->meter, &context->internals, err);
    }
    if (status == TRIGPERF_OK) {
        tp_engine_set_applied(context->engine, tp_internals_applied, context->internals);
    }
    return status;
}

/* Alerts, with the rules that are built in. */
static int32_t make_watch(trigperf_context *context, const trigperf_config *config,
                          trigperf_error **err) {
    char rule[256];
    uint64_t percent = tp_config_number(config, TP_OPTION_CACHE_MIN_HIT_RATE);
    int32_t status = tp_watch_new(context, tp_config_u32(config, TP_OPTION_ALERT_INTERVAL_MS),
                                  &context->watch, err);
    if (status == TRIGPERF_OK && tp_config_number(config, TP_OPTION_SOURCE) != TP_SOURCE_NONE) {
        status = tp_watch_follow(context->watch, err);
    }
    if (status != TRIGPERF_OK || percent == 0) {
        return status;
    }
    snprintf(rule, sizeof rule,
             "measure=share series=trigperf_cache_hits_total over=trigperf_cache_misses_total "
             "direction=below warn=%llu.%02llu min_samples=%llu",
             (unsigned long long)percent / 100, (unsigned long long)percent % 100,
             (unsigned long long)tp_config_number(config, TP_OPTION_CACHE_MIN_LOOKUPS));
    return tp_watch_rule(context->watch, "cache_hit_rate", rule, err);
}

static int32_t make_alerts(trigperf_context *context, const trigperf_config *config,
                           trigperf_error **err) {
    uint32_t count;
    const tp_config_alert *alerts = tp_config_alerts(config, &count);
    int32_t status = make_watch(context, config, err);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        status = tp_watch_rule(context->watch, alerts[i].name, alerts[i].definition, err);
    }
    return status;
}

static int32_t read_series(void *user, tp_reading **out, trigperf_error **err) {
    return tp_meter_read(((trigperf_context *)user)->meter, NULL, NULL, false, out, err);
}

static int32_t make_keeper(trigperf_context *context, const trigperf_config *config,
                           trigperf_error **err) {
    tp_api_keeping keeping = {.config = config,
                              .loop = context->loop,
                              .info = context->conninfo,
                              .log = &context->log,
                              .read = read_series,
                              .user = context};
    return tp_feed_exists(&context->source) ? tp_api_keeper_new(&keeping, &context->keeper, err)
                                            : TRIGPERF_OK;
}

static void wake_loop(void *loop) {
    tp_loop_wake(loop);
}

static int32_t build(trigperf_context *context, const trigperf_config *config,
                     trigperf_error **err) {
    context->guard = tp_fork_guard_new();
    if (context->guard == NULL) {
        return tp_error_nomem(err);
    }
    context->head.here = tp_fork_guard_byte(context->guard);
    bool offline = tp_config_number(config, TP_OPTION_SOURCE) == TP_SOURCE_NONE;
    atomic_store(&context->state, offline ? TRIGPERF_STATE_OFFLINE : TRIGPERF_STATE_CONNECTING);
    int32_t status = tp_loop_new(&context->loop, err);
    if (status == TRIGPERF_OK) {
        status = make_engine(context, config, err);
    }
    if (status == TRIGPERF_OK) {
        status = make_cache(context, config, err);
    }
    if (status == TRIGPERF_OK) {
        status = make_meter(context, config, err);
    }
    if (status == TRIGPERF_OK) {
        status = make_alerts(context, config, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_api_source_new(config, context->loop, context->engine, &context->log,
                                   &context->conninfo, &context->source, err);
    }
    if (status == TRIGPERF_OK) {
        status = make_keeper(context, config, err);
    }
    if (status == TRIGPERF_OK) {
        tp_engine_set_wake(context->engine, wake_loop, context->loop);
        tp_loop_wake(context->loop);
    }
    return status;
}

int32_t trigperf_context_new(const trigperf_config *config, trigperf_context **context,
                             trigperf_error **error) {
    trigperf_config *own = NULL;
    int32_t status = tp_config_copy(config, &own, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    trigperf_context *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        trigperf_config_free(own);
        return tp_error_nomem(error);
    }
    pthread_mutex_init(&fresh->turn, NULL);
    status = build(fresh, own, error);
    trigperf_config_free(own);
    if (status != TRIGPERF_OK) {
        trigperf_context_free(fresh);
        return status;
    }
    *context = fresh;
    return TRIGPERF_OK;
}

void trigperf_context_free(trigperf_context *context) {
    if (context == NULL) {
        return;
    }
    if (context->guard != NULL && tp_fork_guard_is_child(context->guard)) {
        if (tp_feed_exists(&context->source)) {
            context->source.class->abandon(context->source.self);
        }
        tp_keeper_abandon(context->keeper);
        tp_meter_free(context->meter);
        tp_loop_free(context->loop);
        return;
    }
    if (context->runner != NULL) {
        trigperf_thread_stop(context, NULL);
    }
    if (context->engine != NULL) {
        tp_engine_shut(context->engine);
    }
    if (tp_feed_exists(&context->source)) {
        context->source.class->free(context->source.self);
    }
    tp_keeper_free(context->keeper);
    tp_conninfo_free(context->conninfo);
    tp_cache_free(context->head.cache);
    tp_engine_unref(context->engine);
    tp_watch_free(context->watch);
    tp_internals_free(context->internals);
    tp_meter_free(context->meter);
    tp_loop_free(context->loop);
    tp_fork_guard_free(context->guard);
    pthread_mutex_destroy(&context->turn);
    free(context);
}

bool tp_context_forked(const trigperf_context *context) {
    return tp_fork_guard_is_child(context->guard);
}

int32_t tp_context_check(trigperf_context *context, trigperf_error **err) {
    if (context == NULL) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "make one with trigperf_context_new()",
                            "expected a context, got NULL");
    }
    if (tp_context_forked(context)) {
        return tp_error_set(err, TRIGPERF_E_FORKED, "make a context of its own in each process",
                            "this context belongs to the parent process");
    }
    return TRIGPERF_OK;
}

tp_engine *tp_context_engine(trigperf_context *context) {
    return context->engine;
}

tp_cache *tp_context_cache(trigperf_context *context) {
    return context->head.cache;
}

tp_internals *tp_context_internals(trigperf_context *context) {
    return context->internals;
}

tp_watch *tp_context_watch(trigperf_context *context) {
    return context->watch;
}

tp_meter *tp_context_meter(trigperf_context *context) {
    return context->meter;
}

tp_loop *tp_context_loop(trigperf_context *context) {
    return context->loop;
}

bool tp_context_offline(const trigperf_context *context) {
    return !tp_feed_exists(&context->source);
}

bool tp_context_has_batch(trigperf_context *context) {
    bool has = tp_pipeline_has_next(tp_engine_lock(context->engine));
    tp_engine_unlock(context->engine);
    return has;
}

bool tp_context_take_wakeup(trigperf_context *context) {
    return atomic_exchange(&context->wakeup, false);
}

bool tp_context_threaded(const trigperf_context *context) {
    return atomic_load(&context->threaded);
}

void tp_context_set_threaded(trigperf_context *context, bool threaded) {
    atomic_store(&context->threaded, threaded);
    atomic_store(&context->processor, 0);
}

bool tp_context_processing_here(const trigperf_context *context) {
    uintptr_t processor = atomic_load(&context->processor);
    return processor == 0 || processor == (uintptr_t)pthread_self();
}

tp_runner *tp_context_runner(const trigperf_context *context) {
    return context->runner;
}

void tp_context_set_runner(trigperf_context *context, tp_runner *runner) {
    context->runner = runner;
}

bool tp_context_passed(trigperf_context *context, uint64_t xid) {
    pthread_mutex_lock(&context->turn);
    bool passed = tp_feed_exists(&context->source) &&
                  context->source.class->passed(context->source.self, xid);
    pthread_mutex_unlock(&context->turn);
    return passed;
}

static int32_t public_state(tp_source_state state) {
    return state == TP_SOURCE_READY     ? TRIGPERF_STATE_READY
           : state == TP_SOURCE_BACKOFF ? TRIGPERF_STATE_BACKOFF
           : state == TP_SOURCE_FAILED  ? TRIGPERF_STATE_FAILED
                                        : TRIGPERF_STATE_CONNECTING;
}

static tp_connection *link_of(trigperf_context *context) {
    return context->source.class->link(context->source.self);
}

/* With the turn lock held. */
static int32_t turn_source(trigperf_context *context, uint64_t now_ms, trigperf_error **err) {
    if (!tp_feed_exists(&context->source)) {
        return TRIGPERF_OK;
    }
    context->source.class->request(context->source.self, atomic_load(&context->requested));
    int32_t status = context->source.class->process(context->source.self, now_ms, err);
    atomic_store(&context->state, public_state(context->source.class->state(context->source.self)));
    tp_keeper_tick(context->keeper, link_of(context), now_ms);
    return status;
}

static uint64_t source_deadline(const trigperf_context *context) {
    if (!tp_feed_exists(&context->source)) {
        return UINT64_MAX;
    }
    uint64_t own = context->source.class->deadline(context->source.self);
    uint64_t kept = tp_keeper_deadline(context->keeper);
    return own < kept ? own : kept;
}

/* Flushes for a catch-up whose poll is complete, or because the host asked; makes what is due. */
static uint64_t turn_engine(trigperf_context *context, uint64_t now_ms, uint64_t polled) {
    bool catch_up = polled > atomic_load(&context->caught_up);
    tp_pipeline *pipeline = tp_engine_lock(context->engine);
    if (atomic_exchange(&context->flush, false) || catch_up) {
        tp_pipeline_flush(pipeline, now_ms);
    }
    bool more = tp_pipeline_tick(pipeline, now_ms);
    uint64_t deadline = more ? now_ms : tp_pipeline_deadline(pipeline);
    tp_engine_unlock(context->engine);
    if (catch_up) {
        atomic_store(&context->caught_up, polled);
    }
    tp_engine_broadcast(context->engine);
    return deadline;
}

int32_t tp_context_turn(trigperf_context *context, trigperf_error **err) {
    pthread_mutex_lock(&context->turn);
    atomic_store(&context->processor, (uintptr_t)pthread_self());
    uint64_t began_ns = tp_clock_ns();
    uint64_t now_ms = began_ns / 1000000u;
    uint64_t requested = atomic_load(&context->requested);
    int32_t status = turn_source(context, now_ms, err);
    uint64_t polled = !tp_feed_exists(&context->source)
                          ? requested
                          : context->source.class->polled(context->source.self);
    tp_internals_measure(context->internals, &context->source);
    uint64_t watched = tp_watch_tick(context->watch, now_ms);
    uint64_t deadline = turn_engine(context, now_ms, polled);
    deadline = watched < deadline ? watched : deadline;
    uint64_t wanted = source_deadline(context);
    tp_loop_deadline(context->loop, now_ms, deadline < wanted ? deadline : wanted);
    tp_internals_turn(context->internals, tp_clock_ns() - began_ns);
    pthread_mutex_unlock(&context->turn);
    bool raised = tp_watch_take_news(context->watch, TP_WATCH_READY);
    if (context->ready != NULL && (raised || tp_context_has_batch(context))) {
        context->ready(context->ready_user, context);
    }
    return status;
}

int32_t tp_context_failure(trigperf_context *context, trigperf_error **err) {
    if (atomic_load(&context->state) != TRIGPERF_STATE_FAILED) {
        return TRIGPERF_OK;
    }
    pthread_mutex_lock(&context->turn);
    const trigperf_error *failure = context->source.class->error(context->source.self);
    int32_t status = tp_error_move(err, tp_error_copy(failure), trigperf_error_code(failure));
    pthread_mutex_unlock(&context->turn);
    return status;
}

int32_t trigperf_context_state(trigperf_context *context) {
    return atomic_load(&context->state);
}

trigperf_error *trigperf_context_error(trigperf_context *context) {
    if (tp_context_check(context, NULL) != TRIGPERF_OK || !tp_feed_exists(&context->source)) {
        return NULL;
    }
    pthread_mutex_lock(&context->turn);
    trigperf_error *copy = tp_error_copy(context->source.class->error(context->source.self));
    pthread_mutex_unlock(&context->turn);
    return copy;
}

int32_t trigperf_context_retry(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (atomic_load(&context->state) != TRIGPERF_STATE_FAILED) {
        return tp_error_set(error, TRIGPERF_E_STATE, "connections are retried by themselves",
                            "expected a context that has failed, this one has not");
    }
    pthread_mutex_lock(&context->turn);
    context->source.class->retry(context->source.self);
    atomic_store(&context->state, TRIGPERF_STATE_BACKOFF);
    pthread_mutex_unlock(&context->turn);
    tp_loop_wake(context->loop);
    return TRIGPERF_OK;
}

static int32_t close_result(trigperf_context *context, trigperf_error **error) {
    const trigperf_error *failure = context->source.class->error(context->source.self);
    int32_t code = trigperf_error_code(failure);
    return code == TRIGPERF_OK ? TRIGPERF_OK : tp_error_move(error, tp_error_copy(failure), code);
}

static bool is_closed(const trigperf_context *context) {
    return context->source.class->closed(context->source.self) &&
           tp_keeper_closed(context->keeper, tp_clock_ms());
}

int32_t trigperf_context_close(trigperf_context *context, int32_t timeout_ms,
                               trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK || !tp_feed_exists(&context->source)) {
        return status;
    }
    trigperf_thread_stop(context, NULL);
    uint64_t deadline = tp_clock_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    tp_keeper_finish(context->keeper, link_of(context), tp_clock_ms());
    context->source.class->close(context->source.self, tp_clock_ms());
    tp_context_turn(context, NULL);
    while (!is_closed(context)) {
        uint64_t now_ms = tp_clock_ms();
        if (now_ms >= deadline && context->source.class->closed(context->source.self)) {
            break;
        }
        if (now_ms >= deadline) {
            return tp_error_set(error, TRIGPERF_E_TIMEOUT, "what was not stored comes again",
                                "the position could not be stored within %d ms", timeout_ms);
        }
        tp_loop_wait(context->loop, (int32_t)(deadline - now_ms), NULL);
        tp_context_turn(context, NULL);
    }
    return close_result(context, error);
}

int32_t trigperf_fd(trigperf_context *context) {
    return context == NULL || tp_context_forked(context) ? -1 : tp_loop_fd(context->loop);
}

void trigperf_wakeup(trigperf_context *context) {
    if (context != NULL && !tp_context_forked(context)) {
        atomic_store(&context->wakeup, true);
        tp_loop_wake(context->loop);
    }
}

int32_t trigperf_catch_up(trigperf_context *context, uint64_t *ticket, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        *ticket = atomic_fetch_add(&context->requested, 1) + 1;
        tp_loop_wake(context->loop);
    }
    return status;
}

int32_t trigperf_catch_up_done(trigperf_context *context, uint64_t ticket) {
    return atomic_load(&context->caught_up) >= ticket ? 1 : 0;
}

int32_t trigperf_flush(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        atomic_store(&context->flush, true);
        tp_loop_wake(context->loop);
    }
    return status;
}

int32_t trigperf_log_set(trigperf_context *context, int32_t level, trigperf_log_fn fn, void *user) {
    int32_t status = tp_context_check(context, NULL);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (level < TRIGPERF_LOG_ERROR || level > TRIGPERF_LOG_DEBUG) {
        return TRIGPERF_E_INVALID;
    }
    context->log = (tp_log){fn, user, level};
    return TRIGPERF_OK;
}

int32_t trigperf_ready_set(trigperf_context *context, trigperf_ready_fn fn, void *user) {
    int32_t status = tp_context_check(context, NULL);
    if (status == TRIGPERF_OK) {
        context->ready = fn;
        context->ready_user = user;
    }
    return status;
}

static void put_counters(tp_strbuf *json, const tp_pipeline_counters *c) {
    tp_json_open(json, "counters", '{');
    tp_json_uint(json, "changes", c->changes);
    tp_json_uint(json, "changes_merged", c->merged);
    tp_json_uint(json, "changes_keyless", c->keyless);
    tp_json_uint(json, "changes_collapsed", c->collapsed);
    tp_json_uint(json, "changes_collapsed_group", c->collapsed_group);
    tp_json_uint(json, "changes_collapsed_table", c->collapsed_table);
    tp_json_uint(json, "changes_collapsed_all", c->collapsed_all);
    tp_json_uint(json, "changes_unreadable", c->unreadable);
    tp_json_uint(json, "keys", c->keys);
    tp_json_uint(json, "keys_merged", c->keys_merged);
    tp_json_uint(json, "keys_limited", c->keys_limited);
    tp_json_uint(json, "batches", c->batches);
    tp_json_uint(json, "batches_acknowledged", c->acknowledged);
    tp_json_uint(json, "batches_redelivered", c->redelivered);
    tp_json_uint(json, "resyncs", c->resyncs);
    tp_json_uint(json, "pending_changes", c->pending_changes);
    tp_json_uint(json, "pending_keys", c->pending_keys);
    tp_json_uint(json, "pending_batches", c->pending_batches);
    tp_json_uint(json, "bytes", c->bytes);
    tp_json_close(json, '}');
}

int32_t trigperf_context_status(trigperf_context *context, char **json, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_strbuf out = TP_STRBUF_INIT;
    tp_pipeline_counters counters;
    tp_pipeline *pipeline = tp_engine_lock(context->engine);
    tp_pipeline_counters_get(pipeline, &counters);
    tp_samples unreadable = *tp_pipeline_unreadable_samples(pipeline);
    tp_engine_unlock(context->engine);
    tp_json_open(&out, NULL, '{');
    tp_json_text(&out, "version", trigperf_version());
    tp_json_text(&out, "source",
                 tp_feed_exists(&context->source) ? context->source.class->name : "none");
    pthread_mutex_lock(&context->turn);
    if (tp_feed_exists(&context->source)) {
        context->source.class->status(context->source.self, &out);
        tp_keeper_status(context->keeper, &out);
    } else {
        tp_json_text(&out, "state", "offline");
    }
    tp_feed_put_lag(&context->source, tp_clock_ms(), &out);
    pthread_mutex_unlock(&context->turn);
    put_counters(&out, &counters);
    tp_samples_json(&unreadable, "unreadable", "table", &out);
    tp_json_close(&out, '}');
    char *text = tp_strbuf_take(&out);
    if (text == NULL) {
        return tp_error_nomem(error);
    }
    *json = text;
    return TRIGPERF_OK;
}
