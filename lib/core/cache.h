/* The verdict cache: numbers of 16 bits by validator and key. Any thread. Time, the identity of the
 * calling thread and randomness are arguments. */
#ifndef TP_CORE_CACHE_H
#define TP_CORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "core/cache_table.h"
#include "core/cache_validators.h"

typedef struct tp_cache tp_cache;

typedef struct tp_cache_options {
    uint64_t capacity; /* entries; 0: nothing is kept */
    tp_cache_policy policy;
    bool exact;          /* compare keys */
    uint64_t ttl_ms;     /* 0: never expires */
    uint32_t ttl_jitter; /* percent by which a time to live is shortened at most */
    uint64_t start_ms;   /* the present time */
    tp_wide_key key;     /* random */
    tp_bonds *bonds;     /* may be NULL; outlives the cache */
} tp_cache_options;

/* What every call says about itself. */
typedef struct tp_cache_call {
    uint32_t validator;
    uint64_t now_ms;  /* monotonic; may be 0 as long as tp_cache_is_timed() says no */
    uintptr_t thread; /* tells calling threads apart; not 0 */
} tp_cache_call;

/* A key that was not found, to be put when its verdict is known. */
typedef struct tp_cache_miss {
    tp_cache_table *table;
    tp_cache_probe probe;
    uint32_t ticket;
} tp_cache_miss;

typedef struct tp_cache_figures {
    uint64_t capacity;
    uint64_t entries;
    uint64_t bytes;
    uint64_t hits;
    uint64_t misses;
    uint64_t insertions;
    uint64_t evictions;   /* went for others */
    uint64_t expirations; /* found dead: expired, or their table or row had changed */
    uint64_t invalidations;
} tp_cache_figures;

int32_t tp_cache_new(const tp_cache_options *options, tp_cache **out, trigperf_error **err);
void tp_cache_free(tp_cache *cache);

/* The verdict, or -1. miss may be NULL. */
int32_t tp_cache_get(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                     tp_cache_miss *miss);
/* Keeps the verdict of a key that was missed, unless it was invalidated since, or has come. */
void tp_cache_fill(tp_cache *cache, const tp_cache_call *call, const tp_cache_miss *miss,
                   uint32_t verdict);

/* ttl_ms 0: the validator's; negative: never expires. bond may be NULL. E_STALE: the bond's token
 * was overtaken, no verdict of the key is there now. E_NOMEM: the same for lack of memory. */
int32_t tp_cache_put(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                     uint32_t verdict, int64_t ttl_ms, const tp_cache_bond *bond);
bool tp_cache_invalidate(tp_cache *cache, const tp_cache_call *call, const char *key,
                         size_t length);

int32_t tp_cache_validator_set(tp_cache *cache, uint32_t validator, uint64_t version,
                               int64_t ttl_ms, trigperf_error **err);
int32_t tp_cache_invalidate_validator(tp_cache *cache, uint32_t validator, trigperf_error **err);

/* Memory for verdicts that are bound to rows. False when it is short. */
bool tp_cache_want_rows(tp_cache *cache);
/* Removes verdicts that are dead. */
void tp_cache_sweep(tp_cache *cache, const tp_cache_call *call);
void tp_cache_clear(tp_cache *cache, const tp_cache_call *call);
/* What is there moves over as it is asked for; the rest goes after a while. */
int32_t tp_cache_resize(tp_cache *cache, const tp_cache_call *call, uint64_t capacity,
                        trigperf_error **err);

/* A snapshot; out->failed when memory was short, empty without capacity. wall_ms: time of day. */
void tp_cache_save(tp_cache *cache, const tp_cache_call *call, uint64_t wall_ms, tp_strbuf *out);
/* E_INVALID: no snapshot, or damaged. E_UNSUPPORTED: hashed keys for a cache of whole ones.
 * E_LIMIT: of a cache that was much larger. Nothing is changed then, but for generations of
 * validators. */
int32_t tp_cache_load(tp_cache *cache, const tp_cache_call *call, uint64_t wall_ms,
                      const void *bytes, size_t length, uint64_t *entries, trigperf_error **err);

void tp_cache_figures_get(const tp_cache *cache, tp_cache_figures *figures);

#endif
