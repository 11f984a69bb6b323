/**
 * @file histogram.h
 * @brief Histograms of durations by themselves: to merge, to ask for quantiles, to read what
 *        a database stores.
 *
 * Log-linear, after HdrHistogram (Gil Tene): octaves of nanoseconds cut into 32 equal parts, 866
 * buckets in all. Any two can be merged, here and in SQL, without losing anything, so percentiles
 * of a month come from the histograms of its hours.
 *
 * **Error bound.** A quantile is the middle of the bucket that holds it: at most 1/64 (1.5625 %)
 * off for durations from 1.024 us to below 137.4 s; at most 512 ns off below; everything above is
 * reported as 137.4 s. Count, sum and maximum are exact.
 *
 * A histogram belongs to one thread at a time. For recording from many threads see series.h.
 */
#ifndef TRIGPERF_HISTOGRAM_H
#define TRIGPERF_HISTOGRAM_H

#include <stdint.h>

#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Version of the packed encoding that this library writes and reads; see doc/metrics.md. */
enum trigperf_histogram_encoding { TRIGPERF_HISTOGRAM_ENCODING_1 = 1 /**< bucket << 48 | count */ };

/** A histogram of durations. Opaque; 6.9 KB. */
typedef struct trigperf_histogram trigperf_histogram;

/**
 * @brief Makes an empty histogram.
 * @param[out] histogram receives it; release with trigperf_histogram_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0 or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_histogram_new(trigperf_histogram **histogram, trigperf_error **error);

/**
 * @brief Releases a histogram.
 * @param histogram a histogram, or NULL (no effect).
 */
void trigperf_histogram_free(trigperf_histogram *histogram);

/**
 * @brief Forgets everything that was recorded.
 * @param histogram a histogram.
 */
void trigperf_histogram_reset(trigperf_histogram *histogram);

/**
 * @brief Records a duration. O(1).
 * @param histogram a histogram.
 * @param ns    nanoseconds; negative ones (a clock went backwards) count as 0.
 * @param times how often; 0: no effect. Counts and sum stay at 2^64 - 1 rather than wrap around.
 */
void trigperf_histogram_record(trigperf_histogram *histogram, int64_t ns, uint64_t times);

/**
 * @brief Adds another histogram. O(866).
 * @param into receives the sum.
 * @param from stays as it is; may be the same one.
 */
void trigperf_histogram_merge(trigperf_histogram *into, const trigperf_histogram *from);

/**
 * @brief How many durations were recorded.
 * @param histogram a histogram.
 * @return the count.
 */
uint64_t trigperf_histogram_count(const trigperf_histogram *histogram);

/**
 * @brief Sum of the durations.
 * @param histogram a histogram.
 * @return nanoseconds; 2^64 - 1 (585 years) when the sum would be more.
 */
uint64_t trigperf_histogram_sum(const trigperf_histogram *histogram);

/**
 * @brief The longest duration.
 * @param histogram a histogram.
 * @return nanoseconds; 0 when empty, or when it was decoded without its maximum.
 */
uint64_t trigperf_histogram_max(const trigperf_histogram *histogram);

/**
 * @brief Mean duration, exact.
 * @param histogram a histogram.
 * @return nanoseconds; 0 when empty.
 */
double trigperf_histogram_mean(const trigperf_histogram *histogram);

/**
 * @brief The smallest recorded duration that at least the share q of all does not exceed, as
 *        SQL's percentile_disc() defines it, within the error bound. O(866).
 * @param histogram a histogram.
 * @param q  0 to 1: 0.5 is the median, 0.99 the 99th percentile.
 * @param[out] ns receives nanoseconds, never above trigperf_histogram_max().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (q, also NaN), #TRIGPERF_E_NOT_FOUND (nothing was recorded).
 */
int32_t trigperf_histogram_quantile(const trigperf_histogram *histogram, double q, uint64_t *ns,
                                    trigperf_error **error);

/**
 * @brief How many buckets every histogram has.
 * @return 866.
 */
uint32_t trigperf_histogram_buckets(void);

/**
 * @brief First duration of a bucket; it ends where the next one begins.
 * @param bucket 0 to trigperf_histogram_buckets() - 1; larger ones count as the last.
 * @return nanoseconds.
 */
uint64_t trigperf_histogram_bucket_lower(uint32_t bucket);

/**
 * @brief Count of a bucket.
 * @param histogram a histogram.
 * @param bucket 0 to trigperf_histogram_buckets() - 1.
 * @return the count; 0 beyond.
 */
uint64_t trigperf_histogram_bucket_count(const trigperf_histogram *histogram, uint32_t bucket);

/**
 * @brief Writes the counts in encoding version 1, ascending, empty buckets left out. Sum and
 * maximum are not part of it: store them beside it.
 * @param histogram a histogram.
 * @param[out] packed receives the entries.
 * @param capacity how many entries it has room for; 866 always suffice.
 * @param[out] count receives how many were written.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (more are needed: nothing was written).
 */
int32_t trigperf_histogram_encode(const trigperf_histogram *histogram, int64_t *packed,
                                  uint32_t capacity, uint32_t *count, trigperf_error **error);

/**
 * @brief Adds packed counts, as this library or a database wrote them. In any order, also several
 *        entries for one bucket (their counts add up).
 * @param histogram a histogram.
 * @param encoding  version, #trigperf_histogram_encoding.
 * @param packed    the entries.
 * @param count     how many there are.
 * @param sum_ns    sum that belongs to them, 0 when not known.
 * @param max_ns    maximum that belongs to them, 0 when not known.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_VERSION (another encoding), #TRIGPERF_E_INVALID (an entry names no
 * bucket); on failure nothing was added.
 */
int32_t trigperf_histogram_decode(trigperf_histogram *histogram, int32_t encoding,
                                  const int64_t *packed, uint32_t count, uint64_t sum_ns,
                                  uint64_t max_ns, trigperf_error **error);

/**
 * @brief The packed counts as a literal of PostgreSQL's type bigint[]: `{281474976710657}`.
 * @param histogram a histogram.
 * @param[out] text receives the literal; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0 or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_histogram_text(const trigperf_histogram *histogram, char **text,
                                trigperf_error **error);

/**
 * @brief trigperf_histogram_decode() of such a literal.
 * @param histogram a histogram.
 * @param encoding  version, #trigperf_histogram_encoding.
 * @param text      the literal.
 * @param length    its length in bytes.
 * @param sum_ns    sum that belongs to it, 0 when not known.
 * @param max_ns    maximum that belongs to it, 0 when not known.
 * @param[out] error says where the text is malformed; may be NULL.
 * @return as trigperf_histogram_decode().
 */
int32_t trigperf_histogram_parse(trigperf_histogram *histogram, int32_t encoding, const char *text,
                                 uint64_t length, uint64_t sum_ns, uint64_t max_ns,
                                 trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
