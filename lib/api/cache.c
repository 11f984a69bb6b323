/* Looking verdicts up and putting them. */
#include <trigperf/cache.h>
#include <trigperf/fence.h>

#include "api/cache_call.h"
#include "base/clock.h"
#include "core/cache_many.h"

/* What is wrong with arguments of which something is. */
static __attribute__((noinline)) int32_t complain(trigperf_context *context, uint32_t validator,
                                                  const char *const *keys, const uint64_t *lengths,
                                                  uint32_t count, trigperf_error **error) {
    int32_t status = tp_cache_check(context, validator, "", 0, error);
    if (status == TRIGPERF_OK && count > INT32_MAX) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "pass fewer keys at once",
                              "expected at most %d keys, got %u", INT32_MAX, count);
    }
    if (status == TRIGPERF_OK && count > 0 && (keys == NULL || lengths == NULL)) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "pass count keys and count lengths",
                              "expected arrays of keys and lengths, got NULL");
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        status = tp_cache_check(context, validator, keys[i], lengths[i], error);
    }
    return status;
}

static int32_t check_keys(trigperf_context *context, uint32_t validator, const char *const *keys,
                          const uint64_t *lengths, uint32_t count, trigperf_error **error) {
    bool fine = tp_cache_is_clear(context, validator, "", 0) && count <= INT32_MAX &&
                keys != NULL && lengths != NULL;
    uint64_t longest = 0; /* or longer */
    bool all = true;
    for (uint32_t i = 0; fine && i < count; i++) {
        longest |= lengths[i];
        all &= keys[i] != NULL;
    }
    return fine && all && longest < TRIGPERF_KEY_MAX
               ? TRIGPERF_OK
               : complain(context, validator, keys, lengths, count, error);
}

/* The long way. */
static __attribute__((noinline)) int32_t get(trigperf_context *context, uint32_t validator,
                                             const char *key, uint64_t length, uint32_t *verdict) {
    int32_t status = tp_cache_check(context, validator, key, length, NULL);
    status = status != TRIGPERF_OK ? status : tp_cache_check_given(verdict != NULL, NULL);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = tp_cache_call_now(cache, validator);
    int32_t found = tp_cache_get(cache, &call, key, (size_t)length, NULL);
    if (found < 0) {
        return TRIGPERF_E_NOT_FOUND;
    }
    *verdict = (uint32_t)found;
    return TRIGPERF_OK;
}

int32_t trigperf_cache_get(trigperf_context *context, uint32_t validator, const char *key,
                           uint64_t length, uint32_t *verdict) {
    tp_cache_table *table;
    tp_cache_probe probe;
    if (TP_UNLIKELY(!tp_cache_is_clear(context, validator, key, length) || verdict == NULL)) {
        return get(context, validator, key, length, verdict);
    }
    tp_cache *cache = tp_context_head_of(context)->cache;
    uintptr_t thread = tp_thread_mark();
    int32_t found = tp_cache_glance(cache, validator, thread, key, (size_t)length, &table, &probe);
    if (found >= 0) {
        *verdict = (uint32_t)found;
        return TRIGPERF_OK;
    }
    if (found == TP_CACHE_UNSURE) {
        return get(context, validator, key, length, verdict);
    }
    tp_lanes_count(&cache->lanes, thread, TP_LANE_MISSES, 1);
    return TRIGPERF_E_NOT_FOUND;
}

static bool is_stale(trigperf_context *context, uint64_t token, const char *key, uint64_t length) {
    return token != 0 && trigperf_fence_check(context, token, key, length) == TRIGPERF_E_STALE;
}

