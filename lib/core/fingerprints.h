/* A set of records that are known by a fingerprint of 96 bits: at most 16 bytes a record. */
#ifndef TP_CORE_FINGERPRINTS_H
#define TP_CORE_FINGERPRINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

typedef struct tp_fingerprints tp_fingerprints;

tp_fingerprints *tp_fingerprints_new(void); /* NULL when memory is short */
void tp_fingerprints_free(tp_fingerprints *set);

/* Ahead of tp_fingerprints_add(), for callers that have several at hand. Only a hint. */
void tp_fingerprints_foresee(const tp_fingerprints *set, tp_hash128 hash);
/* Adds it: 1 when it was new, 0 when it was there, TRIGPERF_E_NOMEM (nothing has changed). */
int32_t tp_fingerprints_add(tp_fingerprints *set, tp_hash128 hash);
/* Room for so many in all, so that reaching them moves nothing. False when memory is short. */
bool tp_fingerprints_reserve(tp_fingerprints *set, uint64_t records);
/* Forgets everything; O(1) in the number of records. */
void tp_fingerprints_clear(tp_fingerprints *set);

uint64_t tp_fingerprints_count(const tp_fingerprints *set);
uint64_t tp_fingerprints_bytes(const tp_fingerprints *set); /* allocated */

#endif
