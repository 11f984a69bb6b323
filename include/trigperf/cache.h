/**
 * @file cache.h
 * @brief The verdict cache: outcomes of validations, and other answers of a few bits, by key.
 *
 * A verdict is a number from 0 to 65535: #TRIGPERF_VERDICT_VALID, or what is wrong (the number of
 * the rule that failed, a code of the host's own). It is kept under a validator, which is a number
 * of the host's choice, and a key of any bytes.
 *
 * The cache belongs to a context, has room for `cache.capacity` verdicts and works without a
 * database (`source = none`). It may forget any verdict at any time, and never returns one that was
 * put under another key, but for a probability that doc/cache.md states (about 2^-59 for each
 * lookup of a key that is not there; none at all with `cache.exact = on`).
 *
 * Every call may be made from any thread. Lookups take no lock, and write nothing that other
 * threads read once a verdict is known to be popular. A call is O(length of the key) unless said
 * otherwise. No call but trigperf_cache_resize(), _save(), _load() and the first use of a
 * validator, of a table or of a row allocates memory.
 *
 * `validator` is below #TRIGPERF_VALIDATORS_MAX everywhere; 0 serves a host that has one kind only.
 * A key has at most #TRIGPERF_KEY_MAX bytes, and may be empty.
 */
#ifndef TRIGPERF_CACHE_H
#define TRIGPERF_CACHE_H

#include <stdint.h>

#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Numbers that the cache's calls take and give. */
enum trigperf_cache_numbers {
    TRIGPERF_VERDICT_VALID = 0,      /**< the verdict of what is in order */
    TRIGPERF_VERDICT_MAX = 65535,    /**< the largest verdict */
    TRIGPERF_VALIDATORS_MAX = 65536, /**< validators have lower numbers */
    TRIGPERF_KEY_MAX = 1048576,      /**< bytes of a key */
    TRIGPERF_TTL_DEFAULT = 0,        /**< that of the validator, else `cache.ttl_ms` */
    TRIGPERF_TTL_NEVER = -1          /**< never expires */
};

/**
 * @brief Finds the verdict of a key that is not cached. Called without any lock held; may use the
 *        context, the cache included.
 * @param user   what was handed to the call.
 * @param key    the key.
 * @param length its length in bytes.
 * @param[out] verdict receives the verdict, 0 to 65535.
 * @return 0, or a negative status that the call gives back; nothing is cached then.
 */
typedef int32_t (*trigperf_verdict_fn)(void *user, const char *key, uint64_t length,
                                       uint32_t *verdict);

/**
 * @brief Looks a verdict up.
 * @param context   the context.
 * @param validator number of the validator.
 * @param key       the key.
 * @param length    its length in bytes.
 * @param[out] verdict receives the verdict.
 * @return 0; #TRIGPERF_E_NOT_FOUND (not cached, expired or invalidated); #TRIGPERF_E_INVALID;
 *         #TRIGPERF_E_FORKED. No lock, no allocation.
 */
int32_t trigperf_cache_get(trigperf_context *context, uint32_t validator, const char *key,
                           uint64_t length, uint32_t *verdict);

/**
 * @brief Keeps a verdict, in place of the one that the key had.
 *
 * With a token from trigperf_fence_begin(), taken before the verdict was worked out, a verdict that
 * has been overtaken is not kept: by trigperf_cache_invalidate() of the key, or by a change whose
 * rules name the key as a cache key.
 * @param context   the context.
 * @param validator number of the validator.
 * @param key       the key.
 * @param length    its length in bytes.
 * @param verdict   0 to #TRIGPERF_VERDICT_MAX.
 * @param ttl_ms    time to live in ms; #TRIGPERF_TTL_DEFAULT; #TRIGPERF_TTL_NEVER. It is shortened
 *        at random by up to `cache.ttl_jitter` percent and exact to 8 ms, above 65 s to a
 *        thousandth.
 * @param token     from trigperf_fence_begin(), or 0.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_STALE (overtaken: not kept, nor is a former verdict);
 *         #TRIGPERF_E_INVALID; #TRIGPERF_E_NOMEM; #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_put(trigperf_context *context, uint32_t validator, const char *key,
                           uint64_t length, uint32_t verdict, int64_t ttl_ms, uint64_t token,
                           trigperf_error **error);

/**
 * @brief Keeps a verdict until a table changes.
 *
 * The verdict goes when a change or a resync of the table arrives in this context (not at the end
 * of the window), in O(1) however many verdicts are bound to it. It costs the entry nothing more.
 * @param context   the context.
 * @param validator number of the validator.
 * @param key       the key.
 * @param length    its length in bytes.
 * @param verdict   0 to #TRIGPERF_VERDICT_MAX.
 * @param ttl_ms    as in trigperf_cache_put().
 * @param token     from trigperf_fence_begin(), taken before the database was read; 0: changes
 *        count from now on.
 * @param table     `schema.table` as quote_ident would write it.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_STALE (the table changed after the token: not kept, nor is a former
 *         verdict; also, needlessly, when anything arrived between the token and the first verdict
 *         that is bound to a table); #TRIGPERF_E_NOT_FOUND (changes of that table do not come here:
 *         it is not attached, or the context is not ready yet; never with `source = none`);
 *         #TRIGPERF_E_INVALID; #TRIGPERF_E_NOMEM (not kept, nor is a former verdict);
 *         #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_put_table(trigperf_context *context, uint32_t validator, const char *key,
                                 uint64_t length, uint32_t verdict, int64_t ttl_ms, uint64_t token,
                                 const char *table, trigperf_error **error);

/**
 * @brief Keeps a verdict until a row of a table changes.
 *
 * As trigperf_cache_put_table(), but only changes that tell the same value of the key count, and
 * resyncs and TRUNCATE of the table. A change that does not tell that key counts for all rows. A
 * change may also end verdicts of another row: two of them share a slot with a probability of 1 in
 * the number of slots, which is `cache.capacity` rounded up to a power of two. From the first call
 * on, the cache takes 8 bytes more for each verdict of its capacity, and 8 for each slot.
 * @param context   the context.
 * @param validator number of the validator.
 * @param key       the key.
 * @param length    its length in bytes.
 * @param verdict   0 to #TRIGPERF_VERDICT_MAX.
 * @param ttl_ms    as in trigperf_cache_put().
 * @param token     as in trigperf_cache_put_table().
 * @param table     as in trigperf_cache_put_table().
 * @param column    name of one of the table's keys, as attached.
 * @param value     its value in that row, as text (doc/sql.md says how types are written).
 * @param value_length its length in bytes.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_cache_put_table().
 */