int32_t trigperf_cache_put(trigperf_context *context, uint32_t validator, const char *key,
                           uint64_t length, uint32_t verdict, int64_t ttl_ms, uint64_t token,
                           trigperf_error **error) {
    int32_t status = tp_cache_check(context, validator, key, length, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_verdict(verdict, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_ttl(ttl_ms, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = tp_cache_call_at(validator, tp_clock_coarse_ms());
    status = tp_cache_put(cache, &call, key, (size_t)length, verdict, ttl_ms, NULL);
    if (status != TRIGPERF_OK) {
        return tp_error_nomem(error);
    }
    if (is_stale(context, token, key, length)) {
        tp_cache_invalidate(cache, &call, key, (size_t)length);
        return tp_error_set(error, TRIGPERF_E_STALE, "work the verdict out anew",
                            "the key was invalidated after the token had been taken");
    }
    return TRIGPERF_OK;
}

/* What a host's function gave for a key that was missed. */
static __attribute__((noinline)) int32_t keep(tp_cache *cache, const tp_cache_call *call,
                                              const tp_cache_miss *miss, int32_t status,
                                              uint32_t fresh, uint32_t *verdict,
                                              trigperf_error **error) {
    if (status >= 0 && fresh <= TRIGPERF_VERDICT_MAX) {
        tp_cache_call later = *call;
        later.now_ms = tp_cache_is_timed(cache) ? tp_clock_coarse_ms() : 0;
        tp_cache_fill(cache, &later, miss, fresh);
        *verdict = fresh;
        return TRIGPERF_OK;
    }
    return status < 0 ? status : tp_cache_check_verdict(fresh, error);
}

/* Works a verdict out that was missed, and keeps it. */
TP_CACHE_INLINE int32_t fill(tp_cache *cache, const tp_cache_call *call, const tp_cache_miss *miss,
                             trigperf_verdict_fn fn, void *user, uint32_t *verdict,
                             trigperf_error **error) {
    uint32_t fresh = 0;
    int32_t status = fn(user, miss->probe.bytes, miss->probe.length, &fresh);
    if (TP_LIKELY(status >= 0 && fresh <= TRIGPERF_VERDICT_MAX &&
                  tp_cache_fill_quick(cache, miss, fresh))) {
        tp_lanes_count(&cache->lanes, call->thread, TP_LANE_REPLACED, 1);
        *verdict = fresh;
        return TRIGPERF_OK;
    }
    return keep(cache, call, miss, status, fresh, verdict, error);
}

/* The long way. */
static __attribute__((noinline)) int32_t compute(trigperf_context *context, uint32_t validator,
                                                 const char *key, uint64_t length,
                                                 trigperf_verdict_fn fn, void *user,
                                                 uint32_t *verdict, trigperf_error **error) {
    int32_t status = tp_cache_check(context, validator, key, length, error);
    status =
        status != TRIGPERF_OK ? status : tp_cache_check_given(fn != NULL && verdict != NULL, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = tp_cache_call_now(cache, validator);
    tp_cache_miss miss;
    int32_t found = tp_cache_get(cache, &call, key, (size_t)length, &miss);
    if (found >= 0) {
        *verdict = (uint32_t)found;
        return 1;
    }
    return fill(cache, &call, &miss, fn, user, verdict, error);
}

/* A key that a glance did not find. The ticket is taken before the verdict is worked out. */
static __attribute__((noinline)) int32_t compute_absent(tp_cache *cache, uint32_t validator,
                                                        tp_cache_miss *miss, trigperf_verdict_fn fn,
                                                        void *user, uint32_t *verdict,
                                                        trigperf_error **error) {
    tp_cache_call call = tp_cache_call_at(validator, 0);
    miss->ticket =
        atomic_load_explicit(tp_cache_ticket_of(cache, &miss->probe), memory_order_acquire);
    tp_lanes_count(&cache->lanes, call.thread, TP_LANE_MISSES, 1);
    return fill(cache, &call, miss, fn, user, verdict, error);
}

int32_t trigperf_cache_compute(trigperf_context *context, uint32_t validator, const char *key,
                               uint64_t length, trigperf_verdict_fn fn, void *user,
                               uint32_t *verdict, trigperf_error **error) {
    tp_cache_table *table;
    tp_cache_probe probe;
    bool given = fn != NULL && verdict != NULL;
    if (TP_UNLIKELY(!tp_cache_is_clear(context, validator, key, length) || !given)) {
        return compute(context, validator, key, length, fn, user, verdict, error);
    }
    tp_cache *cache = tp_context_head_of(context)->cache;
    int32_t found =
        tp_cache_glance(cache, validator, tp_thread_mark(), key, (size_t)length, &table, &probe);
    if (found >= 0) {
        *verdict = (uint32_t)found;
        return 1;
    }
    if (TP_UNLIKELY(found == TP_CACHE_UNSURE)) {
        return compute(context, validator, key, length, fn, user, verdict, error);
    }
    tp_cache_miss miss = {table, probe, 0};
    return compute_absent(cache, validator, &miss, fn, user, verdict, error);
}

/* The keys behind a block, of rest that begin with it. */
static void take_next(const tp_cache_block *block, tp_cache_block *next, uint32_t rest) {
    tp_cache_block_take(next, block->keys + block->count, block->lengths + block->count,
                        rest - block->count);
}

int32_t trigperf_cache_get_many(trigperf_context *context, uint32_t validator,
                                const char *const *keys, const uint64_t *lengths, uint32_t count,
                                int32_t *verdicts) {
    int32_t status = check_keys(context, validator, keys, lengths, count, NULL);
    status =
        status != TRIGPERF_OK ? status : tp_cache_check_given(count == 0 || verdicts != NULL, NULL);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = tp_cache_call_now(cache, validator);
    uint32_t hits = 0;
    tp_cache_block blocks[2];
    tp_cache_block *block = &blocks[0];
    tp_cache_block_take(block, keys, lengths, count);
    for (uint32_t i = 0; i < count; i += TP_CACHE_AT_ONCE) {
        tp_cache_block *next = &blocks[block == &blocks[0] ? 1 : 0];
        take_next(block, next, count - i);
        hits += tp_cache_get_many(cache, &call, block, next, verdicts + i);
        block = next;
    }
    return (int32_t)hits;
}

int32_t trigperf_cache_put_many(trigperf_context *context, uint32_t validator,
                                const char *const *keys, const uint64_t *lengths,
                                const int32_t *verdicts, uint32_t count, int64_t ttl_ms,
                                trigperf_error **error) {
    int32_t status = check_keys(context, validator, keys, lengths, count, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_ttl(ttl_ms, error);
    status = status != TRIGPERF_OK ? status
                                   : tp_cache_check_given(count == 0 || verdicts != NULL, error);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        status = tp_cache_check_verdict(verdicts[i], error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache_call call = tp_cache_call_at(validator, tp_clock_coarse_ms());
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        if (verdicts[i] >= 0) {
            status = tp_cache_put(tp_context_cache(context), &call, keys[i], (size_t)lengths[i],
                                  (uint32_t)verdicts[i], ttl_ms, NULL);
        }
    }
    return status == TRIGPERF_OK ? status : tp_error_nomem(error);
}

/* The keys of a block that were not found, one after the other. */
static int32_t fill_block(tp_cache *cache, tp_cache_call *call, const tp_cache_block *block,
                          trigperf_verdict_fn fn, void *user, int32_t *verdicts,
                          trigperf_error **error) {
    int32_t status = TRIGPERF_OK;
    for (uint32_t n = 0; n < block->missed && status == TRIGPERF_OK; n++) {
        uint32_t fresh = 0;
        uint32_t i = block->which[n];
        status = fill(cache, call, &block->miss[i], fn, user, &fresh, error);
        verdicts[i] = status == TRIGPERF_OK ? (int32_t)fresh : -1;
    }
    return status;
}

int32_t trigperf_cache_compute_many(trigperf_context *context, uint32_t validator,
                                    const char *const *keys, const uint64_t *lengths,
                                    uint32_t count, trigperf_verdict_fn fn, void *user,
                                    int32_t *verdicts, trigperf_error **error) {
    tp_cache_block blocks[2];
    int32_t status = check_keys(context, validator, keys, lengths, count, error);
    bool given = count == 0 || (fn != NULL && verdicts != NULL);
    status = status != TRIGPERF_OK ? status : tp_cache_check_given(given, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = tp_cache_call_now(cache, validator);
    uint32_t hits = 0;
    tp_cache_block *block = &blocks[0];
    tp_cache_block_take(block, keys, lengths, count);
    for (uint32_t i = 0; i < count && status == TRIGPERF_OK; i += TP_CACHE_AT_ONCE) {
        tp_cache_block *next = &blocks[block == &blocks[0] ? 1 : 0];
        take_next(block, next, count - i);
        hits += tp_cache_get_many(cache, &call, block, next, verdicts + i);
        status = fill_block(cache, &call, block, fn, user, verdicts + i, error);
        block = next;
    }
    return status < 0 ? status : (int32_t)hits;
}
