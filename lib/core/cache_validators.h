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

/* Any thread. */
uint64_t tp_cache_validators_salt(const tp_cache_validators *validators, uint32_t number);
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
