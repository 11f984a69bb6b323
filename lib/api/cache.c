/* The public side of lib/core/cache.h: checks arguments, and reads the clock once a call, and only
 * when something in the cache may expire. */
#include <trigperf/cache.h>
#include <trigperf/fence.h>

#include <pthread.h>

#include "api/context.h"
#include "base/clock.h"

static int32_t bad_validator(uint32_t validator, trigperf_error **error) {
    return tp_error_set(error, TRIGPERF_E_INVALID, "number validators from 0",
                        "expected a validator below %d, got %u", TRIGPERF_VALIDATORS_MAX,
                        validator);
}

static int32_t bad_key(const char *key, uint64_t length, trigperf_error **error) {
    if (key == NULL && length > 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass the bytes of the key",
                            "expected a key of %llu bytes, got NULL", (unsigned long long)length);
    }
    return tp_error_set(error, TRIGPERF_E_INVALID, "use a digest of what is so long as the key",
                        "expected a key of at most %d bytes, got %llu", TRIGPERF_KEY_MAX,
                        (unsigned long long)length);
}

static bool is_key(const char *key, uint64_t length) {
    return length <= TRIGPERF_KEY_MAX && (key != NULL || length == 0);
}

static int32_t check_key(trigperf_context *context, uint32_t validator, const char *key,
                         uint64_t length, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (validator >= TRIGPERF_VALIDATORS_MAX) {
        return bad_validator(validator, error);
    }
    return is_key(key, length) ? TRIGPERF_OK : bad_key(key, length, error);
}

static int32_t check_keys(trigperf_context *context, uint32_t validator, const char *const *keys,
                          const uint64_t *lengths, uint32_t count, trigperf_error **error) {
    int32_t status = check_key(context, validator, "", 0, error);
    if (status == TRIGPERF_OK && count > INT32_MAX) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "pass fewer keys at once",
                              "expected at most %d keys, got %u", INT32_MAX, count);
    }
    if (status == TRIGPERF_OK && count > 0 && (keys == NULL || lengths == NULL)) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "pass count keys and count lengths",
                              "expected arrays of keys and lengths, got NULL");
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        if (!is_key(keys[i], lengths[i])) {
            status = bad_key(keys[i], lengths[i], error);
        }
    }
    return status;
}

static int32_t check_verdict(int64_t verdict, trigperf_error **error) {
    if (verdict > TRIGPERF_VERDICT_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "keep the number of what is wrong",
                            "expected a verdict of at most %d, got %lld", TRIGPERF_VERDICT_MAX,
                            (long long)verdict);
    }
    return TRIGPERF_OK;
}

static int32_t check_ttl(int64_t ttl_ms, trigperf_error **error) {
    if (ttl_ms < TRIGPERF_TTL_NEVER) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass -1 for what never expires",
                            "expected a time to live of 0 or more milliseconds, or -1, got %lld",
                            (long long)ttl_ms);
    }
    return TRIGPERF_OK;
}

static tp_cache_call call_at(uint32_t validator, uint64_t now_ms) {
    return (tp_cache_call){validator, now_ms, (uintptr_t)pthread_self()};
}

static tp_cache_call call_of(tp_cache *cache, uint32_t validator) {
    return call_at(validator, tp_cache_is_timed(cache) ? tp_clock_coarse_ms() : 0);
}

int32_t trigperf_cache_get(trigperf_context *context, uint32_t validator, const char *key,
                           uint64_t length, uint32_t *verdict) {
    int32_t status = check_key(context, validator, key, length, NULL);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = call_of(cache, validator);
    int32_t found = tp_cache_get(cache, &call, key, (size_t)length, NULL);
    if (found < 0) {
        return TRIGPERF_E_NOT_FOUND;
    }
    *verdict = (uint32_t)found;
    return TRIGPERF_OK;
}

static bool is_stale(trigperf_context *context, uint64_t token, const char *key, uint64_t length) {
    return token != 0 && trigperf_fence_check(context, token, key, length) == TRIGPERF_E_STALE;
}

