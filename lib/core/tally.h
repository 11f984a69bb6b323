/* Twelve counters in 24 bytes, exact at any size. */
#ifndef TP_CORE_TALLY_H
#define TP_CORE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TP_TALLY_COUNTERS 12u
#define TP_TALLY_PACKED_MAX 32767u /* what a counter holds before it needs memory of its own */
#define TP_TALLY_CODE_PACKED 24u   /* bytes of the two encodings */
#define TP_TALLY_CODE_WIDE 104u

/* A tally of zeroes counts nothing. */
typedef struct tp_tally {
    uint64_t words[3];
} tp_tally;

void tp_tally_free(tp_tally *tally); /* leaves it empty */
uint64_t tp_tally_get(const tp_tally *tally, uint32_t counter);
uint64_t tp_tally_total(const tp_tally *tally); /* UINT64_MAX when it is more */
/* Memory in use, the tally itself included. */
uint64_t tp_tally_bytes(const tp_tally *tally);

/* Twelve amounts are added, all or none: E_LIMIT when a counter would pass 2^64 - 1, E_NOMEM. */
int32_t tp_tally_add(tp_tally *tally, const uint64_t *amounts, trigperf_error **err);
/* The same in two steps: after the first has succeeded, the second cannot fail. */
int32_t tp_tally_prepare(tp_tally *tally, const uint64_t *amounts, trigperf_error **err);
void tp_tally_commit(tp_tally *tally, const uint64_t *amounts);
/* Replaces all twelve. Fails only with E_NOMEM, and changes nothing then. */
int32_t tp_tally_set(tp_tally *tally, const uint64_t *values, trigperf_error **err);
void tp_tally_values(const tp_tally *tally, uint64_t *values);

/* Bytes that are the same on every machine and for equal tallies; returns how many. */
uint32_t tp_tally_encode(const tp_tally *tally, uint8_t out[TP_TALLY_CODE_WIDE]);
/* E_INVALID for anything that tp_tally_encode() does not write; changes nothing when it fails. */
int32_t tp_tally_decode(tp_tally *tally, const uint8_t *bytes, size_t length, trigperf_error **err);

#endif
