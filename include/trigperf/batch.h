/**
 * @file batch.h
 * @brief Pulling, reading and acknowledging batches.
 *
 * A batch names the cache keys to forget and the changes behind them. It is delivered at least
 * once: pull it, forget the keys, then acknowledge. What is not acknowledged comes again, in this
 * process after trigperf_batch_nack(), or in the next one that uses the same consumer name.
 *
 * Pulling, ack and nack may be called from any thread. A pulled batch is immutable and may be read
 * by one thread at a time. Strings are UTF-8 (the database's text in client encoding UTF8), not
 * necessarily free of NUL when the host pushed them, and borrowed: valid until ack, nack or free.
 */
#ifndef TRIGPERF_BATCH_H
#define TRIGPERF_BATCH_H

#include <stdint.h>

#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A batch. Opaque. */
typedef struct trigperf_batch trigperf_batch;

/** Why a batch was made. */
enum trigperf_reason {
    TRIGPERF_REASON_WINDOW = 0, /**< the window's time, or a key's rate limit, was up */
    TRIGPERF_REASON_SIZE = 1,   /**< the window held `batch.max_keys` keys */
    TRIGPERF_REASON_FLUSH = 2,  /**< the host asked for it */
    TRIGPERF_REASON_RESYNC = 3  /**< anything under the named tables may have changed */
};

/** How much an entry of a resync says may have changed. Hosts that forget all that begins with its
 * prefixes, or use trigperf_generation(), need not look at it. */
enum trigperf_resync_level {
    TRIGPERF_RESYNC_NONE = 0,  /**< there is no such entry */
    TRIGPERF_RESYNC_GROUP = 1, /**< memory was short: cache keys that begin with its prefixes, and
                                    those that other batches name. Changes of the table were told
                                    without a change object */
    TRIGPERF_RESYNC_TABLE = 2, /**< anything under the table */
    TRIGPERF_RESYNC_ALL = 3    /**< everything; the table is `"*"` */
};

/** Operations, as bits of trigperf_batch_change_ops(). */
enum trigperf_op {
    TRIGPERF_OP_DELETE = 1,   /**< DELETE */
    TRIGPERF_OP_INSERT = 2,   /**< INSERT */
    TRIGPERF_OP_TRUNCATE = 4, /**< TRUNCATE: comes with a resync of the table */
    TRIGPERF_OP_UPDATE = 8    /**< UPDATE */
};

/**
 * @brief Takes the next batch, if there is one.
 * @param context the context.
 * @param[out] batch receives the batch, or NULL when none is ready. The caller gives it back with
 *        trigperf_batch_ack(), trigperf_batch_nack() or trigperf_batch_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM (nothing taken), #TRIGPERF_E_FORKED. O(1). Any thread.
 */
int32_t trigperf_batch_next(trigperf_context *context, trigperf_batch **batch,
                            trigperf_error **error);

/**
 * @brief Acknowledges a batch and releases it: its changes count as delivered. Batches may be
 *        acknowledged in any order; the stored position passes a batch once all before it are.
 * @param batch a batch; invalid afterwards, whatever is returned.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_STATE when the context is gone; #TRIGPERF_E_FORKED.
 */
int32_t trigperf_batch_ack(trigperf_batch *batch, trigperf_error **error);

/**
 * @brief Gives a batch back: it comes again after a delay that grows with each attempt
 *        (`nack.delay_ms`, doubled up to `nack.delay_max_ms`).
 * @param batch a batch; invalid afterwards, whatever is returned.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_STATE when the context is gone; #TRIGPERF_E_FORKED.
 */
int32_t trigperf_batch_nack(trigperf_batch *batch, trigperf_error **error);

/**
 * @brief Releases a batch without a word: a named consumer gets its changes again when it
 *        connects the next time, an ephemeral one does not. For clean-up paths; otherwise use ack
 *        or nack.
 * @param batch a batch, or NULL (no effect).
 */
void trigperf_batch_free(trigperf_batch *batch);

/**
 * @brief Number of the batch, counted from 1 in a context; a redelivery keeps it.
 * @param batch a batch.
 * @return the number.
 */
uint64_t trigperf_batch_number(const trigperf_batch *batch);

/**
 * @brief Which delivery this is, from 1.
 * @param batch a batch.
 * @return the attempt.
 */
uint32_t trigperf_batch_attempt(const trigperf_batch *batch);

/**
 * @brief Why it was made.
 * @param batch a batch.
 * @return one of #trigperf_reason.
 */
int32_t trigperf_batch_reason(const trigperf_batch *batch);

/**
 * @brief A write-ahead log position at or after the commit of every change in the batch: a cache
 *        refilled from a replica must wait until that replica has replayed past it.
 * @param batch a batch.
 * @return the LSN as a number; 0 when unknown (pushed changes).
 */
uint64_t trigperf_batch_lsn(const trigperf_batch *batch);

/**
 * @brief The reader's position when the batch was made: opaque text, for logs and comparisons.
 * @param batch a batch.
 * @return the text; `""` when there is none.
 */
const char *trigperf_batch_position(const trigperf_batch *batch);

/**
 * @brief How many cache keys to forget.
 * @param batch a batch.
 * @return the count; 0 in a resync.
 */