int32_t trigperf_cache_put_row(trigperf_context *context, uint32_t validator, const char *key,
                               uint64_t length, uint32_t verdict, int64_t ttl_ms, uint64_t token,
                               const char *table, const char *column, const char *value,
                               uint64_t value_length, trigperf_error **error);

/**
 * @brief Looks a verdict up, and works it out and keeps it when it is not cached.
 *
 * Threads that miss the same key at the same time each call `fn`. A verdict whose key or validator
 * was invalidated while `fn` ran is returned, and not kept.
 * @param context   the context.
 * @param validator number of the validator.
 * @param key       the key.
 * @param length    its length in bytes.
 * @param fn        works the verdict out.
 * @param user      handed to it.
 * @param[out] verdict receives the verdict.
 * @param[out] error see error.h; may be NULL; not set when `fn` failed.
 * @return 1 when it was cached, 0 when `fn` was called; what `fn` returned when that is negative;
 *         #TRIGPERF_E_INVALID; #TRIGPERF_E_NOMEM; #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_compute(trigperf_context *context, uint32_t validator, const char *key,
                               uint64_t length, trigperf_verdict_fn fn, void *user,
                               uint32_t *verdict, trigperf_error **error);

/**
 * @brief Looks many verdicts up, fetching ahead from memory: about twice as quick for each.
 * @param context   the context.
 * @param validator number of the validator.
 * @param keys      count keys.
 * @param lengths   their lengths in bytes.
 * @param count     number of keys.
 * @param[out] verdicts receives count verdicts; -1 where there is none.
 * @return the number of verdicts found; #TRIGPERF_E_INVALID; #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_get_many(trigperf_context *context, uint32_t validator,
                                const char *const *keys, const uint64_t *lengths, uint32_t count,
                                int32_t *verdicts);

/**
 * @brief Keeps many verdicts, each as trigperf_cache_put() does.
 * @param context   the context.
 * @param validator number of the validator.
 * @param keys      count keys.
 * @param lengths   their lengths in bytes.
 * @param verdicts  count verdicts; those that are negative are passed over.
 * @param count     number of keys.
 * @param ttl_ms    as in trigperf_cache_put().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (nothing was kept), #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_put_many(trigperf_context *context, uint32_t validator,
                                const char *const *keys, const uint64_t *lengths,
                                const int32_t *verdicts, uint32_t count, int64_t ttl_ms,
                                trigperf_error **error);

/**
 * @brief trigperf_cache_compute() of many keys, fetching ahead from memory.
 * @param context   the context.
 * @param validator number of the validator.
 * @param keys      count keys; equal ones may be worked out once only.
 * @param lengths   their lengths in bytes.
 * @param count     number of keys.
 * @param fn        works out what is not cached, key by key.
 * @param user      handed to it.
 * @param[out] verdicts receives count verdicts; complete only when the call succeeds.
 * @param[out] error see error.h; may be NULL; not set when `fn` failed.
 * @return the number of verdicts that were cached, or as trigperf_cache_compute().
 */
int32_t trigperf_cache_compute_many(trigperf_context *context, uint32_t validator,
                                    const char *const *keys, const uint64_t *lengths,
                                    uint32_t count, trigperf_verdict_fn fn, void *user,
                                    int32_t *verdicts, trigperf_error **error);

/**
 * @brief Says what a validator's rules are, and how long its verdicts live.
 *
 * Verdicts that were put under another version are not found, also those of a snapshot. Not needed
 * before a validator is used: its version is 0 then, and `cache.ttl_ms` holds.
 * @param context   the context.
 * @param validator number of the validator.
 * @param version   names the rules: the same in all processes that share snapshots exactly when the
 *        rules are the same, such as a hash of their text.
 * @param ttl_ms    time to live of its verdicts unless `put` names one; as in trigperf_cache_put().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED. O(1).
 */
