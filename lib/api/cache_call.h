/* What the calls of <trigperf/cache.h> have in common. */
#ifndef TP_API_CACHE_CALL_H
#define TP_API_CACHE_CALL_H

#include <trigperf/cache.h>

#include "api/context.h"
#include "base/clock.h"
#include "base/thread_mark.h"
#include "core/cache_quick.h"

static inline bool tp_cache_is_key(const char *key, uint64_t length) {
    return length <= TRIGPERF_KEY_MAX && (key != NULL || length == 0);
}

/* Arguments: 0 or E_INVALID, E_FORKED. */
int32_t tp_cache_complain(trigperf_context *context, uint32_t validator, const char *key,
                          uint64_t length, trigperf_error **error);

static inline int32_t tp_cache_check(trigperf_context *context, uint32_t validator, const char *key,
                                     uint64_t length, trigperf_error **error) {
    bool fine = context != NULL && !tp_context_forked(context) &&
                validator < TRIGPERF_VALIDATORS_MAX && tp_cache_is_key(key, length);
    return fine ? TRIGPERF_OK : tp_cache_complain(context, validator, key, length, error);
}
/* Where results go, and the host's function: 0 or E_INVALID. */
int32_t tp_cache_check_given(bool given, trigperf_error **error);
int32_t tp_cache_check_verdict(int64_t verdict, trigperf_error **error);
int32_t tp_cache_check_ttl(int64_t ttl_ms, trigperf_error **error);

/* Whether a call may go on at once; otherwise tp_cache_check() knows more. */
static inline bool tp_cache_is_clear(const trigperf_context *context, uint32_t validator,
                                     const char *key, uint64_t length) {
    return context != NULL && *tp_context_head_of(context)->here != 0 &&
           validator < TRIGPERF_VALIDATORS_MAX && length <= TRIGPERF_KEY_MAX && key != NULL;
}

/* A call by this thread, at a time that matters or not. */
static inline tp_cache_call tp_cache_call_at(uint32_t validator, uint64_t now_ms) {
    return (tp_cache_call){validator, now_ms, tp_thread_mark()};
}

/* The same, and the clock is read when something in the cache may expire. */
static inline tp_cache_call tp_cache_call_now(const tp_cache *cache, uint32_t validator) {
    return tp_cache_call_at(validator, tp_cache_is_timed(cache) ? tp_clock_coarse_ms() : 0);
}

#endif