uint32_t trigperf_batch_key_count(const trigperf_batch *batch);

/**
 * @brief A cache key. Keys are distinct and in bytewise order.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_key_count() - 1.
 * @param[out] length receives the length in bytes; may be NULL.
 * @return the key, NUL-terminated; NULL when index is out of range.
 */
const char *trigperf_batch_key_at(const trigperf_batch *batch, uint32_t index, uint64_t *length);

/**
 * @brief How many changes (distinct table and key values) stand behind the keys.
 * @param batch a batch.
 * @return the count.
 */
uint32_t trigperf_batch_change_count(const trigperf_batch *batch);

/**
 * @brief Table of a change, as quote_ident would write it.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_change_count() - 1.
 * @return the name; NULL when index is out of range.
 */
const char *trigperf_batch_change_table(const trigperf_batch *batch, uint32_t index);

/**
 * @brief Operations of a change, merged: bits of #trigperf_op.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_change_count() - 1.
 * @return the bits; 0 when index is out of range.
 */
uint32_t trigperf_batch_change_ops(const trigperf_batch *batch, uint32_t index);

/**
 * @brief How many changes were merged into this one.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_change_count() - 1.
 * @return the count, from 1; 0 when index is out of range.
 */
uint64_t trigperf_batch_change_merged(const trigperf_batch *batch, uint32_t index);

/**
 * @brief How many keys the table of a change declares.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_change_count() - 1.
 * @return the count; 0 when index is out of range.
 */
uint32_t trigperf_batch_change_key_count(const trigperf_batch *batch, uint32_t index);

/**
 * @brief Name of a key of a change.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_change_count() - 1.
 * @param key   0 to trigperf_batch_change_key_count() - 1.
 * @return the name; NULL when out of range.
 */
const char *trigperf_batch_change_key_name(const trigperf_batch *batch, uint32_t index,
                                           uint32_t key);

/**
 * @brief Value of a key of a change, as text.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_change_count() - 1.
 * @param key   0 to trigperf_batch_change_key_count() - 1.
 * @param[out] length receives the length in bytes; may be NULL.
 * @return the value, NUL-terminated; NULL for SQL NULL or when out of range.
 */
const char *trigperf_batch_change_key_value(const trigperf_batch *batch, uint32_t index,
                                            uint32_t key, uint64_t *length);

/**
 * @brief How many tables the batch asks to resync.
 * @param batch a batch.
 * @return the count; 0 except in a batch of reason #TRIGPERF_REASON_RESYNC.
 */
uint32_t trigperf_batch_resync_count(const trigperf_batch *batch);

/**
 * @brief A table to resync: anything under it may have changed.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_resync_count() - 1.
 * @return the name as quote_ident would write it, `"*"` for everything; NULL when out of range.
 */
const char *trigperf_batch_resync_table(const trigperf_batch *batch, uint32_t index);

/**
 * @brief How much an entry says may have changed.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_resync_count() - 1.
 * @return one of #trigperf_resync_level; #TRIGPERF_RESYNC_NONE when out of range.
 */
int32_t trigperf_batch_resync_level(const trigperf_batch *batch, uint32_t index);

/**
 * @brief How many templates that table feeds; with #TRIGPERF_RESYNC_GROUP, how many of them are
 *        told by prefixes (the others are told by their keys).
 * @param batch a batch.
 * @param index 0 to trigperf_batch_resync_count() - 1.
 * @return the count.
 */
uint32_t trigperf_batch_resync_template_count(const trigperf_batch *batch, uint32_t index);

/**
 * @brief A template that the table feeds; see trigperf_generation().
 * @param batch a batch.
 * @param index 0 to trigperf_batch_resync_count() - 1.
 * @param item  0 to trigperf_batch_resync_template_count() - 1.
 * @return the template's text; NULL when out of range.
 */
const char *trigperf_batch_resync_template(const trigperf_batch *batch, uint32_t index,
                                           uint32_t item);

/**
 * @brief How many distinct prefixes cover the keys of those templates: their literal beginnings;
 * with #TRIGPERF_RESYNC_GROUP also longer ones, which end before the second part of a template.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_resync_count() - 1.
 * @return the count.
 */
uint32_t trigperf_batch_resync_prefix_count(const trigperf_batch *batch, uint32_t index);

/**
 * @brief A prefix: every cache key that starts so may be stale.
 * @param batch a batch.
 * @param index 0 to trigperf_batch_resync_count() - 1.
 * @param item  0 to trigperf_batch_resync_prefix_count() - 1.
 * @return the prefix; NULL when out of range.
 */
const char *trigperf_batch_resync_prefix(const trigperf_batch *batch, uint32_t index,
                                         uint32_t item);

/**
 * @brief The whole batch as one JSON object without a newline, for bindings.
 * @param batch a batch.
 * @param[out] json   receives the text, borrowed from the batch.
 * @param[out] length receives its length in bytes; may be NULL.
 * @param[out] error  see error.h; may be NULL.
 * @return 0 or #TRIGPERF_E_NOMEM. O(size) at the first call, then O(1).
 */
int32_t trigperf_batch_json(trigperf_batch *batch, const char **json, uint64_t *length,
                            trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
