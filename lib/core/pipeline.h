/* From changes to acknowledged batches: coalesce -> window -> cascade -> limiter -> batch -> ack,
 * with the low-water mark. Pure: time and positions are arguments. Not thread-safe: the context
 * holds its lock around every call, except the fence, which is lock-free.
 *
 * Vocabulary: every change gets an arrival number; a checkpoint says "all changes up to here are
 * covered by this position"; the low-water mark is the oldest arrival number that still waits in
 * the window, the limiter or an unacknowledged batch. The position to store is that of the newest
 * checkpoint below the low-water mark. */
#ifndef TP_CORE_PIPELINE_H
#define TP_CORE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "core/bonds.h"
#include "core/cascade.h"
#include "core/definitions.h"
#include "core/fence.h"
#include "core/samples.h"

typedef struct tp_pipeline tp_pipeline;
typedef struct tp_batch tp_batch;

typedef struct tp_pipeline_options {
    uint32_t window_ms;     /* a window ends so long after its first change */
    uint32_t fresh_ms;      /* or so long, if no key came twice or was delivered within window_ms */
    uint32_t max_keys;      /* or when it holds so many distinct keys; never splits one change */
    uint32_t max_pending;   /* batches made and not yet acknowledged before full() says yes */
    uint64_t max_bytes;     /* memory for changes, keys and batches; full() says yes at a quarter */
    uint32_t group_percent; /* of max_bytes: from there on changes collapse to groups, */
    uint32_t table_percent; /* and from here on to tables; 0: 100 */
    uint32_t max_groups;    /* of a template, above which it is told whole */
    uint32_t key_interval_ms; /* limiter default: one delivery per key per interval; 0: off */
    uint32_t nack_delay_ms;   /* first redelivery delay, doubles per attempt */
    uint32_t nack_delay_max_ms;
    tp_hash_key hash_key;
    tp_bonds *bonds;             /* told of what arrives; may be NULL */
    tp_definitions *definitions; /* marked by what resyncs arrive; borrowed, may be NULL */
} tp_pipeline_options;

typedef enum tp_batch_reason {
    TP_BATCH_WINDOW,
    TP_BATCH_SIZE,
    TP_BATCH_FLUSH,
    TP_BATCH_RESYNC
} tp_batch_reason;

/* How much a resync says may have changed. */
typedef enum tp_resync_level {
    TP_RESYNC_NONE,
    TP_RESYNC_GROUP, /* what its prefixes cover, and keys that other batches name */
    TP_RESYNC_TABLE,
    TP_RESYNC_ALL
} tp_resync_level;

typedef struct tp_pipeline_counters {
    uint64_t changes;      /* arrived */
    uint64_t merged;       /* of them merged into a waiting one */
    uint64_t keys;         /* delivered in batches (first attempts) */
    uint64_t keys_merged;  /* keys that a waiting window held already */
    uint64_t keys_limited; /* held back by the limiter */
    uint64_t keyless;      /* changes that yielded no key */
    uint64_t batches;
    uint64_t redelivered;
    uint64_t acknowledged;
    uint64_t resyncs;         /* batches of reason resync among them */
    uint64_t windows[3];      /* closed by time, by size, by a flush: see tp_batch_reason */
    uint64_t collapsed;       /* changes that became a resync because memory was full, */
    uint64_t collapsed_group; /* and of which level */
    uint64_t collapsed_table;
    uint64_t collapsed_all;
    uint64_t unreadable;      /* changes that became a resync of their table: keys not in UTF-8 */
    uint64_t pending_changes; /* distinct ones in window and limiter */
    uint64_t pending_keys;
    uint64_t pending_batches;
    uint64_t bytes;
} tp_pipeline_counters;

/* Takes no ownership of cascade (prepared) nor fence (may be NULL); both must outlive it or be
 * replaced. */
int32_t tp_pipeline_new(const tp_pipeline_options *options, tp_cascade *cascade, tp_fence *fence,
                        tp_pipeline **out, trigperf_error **err);
