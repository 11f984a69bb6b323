/* The engines put together. What this file decides is order and fallback; how things are done is in
 * the modules it uses.
 *
 * A change that is merged into one that waits, which is what bursts consist of, touches the
 * window's index, the waiting delta and the fence, and nothing else: its keys are known already.
 * Everything else may run out of memory, and then nothing has happened: a change is staged before
 * it is committed, a window is closed only when all its batches are made. What may not fail (a
 * resync) falls back to a flag that says "everything".
 *
 * A window stays open past its end while the host has max_pending batches to work off: merging goes
 * on, which is the best use of the time. max_bytes is the limit to that; near it, changes that find
 * nothing to merge into are told less exactly (core/collapse.c). A source that can wait is told to
 * at a quarter of it, so that what it has asked for already still finds room. */
#include "core/pipeline.h"

#include <stdlib.h>

#include "base/text.h"
#include "core/batch.h"
#include "core/collapse.h"
#include "core/cut.h"
#include "core/pipeline_parts.h"
#include "core/release.h"

#define WORK_PER_TURN 1024u /* rate-limited keys released or forgotten */
#define MEMORY_RETRY_MS 20u /* wait after memory was short */
#define KEY_MAX (UINT32_C(1) << 30)

/* ---- life ---- */

static tp_pipeline_options sane(tp_pipeline_options options) {
    options.max_keys = options.max_keys > 0 ? options.max_keys : 1;
    options.max_pending = options.max_pending > 0 ? options.max_pending : 1;
    options.group_percent = options.group_percent > 0 ? options.group_percent : 100;
    options.table_percent = options.table_percent > 0 ? options.table_percent : 100;
    return options;
}

static uint64_t share(uint64_t bytes, uint32_t percent) {
    return bytes / 100 * percent + bytes % 100 * percent / 100;
}

static bool build(tp_pipeline *pipeline) {
    const tp_pipeline_options *options = &pipeline->options;
    pipeline->tables = tp_tables_new();
    pipeline->window = tp_window_new(&options->hash_key);
    pipeline->limiter = tp_limiter_new();
    pipeline->resyncs = tp_resyncs_new(&options->hash_key, options->max_groups);
    pipeline->delivery = tp_delivery_new(options->nack_delay_ms, options->nack_delay_max_ms);
    pipeline->checkpoints = tp_checkpoints_new();
    pipeline->generations = tp_generations_new();
    pipeline->due = tp_due_make(options->window_ms, options->fresh_ms);
    bool wants_recent = options->fresh_ms < options->window_ms;
    pipeline->recent = wants_recent ? tp_recent_new() : NULL;
    return pipeline->tables != NULL && pipeline->window != NULL && pipeline->limiter != NULL &&
           pipeline->resyncs != NULL && pipeline->delivery != NULL &&
           pipeline->checkpoints != NULL && pipeline->generations != NULL &&
           (pipeline->recent != NULL || !wants_recent) &&
           tp_generations_add_cascade(pipeline->generations, pipeline->cascade);
}

int32_t tp_pipeline_new(const tp_pipeline_options *options, tp_cascade *cascade, tp_fence *fence,
                        tp_pipeline **out, trigperf_error **err) {
    tp_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL) {
        return tp_error_nomem(err);
    }
    pipeline->options = sane(*options);
    pipeline->group_bytes = share(options->max_bytes, pipeline->options.group_percent);
    pipeline->table_bytes = share(options->max_bytes, pipeline->options.table_percent);
    pipeline->cascade = cascade;
    pipeline->fence = fence;
    if (!build(pipeline)) {
        tp_pipeline_free(pipeline);
        return tp_error_nomem(err);
    }
    *out = pipeline;
    return TRIGPERF_OK;
}

void tp_pipeline_free(tp_pipeline *pipeline) {
    if (pipeline == NULL) {
        return;
    }
    tp_tables_free(pipeline->tables);
    tp_window_free(pipeline->window);
    tp_limiter_free(pipeline->limiter);
    tp_resyncs_free(pipeline->resyncs);
    tp_delivery_free(pipeline->delivery);
    tp_checkpoints_free(pipeline->checkpoints);
    tp_generations_free(pipeline->generations);
    tp_recent_free(pipeline->recent);
    free(pipeline);
}

