/* The salt is made of the number, the version and the generation, and hashed together with each
 * key: after any of them has changed, former verdicts cannot be found. Chunks of 128 validators are
 * made when the first of them is set, and stay. */
#include "core/cache_validators.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/hash.h"

/* Other versions and generations are mixed. */
static uint64_t salt_of(uint32_t number, uint64_t version, uint64_t generation) {
    uint64_t parts[3] = {number, version, generation};
    return version == 0 && generation == 0 ? tp_cache_validators_first_salt(number)
                                           : tp_hash_stable(parts, sizeof parts);
}

void tp_cache_validators_free(tp_cache_validators *validators) {
    for (uint32_t i = 0; i < TP_CACHE_VALIDATORS / TP_VALIDATORS_CHUNK; i++) {
        free(atomic_load(&validators->chunks[i]));
    }
}

uint64_t tp_cache_validators_bytes(const tp_cache_validators *validators) {
    uint64_t chunks = 0;
    for (uint32_t i = 0; i < TP_CACHE_VALIDATORS / TP_VALIDATORS_CHUNK; i++) {
        chunks += atomic_load(&validators->chunks[i]) != NULL ? 1 : 0;
    }
    return chunks * TP_VALIDATORS_CHUNK * sizeof(tp_cache_validator);
}

int64_t tp_cache_validators_ttl(const tp_cache_validators *validators, uint32_t number) {
    const tp_cache_validator *found = tp_cache_validators_find(validators, number);
    return found == NULL ? 0 : atomic_load_explicit(&found->ttl_ms, memory_order_relaxed);
}

static tp_cache_validator *want(tp_cache_validators *validators, uint32_t number) {
    _Atomic(tp_cache_validator *) *place = &validators->chunks[number / TP_VALIDATORS_CHUNK];
    uint32_t first = number / TP_VALIDATORS_CHUNK * TP_VALIDATORS_CHUNK;
    tp_cache_validator *chunk = atomic_load(place);
    if (chunk == NULL) {
        chunk = calloc(TP_VALIDATORS_CHUNK, sizeof *chunk);
        for (uint32_t i = 0; chunk != NULL && i < TP_VALIDATORS_CHUNK; i++) {
            atomic_init(&chunk[i].salt, salt_of(first + i, 0, 0));
        }
        atomic_store_explicit(place, chunk, memory_order_release);
    }
    return chunk == NULL ? NULL : &chunk[number % TP_VALIDATORS_CHUNK];
}

static void renew_salt(tp_cache_validator *v, uint32_t number) {
    atomic_store_explicit(&v->salt, salt_of(number, v->version, v->generation),
                          memory_order_release);
}

bool tp_cache_validators_set(tp_cache_validators *validators, uint32_t number, uint64_t version,
                             int64_t ttl_ms) {
    tp_cache_validator *v = want(validators, number);
    if (v == NULL) {
        return false;
    }
    v->version = version;
    atomic_store_explicit(&v->ttl_ms, ttl_ms, memory_order_relaxed);
    renew_salt(v, number);
    return true;
}

bool tp_cache_validators_invalidate(tp_cache_validators *validators, uint32_t number) {
    tp_cache_validator *v = want(validators, number);
    if (v == NULL) {
        return false;
    }
    v->generation++;
    v->invalidated = true;
    renew_salt(v, number);
    return true;
}

bool tp_cache_validators_list(const tp_cache_validators *validators, tp_snapshot_validator **list,
                              uint32_t *count) {
    uint32_t capacity = 0;
    for (uint32_t number = 0; number < TP_CACHE_VALIDATORS; number++) {
        const tp_cache_validator *v = tp_cache_validators_find(validators, number);
        if (v == NULL || v->generation == 0) {
            continue;
        }
        void *grown = tp_array_reserve(*list, &capacity, *count + 1, sizeof **list);
        if (grown == NULL) {
            return false;
        }
        *list = grown;
        (*list)[(*count)++] = (tp_snapshot_validator){number, v->generation};
    }
    return true;
}

bool tp_cache_validators_take(tp_cache_validators *validators, const tp_snapshot_validator *saved) {
    if (saved->number >= TP_CACHE_VALIDATORS) {
        return true;
    }
    tp_cache_validator *v = want(validators, saved->number);
    if (v == NULL) {
        return false;
    }
    if (!v->invalidated) {
        v->generation = saved->generation;
    } else if (v->generation == saved->generation) {
        v->generation++;
    }
    renew_salt(v, saved->number);
    return true;
}
