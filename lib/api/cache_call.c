/* What is wrong with arguments. */
#include "api/cache_call.h"

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

int32_t tp_cache_complain(trigperf_context *context, uint32_t validator, const char *key,
                          uint64_t length, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (validator >= TRIGPERF_VALIDATORS_MAX) {
        return bad_validator(validator, error);
    }
    return tp_cache_is_key(key, length) ? TRIGPERF_OK : bad_key(key, length, error);
}

int32_t tp_cache_check_given(bool given, trigperf_error **error) {
    return given ? TRIGPERF_OK
                 : tp_error_set(error, TRIGPERF_E_INVALID, "pass every pointer of the call",
                                "expected a function and a place for the result, got NULL");
}

int32_t tp_cache_check_verdict(int64_t verdict, trigperf_error **error) {
    if (verdict > TRIGPERF_VERDICT_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "keep the number of what is wrong",
                            "expected a verdict of at most %d, got %lld", TRIGPERF_VERDICT_MAX,
                            (long long)verdict);
    }
    return TRIGPERF_OK;
}

int32_t tp_cache_check_ttl(int64_t ttl_ms, trigperf_error **error) {
    if (ttl_ms < TRIGPERF_TTL_NEVER) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass -1 for what never expires",
                            "expected a time to live of 0 or more milliseconds, or -1, got %lld",
                            (long long)ttl_ms);
    }
    return TRIGPERF_OK;
}