int32_t tp_pipeline_set_cascade(tp_pipeline *pipeline, tp_cascade *cascade, trigperf_error **err) {
    if (!tp_generations_add_cascade(pipeline->generations, cascade)) {
        return tp_error_nomem(err);
    }
    pipeline->cascade = cascade;
    tp_bonds_doubt(pipeline->options.bonds);
    tp_tables_forget_originals(pipeline->tables);
    tp_window_forget_expansions(pipeline->window);
    tp_resyncs_rules_changed(pipeline->resyncs);
    bool unused = tp_window_delta_count(pipeline->window) == 0 &&
                  tp_limiter_held_changes(pipeline->limiter) == 0 &&
                  tp_resyncs_arrival(pipeline->resyncs) == UINT64_MAX;
    if (unused) {
        tp_tables_clear(pipeline->tables);
    }
    return TRIGPERF_OK;
}

static void turn(tp_pipeline *pipeline, uint64_t now_ms) {
    pipeline->now_ms = now_ms > pipeline->now_ms ? now_ms : pipeline->now_ms;
}

static uint64_t after(const tp_pipeline *pipeline, uint32_t ms) {
    return pipeline->now_ms > UINT64_MAX - ms ? UINT64_MAX : pipeline->now_ms + ms;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static bool has_room(const tp_pipeline *pipeline) {
    return tp_delivery_pending(pipeline->delivery) < pipeline->options.max_pending;
}

static bool window_is_empty(const tp_pipeline *pipeline) {
    return tp_window_arrival(pipeline->window) == UINT64_MAX;
}

/* ---- closing the window ---- */

static bool memory_is_short(tp_pipeline *pipeline) {
    pipeline->retry_ms = after(pipeline, MEMORY_RETRY_MS);
    return false;
}

/* The batch of what is to be resynced goes into the queue. */
static bool emit_resync(tp_pipeline *pipeline) {
    bool all = tp_resyncs_has_all(pipeline->resyncs);
    uint64_t arrival = tp_resyncs_arrival(pipeline->resyncs);
    tp_batch *batch = NULL;
    if (tp_delivery_reserve(pipeline->delivery, 1)) {
        batch = tp_resyncs_take(pipeline->resyncs, pipeline->cascade,
                                tp_checkpoints_newest(pipeline->checkpoints));
    }
    if (batch == NULL) {
        return memory_is_short(pipeline);
    }
    tp_delivery_add(pipeline->delivery, batch, arrival);
    pipeline->ready_all = all ? batch : pipeline->ready_all;
    pipeline->counters.batches++;
    pipeline->counters.resyncs++;
    return true;
}

static void emit_cut(tp_pipeline *pipeline, const tp_cut *cut) {
    tp_delivery_add_all(pipeline->delivery, cut->batches, tp_window_arrival(pipeline->window));
    pipeline->counters.batches += cut->batch_count;
    pipeline->counters.keys += cut->named_keys;
    pipeline->counters.keys_limited += cut->held_keys;
}

static bool cut_window(tp_pipeline *pipeline, tp_batch_reason reason) {
    tp_cut cut = {.window = pipeline->window,
                  .limiter = pipeline->limiter,
                  .recent = pipeline->recent,
                  .reason = pipeline->flushing ? TP_BATCH_FLUSH : reason,
                  .now_ms = pipeline->now_ms,
                  .max_keys = pipeline->options.max_keys,
                  .position = tp_checkpoints_newest(pipeline->checkpoints)};
    if (!tp_cut_prepare(&cut)) {
        return memory_is_short(pipeline);
    }
    if (!tp_delivery_reserve(pipeline->delivery, cut.batch_count)) {
        tp_cut_abandon(&cut);
        return memory_is_short(pipeline);
    }
    tp_cut_commit(&cut);
    emit_cut(pipeline, &cut);
    pipeline->counters.windows[cut.reason]++;
    tp_window_clear(pipeline->window);
    return true;
}

/* Resyncs and window become batches. False when memory was short: what could not be made waits. */
static bool close_window(tp_pipeline *pipeline, tp_batch_reason reason) {
    if (tp_resyncs_arrival(pipeline->resyncs) != UINT64_MAX && !emit_resync(pipeline)) {
        return false;
    }
    if (!window_is_empty(pipeline) && !cut_window(pipeline, reason)) {
        return false;
    }
    tp_due_close(&pipeline->due);
    return true;
}

/* The window has reached its size: it closes now, or as soon as the host has made room. */
static void close_full(tp_pipeline *pipeline) {
    if (!has_room(pipeline) || !close_window(pipeline, TP_BATCH_SIZE)) {
        tp_due_hasten(&pipeline->due, pipeline->now_ms);
    }
}

/* ---- arrivals ---- */

static int32_t truncate_arrives(tp_pipeline *pipeline, const tp_change *change,
                                const tp_table *copy, trigperf_error **err) {
    if (!tp_collapse_truncate(pipeline, change, copy)) {
        return tp_error_nomem(err);
    }
    pipeline->counters.changes++;
    return TRIGPERF_OK;
}

/* A change of key values that wait already, with an operation whose keys are known. */
static void merge(tp_pipeline *pipeline, tp_delta *delta, const tp_addition *addition) {
    tp_delta_merge(delta, addition);
    tp_due_recur(&pipeline->due);
    tp_window_mark(pipeline->window, delta, pipeline->fence, &pipeline->marks);
    pipeline->counters.keys_merged += delta->ref_count;
    pipeline->counters.keyless += delta->ref_count == 0 ? 1 : 0;
    pipeline->counters.merged++;
}

static uint32_t fence_slot(const tp_pipeline *pipeline, const char *key, size_t length) {
    if (pipeline->fence == NULL) {
        return 0;
    }
    uint32_t slot = tp_fence_slot(pipeline->fence, key, length);
    tp_fence_fetch(pipeline->fence, slot);
    return slot;
}

bool tp_pipeline_stage_key(tp_pipeline *pipeline, const char *key, size_t length,
                           uint32_t interval_ms, uint64_t lsn) {
    uint32_t slot = fence_slot(pipeline, key, length);
    uint32_t interval = interval_ms > 0 ? interval_ms : pipeline->options.key_interval_ms;
    tp_staged_key staged = {key, (uint32_t)length, interval, slot, pipeline->arrived + 1, lsn};
    return length <= KEY_MAX && tp_window_stage_key(pipeline->window, &staged);
}

static bool stage_expanded(void *user, const char *key, size_t length, uint32_t template_index,
                           uint32_t min_interval_ms) {
    (void)template_index;
    return tp_pipeline_stage_key(user, key, length, min_interval_ms, 0);
}

/* The window is open for what was staged. */
static void keep_open(tp_pipeline *pipeline, bool came_twice) {
    tp_due_open(&pipeline->due, pipeline->now_ms);
    if (pipeline->due.brief &&
        (came_twice || tp_window_staged_recent(pipeline->window, pipeline->recent, pipeline->now_ms,
                                               pipeline->options.window_ms))) {
        tp_due_recur(&pipeline->due);
    }
}

/* What is staged goes into the window, which is closed before if that would be too much for it. */
static int32_t commit(tp_pipeline *pipeline, const tp_addition *addition, uint8_t expanded,
                      trigperf_error **err) {
    uint32_t weight = tp_window_weight(pipeline->window);
    uint32_t more = tp_window_staged_weight(pipeline->window);
    if (weight > 0 && weight + more > pipeline->options.max_keys) {
        close_full(pipeline);
        more = tp_window_staged_weight(pipeline->window);
    }
    const tp_delta *match = tp_window_match(pipeline->window);
    uint32_t keys = tp_window_staged_count(pipeline->window);
    bool keyless = keys == 0 && (match == NULL || match->ref_count == 0);
    bool merged = match != NULL;
    if (!tp_window_commit(pipeline->window, addition, expanded)) {
        return tp_error_nomem(err);
    }
    tp_window_mark_staged(pipeline->window, pipeline->fence, &pipeline->marks);
    pipeline->arrived = addition->arrival;
    pipeline->counters.changes++;
    pipeline->counters.merged += merged ? 1 : 0;
    pipeline->counters.keyless += keyless ? 1 : 0;
    pipeline->counters.keys_merged += keys > more ? keys - more : 0;
    keep_open(pipeline, merged || keys > more);
    if (tp_window_weight(pipeline->window) >= pipeline->options.max_keys) {
        close_full(pipeline);
    }
    return TRIGPERF_OK;
}

void tp_pipeline_settle(tp_pipeline *pipeline) {
    if (pipeline->fence != NULL) {
        tp_fence_write(pipeline->fence, &pipeline->marks);
    }
}

bool tp_pipeline_looks_ahead(const tp_pipeline *pipeline) {
    return tp_window_is_large(pipeline->window);
}

void tp_pipeline_foresee(tp_pipeline *pipeline, const tp_change *change) {
    const tp_table *table = tp_tables_copy(pipeline->tables, change->table);
    if (table != NULL) {
        tp_window_foresee(pipeline->window, table, change->values);
    }
}

void tp_pipeline_approach(tp_pipeline *pipeline) {
    tp_window_approach(pipeline->window, pipeline->fence);
}

/* The first key value that is no text; NULL: all are. */
static const tp_value *find_unreadable(const tp_change *change) {
    for (uint32_t i = 0; i < change->table->key_count; i++) {
        const tp_value *value = &change->values[i];
        if (value->data != NULL && !tp_text_is_utf8(value->data, value->length)) {
            return value;
        }
    }
    return NULL;
}

static void unreadable_arrives(tp_pipeline *pipeline, const tp_table *table, const tp_value *sample,
                               uint64_t lsn) {
    tp_samples_add(&pipeline->unreadable, table->name, sample->data, sample->length,
                   "a key that is not UTF-8");
    tp_collapse_resync(pipeline, table, 0, lsn);
    pipeline->counters.changes++;
    pipeline->counters.unreadable++;
}

void tp_pipeline_unreadable(tp_pipeline *pipeline, uint64_t now_ms, const tp_table *table,
                            const tp_value *sample, uint64_t lsn) {
    turn(pipeline, now_ms);
    unreadable_arrives(pipeline, table, sample, lsn);
}

const tp_samples *tp_pipeline_unreadable_samples(const tp_pipeline *pipeline) {
    return &pipeline->unreadable;
}

int32_t tp_pipeline_change(tp_pipeline *pipeline, uint64_t now_ms, const tp_change *change,
                           trigperf_error **err) {
    turn(pipeline, now_ms);
    tp_bonds_change(pipeline->options.bonds, change);
    const tp_table *table = tp_tables_copy(pipeline->tables, change->table);
    if (table == NULL) {
        return tp_error_nomem(err);
    }
    if (change->op == TP_OP_TRUNCATE) {
        return truncate_arrives(pipeline, change, table, err);
    }
    int32_t status = tp_window_stage(pipeline->window, table, change->values, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint8_t op = (uint8_t)change->op;
    tp_addition addition = {1, pipeline->arrived + 1, tp_lsn_or_unknown(change->lsn), op};
    tp_delta *match = tp_window_match(pipeline->window);
    if (match != NULL && (match->expanded & op) != 0) {
        merge(pipeline, match, &addition);
        pipeline->arrived++;
        pipeline->counters.changes++;
        return TRIGPERF_OK;
    }
    const tp_value *unreadable = find_unreadable(change);
    if (unreadable != NULL) {
        unreadable_arrives(pipeline, change->table, unreadable, change->lsn);
        return TRIGPERF_OK;
    }
    tp_resync_level level = tp_collapse_level(pipeline, change->table);
    if (level != TP_RESYNC_NONE) {
        tp_collapse_change(pipeline, change, table, level);
        return TRIGPERF_OK;
    }
    if (!tp_cascade_expand(pipeline->cascade, change, stage_expanded, pipeline)) {
        return tp_error_nomem(err);
    }
    return commit(pipeline, &addition, op, err);
}

int32_t tp_pipeline_key(tp_pipeline *pipeline, uint64_t now_ms, const char *key, size_t length,
                        trigperf_error **err) {
    turn(pipeline, now_ms);
    if (length == 0 || length > KEY_MAX) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "name the cache key to forget",
                            "a key of 1 to %u bytes was expected, got %zu bytes", KEY_MAX, length);
    }
    tp_window_stage_nothing(pipeline->window);
    if (!tp_pipeline_stage_key(pipeline, key, length, 0, TP_LSN_UNKNOWN)) {
        return tp_error_nomem(err);
    }
    if (tp_pipeline_bytes(pipeline) >= pipeline->options.max_bytes &&
        tp_window_staged_weight(pipeline->window) > 0) {
        tp_collapse_key(pipeline);
        return TRIGPERF_OK;
    }
    tp_addition addition = {1, pipeline->arrived + 1, TP_LSN_UNKNOWN, 0};
    return commit(pipeline, &addition, 0, err);
}

