/* The verdict cache: numbers of 16 bits by validator and key. Any thread. Time, the identity of the
 * calling thread and randomness are arguments. */
#ifndef TP_CORE_CACHE_H
#define TP_CORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

#define TP_CACHE_VALIDATORS 65536u

typedef struct tp_cache tp_cache;

typedef struct tp_cache_options {
    uint64_t capacity;    /* entries; 0: nothing is kept */
    uint64_t ttl_ms;      /* 0: never expires */
    uint32_t ttl_jitter;  /* percent by which a time to live is shortened at most */
    tp_hash_key hash_key; /* random */
} tp_cache_options;

/* What every call says about itself. */
typedef struct tp_cache_call {
    uint32_t validator;
    uint64_t now_ms; /* monotonic; may be 0 as long as tp_cache_is_timed() says no */
} tp_cache_call;

int32_t tp_cache_new(const tp_cache_options *options, tp_cache **out, trigperf_error **err);
void tp_cache_free(tp_cache *cache);

/* Whether anything in it may expire. */
bool tp_cache_is_timed(const tp_cache *cache);

bool tp_cache_get(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                  uint32_t *verdict);
/* ttl_ms 0: the validator's; negative: never expires. */
void tp_cache_put(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                  uint32_t verdict, int64_t ttl_ms);
bool tp_cache_invalidate(tp_cache *cache, const tp_cache_call *call, const char *key,
                         size_t length);
int32_t tp_cache_validator_set(tp_cache *cache, uint32_t validator, uint64_t version,
                               int64_t ttl_ms, trigperf_error **err);
int32_t tp_cache_invalidate_validator(tp_cache *cache, uint32_t validator, trigperf_error **err);
void tp_cache_clear(tp_cache *cache);

#endif