void tp_pipeline_free(tp_pipeline *pipeline); /* batches still out stay valid: each is freed by
                                                 tp_batch_free */

/* Rules changed: later changes use the new cascade. What waits keeps its keys; the pipeline copies
 * what it needs of tables (names, key names), so the former cascade may be freed after this. */
int32_t tp_pipeline_set_cascade(tp_pipeline *pipeline, tp_cascade *cascade, trigperf_error **err);

/* A change arrives: notes marks of the fence for its keys, merges it. A TRUNCATE change also counts
 * as a resync of its table; one whose key values are not UTF-8 becomes one. On E_NOMEM the change
 * was NOT taken (the caller must resync or retry). */
int32_t tp_pipeline_change(tp_pipeline *pipeline, uint64_t now_ms, const tp_change *change,
                           trigperf_error **err);
/* Writes the marks that were noted: before anybody else sees the pipeline, which may tell of these
 * changes then. */
void tp_pipeline_settle(tp_pipeline *pipeline);
/* For callers with several changes at hand, while the first of these says yes: each of the next
 * TP_PIPELINE_AHEAD changes is foreseen, then approached, then told. Hints: they ask for memory
 * ahead and change nothing. */
#define TP_PIPELINE_AHEAD 32u
bool tp_pipeline_looks_ahead(const tp_pipeline *pipeline);
void tp_pipeline_foresee(tp_pipeline *pipeline, const tp_change *change);
void tp_pipeline_approach(tp_pipeline *pipeline);
/* The host names a cache key itself (no table, no change object). */
int32_t tp_pipeline_key(tp_pipeline *pipeline, uint64_t now_ms, const char *key, size_t length,
                        trigperf_error **err);
/* Anything under table may have changed; NULL: everything. Marks the fence, raises generations.
 * Never fails for lack of memory: it falls back to "everything", which needs none. tag 0, or a
 * number that tp_batch_tag() gives back on the batch that carries it (to clear needs_resync on
 * ack); where several resyncs become one batch it gives back the largest. A resync of everything is
 * delivered at once; of a table with the window. table belongs to the cascade in use. */
void tp_pipeline_resync(tp_pipeline *pipeline, uint64_t now_ms, const tp_table *table, uint64_t tag,
                        uint64_t lsn);

/* A change of the table whose keys cannot be told, since they are no text in UTF-8: the table is
 * resynced, and the change is counted and kept as a sample. Does not fail. */
void tp_pipeline_unreadable(tp_pipeline *pipeline, uint64_t now_ms, const tp_table *table,
                            const tp_value *sample, uint64_t lsn);
/* The newest of them; the origin is the table. Borrowed. */
const tp_samples *tp_pipeline_unreadable_samples(const tp_pipeline *pipeline);

/* All changes so far are covered by this position (opaque text, copied); lsn goes with it. */
int32_t tp_pipeline_checkpoint(tp_pipeline *pipeline, const char *position, uint64_t lsn,
                               trigperf_error **err);

/* Forgets all checkpoints, and batches handed out no longer hold the position (a nack still brings
 * them back): used before replaying from a stored position after reconnecting. What waits stays:
 * the host may have pushed it, and what is replayed merges with it. */
void tp_pipeline_rewind(tp_pipeline *pipeline);

/* Moves what is due into batches: window end, limiter, redelivery. Bounded work per call: returns
 * true when more is due at once. */
bool tp_pipeline_tick(tp_pipeline *pipeline, uint64_t now_ms);
/* When tick wants to be called next (ms), UINT64_MAX: when something arrives. */
uint64_t tp_pipeline_deadline(const tp_pipeline *pipeline);
/* Window and limiter become batches now (reason flush). */
void tp_pipeline_flush(tp_pipeline *pipeline, uint64_t now_ms);