void tp_pipeline_resync(tp_pipeline *pipeline, uint64_t now_ms, const tp_table *table, uint64_t tag,
                        uint64_t lsn) {
    turn(pipeline, now_ms);
    tp_definitions_mark(pipeline->options.definitions, table);
    tp_collapse_resync(pipeline, table, tag, lsn);
}

int32_t tp_pipeline_checkpoint(tp_pipeline *pipeline, const char *position, uint64_t lsn,
                               trigperf_error **err) {
    return tp_checkpoints_add(pipeline->checkpoints, pipeline->arrived, position, lsn)
               ? TRIGPERF_OK
               : tp_error_nomem(err);
}

void tp_pipeline_rewind(tp_pipeline *pipeline) {
    tp_checkpoints_clear(pipeline->checkpoints);
    tp_delivery_let_go(pipeline->delivery);
}

/* ---- time passes ---- */

/* Keys held back until then go back into the window. Returns whether there are more; what failed
 * for lack of memory is tried again in a while. */
static bool release_due(tp_pipeline *pipeline, uint64_t until_ms, uint32_t work) {
    tp_limit *limit = NULL;
    while ((limit = tp_limiter_due(pipeline->limiter, until_ms)) != NULL) {
        if (work-- == 0) {
            return true;
        }
        tp_due_open(&pipeline->due, pipeline->now_ms);
        if (!tp_release(pipeline->limiter, limit, pipeline->window, pipeline->fence)) {
            return memory_is_short(pipeline);
        }
    }
    return false;
}