int32_t trigperf_cache_put(trigperf_context *context, uint32_t validator, const char *key,
                           uint64_t length, uint32_t verdict, int64_t ttl_ms, uint64_t token,
                           trigperf_error **error) {
    int32_t status = check_key(context, validator, key, length, error);
    status = status != TRIGPERF_OK ? status : check_verdict(verdict, error);
    status = status != TRIGPERF_OK ? status : check_ttl(ttl_ms, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = call_at(validator, tp_clock_coarse_ms());
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

int32_t trigperf_cache_compute(trigperf_context *context, uint32_t validator, const char *key,
                               uint64_t length, trigperf_verdict_fn fn, void *user,
                               uint32_t *verdict, trigperf_error **error) {
    int32_t status = check_key(context, validator, key, length, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = call_of(cache, validator);
    tp_cache_miss miss;
    int32_t found = tp_cache_get(cache, &call, key, (size_t)length, &miss);
    if (found >= 0) {
        *verdict = (uint32_t)found;
        return 1;
    }
    uint32_t fresh = 0;
    status = fn(user, key, length, &fresh);
    status = status < 0 ? status : check_verdict(fresh, error);
    if (status == TRIGPERF_OK) {
        call.now_ms = tp_cache_is_timed(cache) ? tp_clock_coarse_ms() : 0;
        tp_cache_fill(cache, &call, &miss, fresh);
        *verdict = fresh;
    }
    return status;
}

int32_t trigperf_cache_get_many(trigperf_context *context, uint32_t validator,
                                const char *const *keys, const uint64_t *lengths, uint32_t count,
                                int32_t *verdicts) {
    int32_t status = check_keys(context, validator, keys, lengths, count, NULL);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = call_of(cache, validator);
    uint32_t hits = 0;
    for (uint32_t i = 0; i < count; i += TP_CACHE_AT_ONCE) {
        uint32_t part = count - i < TP_CACHE_AT_ONCE ? count - i : TP_CACHE_AT_ONCE;
        hits += tp_cache_get_many(cache, &call, keys + i, lengths + i, part, verdicts + i, NULL);
    }
    return (int32_t)hits;
}

int32_t trigperf_cache_put_many(trigperf_context *context, uint32_t validator,
                                const char *const *keys, const uint64_t *lengths,
                                const int32_t *verdicts, uint32_t count, int64_t ttl_ms,
                                trigperf_error **error) {
    int32_t status = check_keys(context, validator, keys, lengths, count, error);
    status = status != TRIGPERF_OK ? status : check_ttl(ttl_ms, error);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        status = check_verdict(verdicts[i], error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache_call call = call_at(validator, tp_clock_coarse_ms());
    for (uint32_t i = 0; status == TRIGPERF_OK && i < count; i++) {
        if (verdicts[i] >= 0) {
            status = tp_cache_put(tp_context_cache(context), &call, keys[i], (size_t)lengths[i],
                                  (uint32_t)verdicts[i], ttl_ms, NULL);
        }
    }
    return status == TRIGPERF_OK ? status : tp_error_nomem(error);
}

/* The keys of a part that were not found, one after the other. */
static int32_t fill_part(tp_cache *cache, tp_cache_call *call, const tp_cache_miss *misses,
                         uint32_t count, trigperf_verdict_fn fn, void *user, int32_t *verdicts,
                         trigperf_error **error) {
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; i < count && status == TRIGPERF_OK; i++) {
        if (verdicts[i] >= 0) {
            continue;
        }
        uint32_t fresh = 0;
        const tp_cache_probe *probe = &misses[i].probe;
        status = fn(user, probe->bytes, probe->length, &fresh);
        status = status < 0 ? status : check_verdict(fresh, error);
        if (status == TRIGPERF_OK) {
            call->now_ms = tp_cache_is_timed(cache) ? tp_clock_coarse_ms() : 0;
            tp_cache_fill(cache, call, &misses[i], fresh);
            verdicts[i] = (int32_t)fresh;
        }
    }
    return status;
}

int32_t trigperf_cache_compute_many(trigperf_context *context, uint32_t validator,
                                    const char *const *keys, const uint64_t *lengths,
                                    uint32_t count, trigperf_verdict_fn fn, void *user,
                                    int32_t *verdicts, trigperf_error **error) {
    tp_cache_miss misses[TP_CACHE_AT_ONCE];
    int32_t status = check_keys(context, validator, keys, lengths, count, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = call_of(cache, validator);
    uint32_t hits = 0;
    for (uint32_t i = 0; i < count && status == TRIGPERF_OK; i += TP_CACHE_AT_ONCE) {
        uint32_t part = count - i < TP_CACHE_AT_ONCE ? count - i : TP_CACHE_AT_ONCE;
        hits += tp_cache_get_many(cache, &call, keys + i, lengths + i, part, verdicts + i, misses);
        status = fill_part(cache, &call, misses, part, fn, user, verdicts + i, error);
    }
    return status < 0 ? status : (int32_t)hits;
}

int32_t trigperf_cache_validator_set(trigperf_context *context, uint32_t validator,
                                     uint64_t version, int64_t ttl_ms, trigperf_error **error) {
    int32_t status = check_key(context, validator, "", 0, error);
    status = status != TRIGPERF_OK ? status : check_ttl(ttl_ms, error);
    return status != TRIGPERF_OK ? status
                                 : tp_cache_validator_set(tp_context_cache(context), validator,
                                                          version, ttl_ms, error);
}

int32_t trigperf_cache_invalidate(trigperf_context *context, uint32_t validator, const char *key,
                                  uint64_t length, trigperf_error **error) {
    int32_t status = check_key(context, validator, key, length, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache_call call = call_at(validator, 0);
    tp_fence_mark(tp_engine_fence(tp_context_engine(context)), key, (size_t)length);
    return tp_cache_invalidate(tp_context_cache(context), &call, key, (size_t)length) ? 1 : 0;
}

int32_t trigperf_cache_invalidate_validator(trigperf_context *context, uint32_t validator,
                                            trigperf_error **error) {
    int32_t status = check_key(context, validator, "", 0, error);
    return status != TRIGPERF_OK
               ? status
               : tp_cache_invalidate_validator(tp_context_cache(context), validator, error);
}

int32_t trigperf_cache_clear(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        tp_fence_mark_all(tp_engine_fence(tp_context_engine(context)));
        tp_cache_call call = call_at(0, 0);
        tp_cache_clear(tp_context_cache(context), &call);
    }
    return status;
}
