/**
 * @file fence.h
 * @brief Filling a cache from the database without keeping a stale value. Any thread, lock-free.
 *
 * A reader that misses the cache reads the database and puts what it read. If an invalidation of
 * that key arrives between the read and the put, the put resurrects a stale value. So:
 *
 *     trigperf_fence_begin(context, &token);
 *     value = read from the database;
 *     put value into the cache;
 *     if (trigperf_fence_check(context, token, key, length) != TRIGPERF_OK)
 *         delete the key from the cache;
 *
 * The order matters: put first, then check. An invalidation counts from its arrival, not from the
 * end of its window. A check may fail needlessly (two keys share a slot of the table behind it),
 * but never passes wrongly. The database must be read at or after the state that the library reads:
 * the same server, or a replica that has replayed past trigperf_batch_lsn().
 */
#ifndef TRIGPERF_FENCE_H
#define TRIGPERF_FENCE_H

#include <stdint.h>

#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * @brief Takes a token before reading the database.
 * @param context the context.
 * @param[out] token receives the token.
 * @return 0 or #TRIGPERF_E_FORKED. O(1).
 */
int32_t trigperf_fence_begin(trigperf_context *context, uint64_t *token);

/**
 * @brief Asks, after putting a value, whether its key was invalidated since the token was taken.
 * @param context the context.
 * @param token   from trigperf_fence_begin() of the same context.
 * @param key     the cache key, as the rules make it.
 * @param length  its length in bytes.
 * @return 0: keep the value; #TRIGPERF_E_STALE: delete it; #TRIGPERF_E_FORKED. O(length).
 */
int32_t trigperf_fence_check(trigperf_context *context, uint64_t token, const char *key,
                             uint64_t length);

/**
 * @brief Generation of a template: 1 at first, raised by every resync that touches it.
 *
 * A host that mixes it into its keys survives a resync without walking its cache. It counts within
 * this context: caches shared between processes use the prefixes of the resync instead.
 * @param context the context.
 * @param key_template the template's text, as in the rule.
 * @param[out] generation receives the generation.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (no such template), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_generation(trigperf_context *context, const char *key_template,
                            uint64_t *generation, trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