static void flush(tp_pipeline *pipeline) {
    release_due(pipeline, UINT64_MAX, UINT32_MAX);
    bool released = tp_limiter_held_keys(pipeline->limiter) == 0;
    pipeline->flushing = !close_window(pipeline, TP_BATCH_FLUSH) || !released;
}

/* A resync of everything waits for nobody, but only one at a time. */
static bool all_is_due(const tp_pipeline *pipeline) {
    return tp_resyncs_has_all(pipeline->resyncs) &&
           (pipeline->ready_all == NULL || has_room(pipeline));
}

static void close_due(tp_pipeline *pipeline) {
    if (all_is_due(pipeline) && !emit_resync(pipeline)) {
        return;
    }
    if (pipeline->due.at_ms <= pipeline->now_ms && has_room(pipeline)) {
        bool full = tp_window_weight(pipeline->window) >= pipeline->options.max_keys;
        close_window(pipeline, full ? TP_BATCH_SIZE : TP_BATCH_WINDOW);
    }
}

bool tp_pipeline_tick(tp_pipeline *pipeline, uint64_t now_ms) {
    turn(pipeline, now_ms);
    uint64_t now = pipeline->now_ms;
    bool more =
        tp_limiter_expire(pipeline->limiter, now, pipeline->options.max_bytes / 4, WORK_PER_TURN);
    pipeline->counters.redelivered += tp_delivery_retry(pipeline->delivery, now);
    if (now < pipeline->retry_ms) {
        return more;
    }
    more = release_due(pipeline, now, WORK_PER_TURN) || more;
    if (pipeline->flushing) {
        flush(pipeline);
    } else {
        close_due(pipeline);
    }
    return more;
}

