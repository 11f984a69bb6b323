/* Keeping the verdict cache: validators, forgetting, size, snapshots, figures. */
#include <trigperf/cache.h>

#include <string.h>

#include "api/cache_call.h"
#include "base/clock.h"

#define CAPACITY_MAX (UINT64_C(1) << 32)

int32_t trigperf_cache_validator_set(trigperf_context *context, uint32_t validator,
                                     uint64_t version, int64_t ttl_ms, trigperf_error **error) {
    int32_t status = tp_cache_check(context, validator, "", 0, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_ttl(ttl_ms, error);
    return status != TRIGPERF_OK ? status
                                 : tp_cache_validator_set(tp_context_cache(context), validator,
                                                          version, ttl_ms, error);
}

int32_t trigperf_cache_invalidate(trigperf_context *context, uint32_t validator, const char *key,
                                  uint64_t length, trigperf_error **error) {
    int32_t status = tp_cache_check(context, validator, key, length, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache_call call = tp_cache_call_at(validator, 0);
    tp_fence_mark(tp_engine_fence(tp_context_engine(context)), key, (size_t)length);
    return tp_cache_invalidate(tp_context_cache(context), &call, key, (size_t)length) ? 1 : 0;
}

int32_t trigperf_cache_invalidate_validator(trigperf_context *context, uint32_t validator,
                                            trigperf_error **error) {
    int32_t status = tp_cache_check(context, validator, "", 0, error);
    return status != TRIGPERF_OK
               ? status
               : tp_cache_invalidate_validator(tp_context_cache(context), validator, error);
}

int32_t trigperf_cache_clear(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        tp_fence_mark_all(tp_engine_fence(tp_context_engine(context)));
        tp_cache_call call = tp_cache_call_at(0, 0);
        tp_cache_clear(tp_context_cache(context), &call);
    }
    return status;
}

int32_t trigperf_cache_resize(trigperf_context *context, uint64_t capacity,
                              trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK && capacity > CAPACITY_MAX) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "see cache.capacity",
                              "expected a capacity of at most %llu verdicts, got %llu",
                              (unsigned long long)CAPACITY_MAX, (unsigned long long)capacity);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache *cache = tp_context_cache(context);
    tp_cache_call call = tp_cache_call_at(0, tp_clock_coarse_ms());
    return tp_cache_resize(cache, &call, capacity, error);
}

int32_t trigperf_cache_save(trigperf_context *context, char **bytes, uint64_t *length,
                            trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    status = status != TRIGPERF_OK ? status
                                   : tp_cache_check_given(bytes != NULL && length != NULL, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_strbuf out = TP_STRBUF_INIT;
    tp_cache_call call = tp_cache_call_at(0, tp_clock_coarse_ms());
    tp_cache_save(tp_context_cache(context), &call, tp_clock_unix_ms(), &out);
    uint64_t size = out.length;
    char *taken = out.failed ? NULL : tp_strbuf_take(&out);
    if (taken == NULL) {
        tp_strbuf_free(&out);
        return tp_error_nomem(error);
    }
    *bytes = taken;
    *length = size;
    return TRIGPERF_OK;
}

int32_t trigperf_cache_load(trigperf_context *context, const void *bytes, uint64_t length,
                            uint64_t *loaded, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK && bytes == NULL) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "pass what trigperf_cache_save() gave",
                              "expected a snapshot, got NULL");
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint64_t entries = 0;
    tp_cache_call call = tp_cache_call_at(0, tp_clock_coarse_ms());
    status = tp_cache_load(tp_context_cache(context), &call, tp_clock_unix_ms(), bytes,
                           (size_t)length, &entries, error);
    if (status == TRIGPERF_OK && loaded != NULL) {
        *loaded = entries;
    }
    return status;
}

int32_t trigperf_cache_stats_get(trigperf_context *context, trigperf_cache_stats *stats,
                                 trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK && (stats == NULL || stats->struct_size < sizeof(uint64_t))) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "set struct_size to its size",
                              "expected a trigperf_cache_stats that knows its size");
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_cache_figures figures;
    tp_cache_figures_get(tp_context_cache(context), &figures);
    uint64_t asked = figures.hits + figures.misses;
    double rate = asked == 0 ? 0 : (double)figures.hits / (double)asked;
    trigperf_cache_stats full = {stats->struct_size,    0,
                                 figures.capacity,      figures.entries,
                                 figures.bytes,         figures.hits,
                                 figures.misses,        figures.insertions,
                                 figures.evictions,     figures.expirations,
                                 figures.invalidations, rate};
    memcpy(stats, &full, stats->struct_size < sizeof full ? stats->struct_size : sizeof full);
    return TRIGPERF_OK;
}
