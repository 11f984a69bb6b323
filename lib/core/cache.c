/* Sets of eight entries behind one lock; the least recently put of a set goes first. */
#include "core/cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 8u

typedef struct entry {
    uint64_t key;
    uint64_t check;
    uint64_t expires_ms; /* UINT64_MAX: never */
    uint32_t stamp;      /* 0: empty */
    uint32_t verdict;
} entry;

typedef struct validator {
    uint64_t version;
    uint64_t generation;
    int64_t ttl_ms;
} validator;

struct tp_cache {
    tp_cache_options options;
    atomic_flag busy;
    atomic_bool timed;
    uint64_t sets;
    uint32_t stamp;
    validator *validators;
    entry *entries;
};

static void lock(tp_cache *cache) {
    while (atomic_flag_test_and_set_explicit(&cache->busy, memory_order_acquire)) {
        continue;
    }
}

static void unlock(tp_cache *cache) {
    atomic_flag_clear_explicit(&cache->busy, memory_order_release);
}

int32_t tp_cache_new(const tp_cache_options *options, tp_cache **out, trigperf_error **err) {
    tp_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        return tp_error_nomem(err);
    }
    cache->options = *options;
    cache->sets = (options->capacity + WAYS - 1) / WAYS;
    atomic_init(&cache->timed, options->ttl_ms != 0);
    cache->validators = calloc(TP_CACHE_VALIDATORS, sizeof *cache->validators);
    cache->entries = calloc(cache->sets * WAYS + 1, sizeof *cache->entries);
    if (cache->validators == NULL || cache->entries == NULL) {
        tp_cache_free(cache);
        return tp_error_nomem(err);
    }
    *out = cache;
    return TRIGPERF_OK;
}

void tp_cache_free(tp_cache *cache) {
    if (cache != NULL) {
        free(cache->validators);
        free(cache->entries);
        free(cache);
    }
}

bool tp_cache_is_timed(const tp_cache *cache) {
    return atomic_load_explicit(&cache->timed, memory_order_relaxed);
}

/* With the lock held. */
static entry *set_of(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                     entry *wanted) {
    const validator *v = &cache->validators[call->validator];
    uint64_t about[4] = {call->validator, v->version, v->generation, length};
    uint64_t salt = tp_hash64(&cache->options.hash_key, about, sizeof about);
    wanted->key = tp_hash64(&cache->options.hash_key, key, length);
    wanted->check = salt;
    uint64_t mixed = wanted->key ^ salt;
    return &cache->entries[((mixed >> 32) * cache->sets >> 32) * WAYS];
}

static entry *find(entry *set, const entry *wanted) {
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].stamp != 0 && set[i].key == wanted->key && set[i].check == wanted->check) {
            return &set[i];
        }
    }
    return NULL;
}

bool tp_cache_get(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                  uint32_t *verdict) {
    entry wanted;
    if (cache->sets == 0) {
        return false;
    }
    lock(cache);
    const entry *found = find(set_of(cache, call, key, length, &wanted), &wanted);
    bool hit = found != NULL && found->expires_ms > call->now_ms;
    if (hit) {
        *verdict = found->verdict;
    }
    unlock(cache);
    return hit;
}

static uint64_t expiry(tp_cache *cache, const tp_cache_call *call, int64_t ttl_ms) {
    int64_t own = cache->validators[call->validator].ttl_ms;
    int64_t wanted = ttl_ms != 0 ? ttl_ms : own != 0 ? own : (int64_t)cache->options.ttl_ms;
    if (wanted <= 0) {
        return UINT64_MAX;
    }
    atomic_store_explicit(&cache->timed, true, memory_order_relaxed);
    return call->now_ms + (uint64_t)wanted;
}

static entry *oldest(entry *set) {
    entry *found = set;
    for (uint32_t i = 1; i < WAYS; i++) {
        found = set[i].stamp < found->stamp ? &set[i] : found;
    }
    return found;
}

void tp_cache_put(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                  uint32_t verdict, int64_t ttl_ms) {
    entry wanted;
    if (cache->sets == 0) {
        return;
    }
    lock(cache);
    entry *set = set_of(cache, call, key, length, &wanted);
    entry *place = find(set, &wanted);
    place = place == NULL ? oldest(set) : place;
    wanted.expires_ms = expiry(cache, call, ttl_ms);
    wanted.stamp = ++cache->stamp;
    wanted.verdict = verdict;
    *place = wanted;
    unlock(cache);
}

bool tp_cache_invalidate(tp_cache *cache, const tp_cache_call *call, const char *key,
                         size_t length) {
    entry wanted;
    if (cache->sets == 0) {
        return false;
    }
    lock(cache);
    entry *found = find(set_of(cache, call, key, length, &wanted), &wanted);
    if (found != NULL) {
        found->stamp = 0;
    }
    unlock(cache);
    return found != NULL;
}

int32_t tp_cache_validator_set(tp_cache *cache, uint32_t number, uint64_t version, int64_t ttl_ms,
                               trigperf_error **err) {
    (void)err;
    lock(cache);
    cache->validators[number].version = version;
    cache->validators[number].ttl_ms = ttl_ms;
    unlock(cache);
    return TRIGPERF_OK;
}

int32_t tp_cache_invalidate_validator(tp_cache *cache, uint32_t number, trigperf_error **err) {
    (void)err;
    lock(cache);
    cache->validators[number].generation++;
    unlock(cache);
    return TRIGPERF_OK;
}

void tp_cache_clear(tp_cache *cache) {
    lock(cache);
    memset(cache->entries, 0, cache->sets * WAYS * sizeof *cache->entries);
    unlock(cache);
}