uint64_t tp_pipeline_deadline(const tp_pipeline *pipeline) {
    uint64_t due = UINT64_MAX;
    if (all_is_due(pipeline) || pipeline->flushing) {
        due = 0;
    } else if (has_room(pipeline)) {
        due = pipeline->due.at_ms;
    }
    due = least(due, tp_limiter_deadline(pipeline->limiter));
    due = due < pipeline->retry_ms ? pipeline->retry_ms : due;
    return least(due, tp_delivery_deadline(pipeline->delivery));
}

void tp_pipeline_flush(tp_pipeline *pipeline, uint64_t now_ms) {
    turn(pipeline, now_ms);
    flush(pipeline);
}

/* ---- figures ---- */

bool tp_pipeline_full(const tp_pipeline *pipeline) {
    return !has_room(pipeline) || tp_pipeline_bytes(pipeline) >= pipeline->options.max_bytes / 4;
}

bool tp_pipeline_idle(const tp_pipeline *pipeline) {
    return window_is_empty(pipeline) && tp_resyncs_arrival(pipeline->resyncs) == UINT64_MAX &&
           tp_limiter_held_keys(pipeline->limiter) == 0 &&
           tp_delivery_pending(pipeline->delivery) == 0;
}

uint64_t tp_pipeline_arrived(const tp_pipeline *pipeline) {
    return pipeline->arrived;
}

