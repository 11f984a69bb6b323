/* The encoding of histograms outside of memory, version 1: one int64 for each bucket that is not
 * empty, `bucket << 48 | count`. See doc/metrics.md for the specification. */
#ifndef TP_CORE_PACKED_H
#define TP_CORE_PACKED_H

#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "core/histogram.h"

#define TP_PACKED_VERSION 1
/* A bucket's count stays here once it would pass it. */
#define TP_PACKED_COUNT_MAX ((UINT64_C(1) << 48) - 1)

static inline uint32_t tp_packed_bucket(int64_t entry) {
    return (uint32_t)((uint64_t)entry >> 48);
}

static inline uint64_t tp_packed_count_of(int64_t entry) {
    return (uint64_t)entry & TP_PACKED_COUNT_MAX;
}

/* Writes the counts in ascending order of buckets; returns how many, at most TP_HISTOGRAM_BUCKETS.
 */
uint32_t tp_packed_encode(const tp_histogram *histogram, int64_t *out);

/* Adds entries to a histogram's counts. Takes them in any order, more than once, and with counts of
 * 0; E_INVALID when one names no bucket, and then nothing was added. */
int32_t tp_packed_decode(const int64_t *entries, uint32_t count, tp_histogram *into,
                         trigperf_error **err);

/* The following take what tp_packed_encode() wrote: ascending, each bucket once. */
uint64_t tp_packed_count(const int64_t *entries, uint32_t count);
/* As tp_histogram_quantile(); max 0: not known. */
uint64_t tp_packed_quantile(const int64_t *entries, uint32_t count, uint64_t max, double q);
/* Sum and difference (of a later and an earlier state: never below 0). out has room for the entries
 * of both, resp. of the later one, and may not be one of them. Return how many were written. */
uint32_t tp_packed_merge(const int64_t *a, uint32_t a_count, const int64_t *b, uint32_t b_count,
                         int64_t *out);
uint32_t tp_packed_subtract(const int64_t *later, uint32_t later_count, const int64_t *earlier,
                            uint32_t earlier_count, int64_t *out);

/* As a literal of the type bigint[]: {281474976710657,562949953421316}. */
void tp_packed_print(const int64_t *entries, uint32_t count, tp_strbuf *out);
/* Reads such a literal, adding to a histogram's counts; E_INVALID with the position when it is
 * malformed, and then nothing was added. */
int32_t tp_packed_parse(const char *text, size_t length, tp_histogram *into, trigperf_error **err);

#endif