int32_t trigperf_cache_validator_set(trigperf_context *context, uint32_t validator,
                                     uint64_t version, int64_t ttl_ms, trigperf_error **error);

/**
 * @brief Forgets the verdict of a key. When the call returns, no thread finds it any more.
 * @param context   the context.
 * @param validator number of the validator.
 * @param key       the key.
 * @param length    its length in bytes.
 * @param[out] error see error.h; may be NULL.
 * @return 1 when there was one, 0 when there was none, #TRIGPERF_E_INVALID, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_invalidate(trigperf_context *context, uint32_t validator, const char *key,
                                  uint64_t length, trigperf_error **error);

/**
 * @brief Forgets all verdicts of a validator, in O(1): they get another generation, are not found
 *        any more, and go as others come.
 * @param context   the context.
 * @param validator number of the validator.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_invalidate_validator(trigperf_context *context, uint32_t validator,
                                            trigperf_error **error);

/**
 * @brief Forgets everything. Statistics go on. O(capacity).
 * @param context the context.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_cache_clear(trigperf_context *context, trigperf_error **error);

/**
 * @brief Changes the capacity.
 *
 * What is there stays to be found: it moves over as it is asked for, and the rest goes after four
 * misses for each verdict of the former capacity. Until then both take memory; the addresses (not
 * the memory) of the former one stay reserved until the context is freed.
 * @param context  the context.
 * @param capacity verdicts, at most 2^32, rounded up to a multiple of 16; 0: nothing is kept.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM (nothing has changed), #TRIGPERF_E_FORKED.
 *         O(capacity).
 */
int32_t trigperf_cache_resize(trigperf_context *context, uint64_t capacity, trigperf_error **error);

/**
 * @brief Writes the cache as bytes, for a warm start of another process.
 *
 * Verdicts that are bound to a table or a row are left out, because nobody knows what happens to
 * those meanwhile, and so are those that have not been asked for since a resize. Times to live go
 * on by the clock on the wall. The bytes hold the secret of the hash (unless `cache.exact` is on:
 * then the keys): keep them as you keep a password, see doc/cache.md.
 * @param context the context.
 * @param[out] bytes receives the snapshot; release with trigperf_string_free().
 * @param[out] length receives its length; 0 when the capacity is 0.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED. O(capacity); lookups go on meanwhile.
 */
int32_t trigperf_cache_save(trigperf_context *context, char **bytes, uint64_t *length,
                            trigperf_error **error);

/**
 * @brief Takes verdicts from a snapshot. Those that the cache has already stay.
 *
 * Set versions of validators first. Verdicts of a validator that was invalidated in this process
 * before are not found. Whoever can write the bytes decides the verdicts: a checksum finds damage,
 * not forgery.
 * @param context the context.
 * @param bytes   from trigperf_cache_save(), of any process with the same `cache.exact`.
 * @param length  their length.
 * @param[out] loaded receives the number of verdicts; may be NULL.
 * @param[out] error says what is wrong with the bytes; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID (no snapshot, damaged, or of another format); #TRIGPERF_E_LIMIT
 *         (more than a million verdicts, and more than four times the capacity);
 *         #TRIGPERF_E_UNSUPPORTED (hashed keys, and `cache.exact` is on here); #TRIGPERF_E_NOMEM;
 *         #TRIGPERF_E_FORKED. O(length).
 */
int32_t trigperf_cache_load(trigperf_context *context, const void *bytes, uint64_t length,
                            uint64_t *loaded, trigperf_error **error);

/** Figures of a cache, since the context was made. */
typedef struct trigperf_cache_stats {
    uint32_t struct_size;   /**< set by the caller: sizeof(trigperf_cache_stats) */
    uint32_t reserved;      /**< 0 */
    uint64_t capacity;      /**< verdicts, a multiple of 16 */
    uint64_t entries;       /**< verdicts that are kept, some of which may have expired */
    uint64_t bytes;         /**< memory of all its parts */
    uint64_t hits;          /**< lookups that found a verdict */
    uint64_t misses;        /**< lookups that did not */
    uint64_t insertions;    /**< verdicts put under a key that had none */
    uint64_t evictions;     /**< verdicts that went for others */
    uint64_t expirations;   /**< verdicts removed after they had expired, or after a change */
    uint64_t invalidations; /**< verdicts removed by a call */
    double hit_rate;        /**< hits / (hits + misses); 0 before the first lookup */
} trigperf_cache_stats;

/**
 * @brief Reads the figures.
 * @param context the context.
 * @param[in,out] stats receives as many of them as struct_size has room for.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (struct_size is not set), #TRIGPERF_E_FORKED. Reads one cache line
 *         for every 16 verdicts of the capacity.
 */
int32_t trigperf_cache_stats_get(trigperf_context *context, trigperf_cache_stats *stats,
                                 trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
