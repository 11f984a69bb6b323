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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
