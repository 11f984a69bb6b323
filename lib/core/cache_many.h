/* Looking many keys up at once. */
#ifndef TP_CORE_CACHE_MANY_H
#define TP_CORE_CACHE_MANY_H

#include "core/cache.h"

#define TP_CACHE_AT_ONCE 32u

/* Which of the keys were not found. */
typedef struct tp_cache_misses {
    uint32_t count;
    uint32_t which[TP_CACHE_AT_ONCE];     /* numbers of keys, rising */
    tp_cache_miss miss[TP_CACHE_AT_ONCE]; /* by the number of the key */
} tp_cache_misses;

/* As tp_cache_get(), for up to TP_CACHE_AT_ONCE keys. Returns how many were found. */
uint32_t tp_cache_get_many(tp_cache *cache, const tp_cache_call *call, const char *const *keys,
                           const uint64_t *lengths, uint32_t count, int32_t *verdicts,
                           tp_cache_misses *misses);

#endif
