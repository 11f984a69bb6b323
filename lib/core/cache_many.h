/* Looking many keys up at once. */
#ifndef TP_CORE_CACHE_MANY_H
#define TP_CORE_CACHE_MANY_H

#include "core/cache.h"

#define TP_CACHE_AT_ONCE 32u

/* Keys that are looked up together, and which of them were not found. */
typedef struct tp_cache_block {
    const char *const *keys;
    const uint64_t *lengths;
    uint32_t count;
    bool placed; /* hashed, and their sets are on the way */
    tp_cache_table *table;
    uint64_t salt;
    uint32_t missed;
    uint32_t which[TP_CACHE_AT_ONCE];     /* numbers of keys, rising */
    tp_cache_miss miss[TP_CACHE_AT_ONCE]; /* by the number of the key */
} tp_cache_block;

/* Makes a block of the first of these keys, as many as it takes. */
static inline void tp_cache_block_take(tp_cache_block *block, const char *const *keys,
                                       const uint64_t *lengths, uint32_t count) {
    block->keys = keys;
    block->lengths = lengths;
    block->count = count < TP_CACHE_AT_ONCE ? count : TP_CACHE_AT_ONCE;
    block->placed = false;
}

/* As tp_cache_get() for each. next is what will be looked up afterwards, and may be empty. Returns
 * how many were found. */
uint32_t tp_cache_get_many(tp_cache *cache, const tp_cache_call *call, tp_cache_block *block,
                           tp_cache_block *next, int32_t *verdicts);

#endif
