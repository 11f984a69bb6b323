/* What a cache knows of its validators: the salt under which their verdicts are found, and how long
 * these live. */
#ifndef TP_CORE_CACHE_VALIDATORS_H
#define TP_CORE_CACHE_VALIDATORS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cache_snapshot.h"

#define TP_CACHE_VALIDATORS 65536u
#define TP_VALIDATORS_CHUNK 128u

typedef struct tp_cache_validator tp_cache_validator;

/* Zeroes: every validator is as it is at first. */
typedef struct tp_cache_validators {
    _Atomic(tp_cache_validator *) chunks[TP_CACHE_VALIDATORS / TP_VALIDATORS_CHUNK];
} tp_cache_validators;

void tp_cache_validators_free(tp_cache_validators *validators);
uint64_t tp_cache_validators_bytes(const tp_cache_validators *validators);

struct tp_cache_validator {
    _Atomic uint64_t salt;
    _Atomic int64_t ttl_ms;
    uint64_t version;
    uint64_t generation;
    bool invalidated; /* in this process */
};

/* Any thread. */
static inline const tp_cache_validator *
tp_cache_validators_find(const tp_cache_validators *validators, uint32_t number) {
    const tp_cache_validator *chunk = atomic_load_explicit(
        &validators->chunks[number / TP_VALIDATORS_CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[number % TP_VALIDATORS_CHUNK];
}

/* Of a validator that nothing has happened to. An odd factor keeps them apart. */
static inline uint64_t tp_cache_validators_first_salt(uint32_t number) {
    return number * UINT64_C(0xD6E8FEB86659FD93);
}

static inline uint64_t tp_cache_validators_salt(const tp_cache_validators *validators,
                                                uint32_t number) {
    const tp_cache_validator *found = tp_cache_validators_find(validators, number);
    return found == NULL ? tp_cache_validators_first_salt(number)
                         : atomic_load_explicit(&found->salt, memory_order_acquire);
}

int64_t tp_cache_validators_ttl(const tp_cache_validators *validators, uint32_t number);

/* One thread at a time; false when memory is short. */
bool tp_cache_validators_set(tp_cache_validators *validators, uint32_t number, uint64_t version,
                             int64_t ttl_ms);
bool tp_cache_validators_invalidate(tp_cache_validators *validators, uint32_t number);
/* Those whose verdicts are not of the first generation; *list is released with free(). */
bool tp_cache_validators_list(const tp_cache_validators *validators, tp_snapshot_validator **list,
                              uint32_t *count);
/* Of a snapshot. Verdicts of a validator that nobody has invalidated here are of the generation
 * they were saved with; where somebody has, its own must be another. */
bool tp_cache_validators_take(tp_cache_validators *validators, const tp_snapshot_validator *saved);

#endif