bool tp_pipeline_full(const tp_pipeline *pipeline);
/* Nothing waits: no window, no limiter, no batch ready or out. */
bool tp_pipeline_idle(const tp_pipeline *pipeline);
/* Arrival number of the newest change, and the low-water mark (newest + 1 when idle). */
uint64_t tp_pipeline_arrived(const tp_pipeline *pipeline);
uint64_t tp_pipeline_low_water(const tp_pipeline *pipeline);

/* Position of the newest checkpoint below the low-water mark when it is newer than the last one
 * returned, else NULL. Valid until the next call of anything. */
const char *tp_pipeline_position(tp_pipeline *pipeline);
/* The lsn that came with the position returned last. */
uint64_t tp_pipeline_position_lsn(const tp_pipeline *pipeline);

/* The next batch to hand over (borrowed by the caller until ack, nack or free), or NULL. */
tp_batch *tp_pipeline_next(tp_pipeline *pipeline);
bool tp_pipeline_has_next(const tp_pipeline *pipeline);
/* All consume the batch. Order does not matter. */
void tp_pipeline_ack(tp_pipeline *pipeline, tp_batch *batch);
void tp_pipeline_nack(tp_pipeline *pipeline, uint64_t now_ms, tp_batch *batch);
/* Neither: its changes stay undelivered, and hold the position, until the next rewind. */
void tp_pipeline_drop(tp_pipeline *pipeline, tp_batch *batch);
/* For a batch whose pipeline is gone. */
void tp_batch_free(tp_batch *batch);

/* Reading a batch: safe from any one thread that holds it, no lock needed (immutable; the JSON text
 * is built on first use and cached). */
uint64_t tp_batch_number(const tp_batch *batch);  /* from 1; a redelivery keeps its number */
uint32_t tp_batch_attempt(const tp_batch *batch); /* from 1 */
tp_batch_reason tp_batch_reason_of(const tp_batch *batch);
uint64_t
tp_batch_lsn(const tp_batch *batch); /* all its changes committed at or before; 0 unknown */
const char *tp_batch_position(const tp_batch *batch); /* newest checkpoint when it was made, "" */
uint64_t tp_batch_tag(const tp_batch *batch);
uint32_t tp_batch_key_count(const tp_batch *batch);
const char *tp_batch_key(const tp_batch *batch, uint32_t i, size_t *length); /* sorted bytewise */
uint32_t tp_batch_change_count(const tp_batch *batch);
const char *tp_batch_change_table(const tp_batch *batch, uint32_t i);
uint32_t tp_batch_change_ops(const tp_batch *batch, uint32_t i);
uint64_t tp_batch_change_merged(const tp_batch *batch, uint32_t i); /* how many were merged */
uint32_t tp_batch_change_value_count(const tp_batch *batch, uint32_t i);
const char *tp_batch_change_name(const tp_batch *batch, uint32_t i, uint32_t j);
/* NULL for SQL NULL */
const char *tp_batch_change_value(const tp_batch *batch, uint32_t i, uint32_t j, size_t *length);
uint32_t tp_batch_resync_count(const tp_batch *batch);
const char *tp_batch_resync_table(const tp_batch *batch, uint32_t i); /* "*": everything */
tp_resync_level tp_batch_resync_level(const tp_batch *batch, uint32_t i);
uint32_t tp_batch_resync_template_count(const tp_batch *batch, uint32_t i);
const char *tp_batch_resync_template(const tp_batch *batch, uint32_t i, uint32_t j);
uint32_t tp_batch_resync_prefix_count(const tp_batch *batch, uint32_t i); /* sorted, distinct */
const char *tp_batch_resync_prefix(const tp_batch *batch, uint32_t i, uint32_t j);
/* One JSON object, no newline; NULL when memory is short. Borrowed from the batch. */
const char *tp_batch_json(tp_batch *batch, size_t *length);

/* Generation of a template text: 1 at first, raised by each resync that touches it; counted across
 * cascade changes. 0: no such template. */
uint64_t tp_pipeline_generation(const tp_pipeline *pipeline, const char *template_text);

void tp_pipeline_counters_get(const tp_pipeline *pipeline, tp_pipeline_counters *out);

#endif