uint64_t tp_pipeline_low_water(const tp_pipeline *pipeline) {
    uint64_t oldest = pipeline->arrived + 1;
    oldest = least(oldest, tp_window_arrival(pipeline->window));
    oldest = least(oldest, tp_resyncs_arrival(pipeline->resyncs));
    oldest = least(oldest, tp_limiter_arrival(pipeline->limiter));
    return least(oldest, tp_delivery_arrival(pipeline->delivery));
}

const char *tp_pipeline_position(tp_pipeline *pipeline) {
    const tp_checkpoint *passed =
        tp_checkpoints_pass(pipeline->checkpoints, tp_pipeline_low_water(pipeline));
    if (passed == NULL) {
        return NULL;
    }
    pipeline->position_lsn = passed->lsn;
    return passed->position;
}

uint64_t tp_pipeline_position_lsn(const tp_pipeline *pipeline) {
    return pipeline->position_lsn;
}

uint64_t tp_pipeline_generation(const tp_pipeline *pipeline, const char *template_text) {
    return tp_generations_get(pipeline->generations, template_text);
}

void tp_pipeline_counters_get(const tp_pipeline *pipeline, tp_pipeline_counters *out) {
    *out = pipeline->counters;
    out->pending_changes =
        tp_window_delta_count(pipeline->window) + tp_limiter_held_changes(pipeline->limiter);
    out->pending_keys =
        tp_window_key_count(pipeline->window) + tp_limiter_held_keys(pipeline->limiter);
    out->pending_batches = tp_delivery_pending(pipeline->delivery);
    out->bytes = tp_pipeline_bytes(pipeline);
}

tp_batch *tp_pipeline_next(tp_pipeline *pipeline) {
    tp_batch *batch = tp_delivery_next(pipeline->delivery);
    pipeline->ready_all = batch == pipeline->ready_all ? NULL : pipeline->ready_all;
    return batch;
}

bool tp_pipeline_has_next(const tp_pipeline *pipeline) {
    return tp_delivery_has_next(pipeline->delivery);
}

void tp_pipeline_ack(tp_pipeline *pipeline, tp_batch *batch) {
    tp_delivery_ack(pipeline->delivery, batch);
    pipeline->counters.acknowledged++;
}

void tp_pipeline_nack(tp_pipeline *pipeline, uint64_t now_ms, tp_batch *batch) {
    turn(pipeline, now_ms);
    tp_delivery_nack(pipeline->delivery, pipeline->now_ms, batch);
}

void tp_pipeline_drop(tp_pipeline *pipeline, tp_batch *batch) {
    tp_delivery_drop(pipeline->delivery, batch);
}
