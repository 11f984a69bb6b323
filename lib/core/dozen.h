/* Twelve counters in 24 bytes, exact at any size. */
#ifndef TP_CORE_DOZEN_H
#define TP_CORE_DOZEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TP_DOZEN_COUNTERS 12u
#define TP_DOZEN_PACKED_MAX 32767u /* what a counter holds before it needs memory of its own */
#define TP_DOZEN_CODE_PACKED 24u   /* bytes of the two encodings */
#define TP_DOZEN_CODE_WIDE 104u

/* A dozen of zeroes counts nothing. */
typedef struct tp_dozen {
    uint64_t words[3];
} tp_dozen;

void tp_dozen_free(tp_dozen *dozen); /* leaves it empty */
uint64_t tp_dozen_get(const tp_dozen *dozen, uint32_t counter);
uint64_t tp_dozen_total(const tp_dozen *dozen); /* UINT64_MAX when it is more */
/* Memory in use, the dozen itself included. */
uint64_t tp_dozen_bytes(const tp_dozen *dozen);

/* Twelve amounts are added, all or none: E_LIMIT when a counter would pass 2^64 - 1, E_NOMEM. */
int32_t tp_dozen_add(tp_dozen *dozen, const uint64_t *amounts, trigperf_error **err);
/* The same in two steps: after the first has succeeded, the second cannot fail. */
int32_t tp_dozen_prepare(tp_dozen *dozen, const uint64_t *amounts, trigperf_error **err);
void tp_dozen_commit(tp_dozen *dozen, const uint64_t *amounts);
/* Replaces all twelve. Fails only with E_NOMEM, and changes nothing then. */
int32_t tp_dozen_set(tp_dozen *dozen, const uint64_t *values, trigperf_error **err);
void tp_dozen_values(const tp_dozen *dozen, uint64_t *values);

/* Bytes that are the same on every machine and for equal dozens; returns how many. */
uint32_t tp_dozen_encode(const tp_dozen *dozen, uint8_t out[TP_DOZEN_CODE_WIDE]);
/* E_INVALID for anything that tp_dozen_encode() does not write; changes nothing when it fails. */
int32_t tp_dozen_decode(tp_dozen *dozen, const uint8_t *bytes, size_t length, trigperf_error **err);

#endif
