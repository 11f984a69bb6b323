/* Log-linear histogram of durations in nanoseconds: 866 buckets, each octave from 2^10 to 2^37 ns
 * cut into 32 equal parts. */
#ifndef TP_CORE_HISTOGRAM_H
#define TP_CORE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define TP_HISTOGRAM_BUCKETS 866u
#define TP_HISTOGRAM_LAST (TP_HISTOGRAM_BUCKETS - 1)
/* The smallest and the first too large duration that the relative error bound holds for. */
#define TP_HISTOGRAM_FLOOR (UINT64_C(1) << 10)
#define TP_HISTOGRAM_CEILING (UINT64_C(1) << 37)

/* The merged form, with counts that cannot overflow in practice. Zeroed means empty. */
typedef struct tp_histogram {
    uint64_t counts[TP_HISTOGRAM_BUCKETS];
    uint64_t sum; /* exact, in ns; stays at UINT64_MAX once it would pass it */
    uint64_t max; /* 0: not known, or nothing but zeroes */
} tp_histogram;

/* Number of the highest bit of a number that is not 0. The instruction waits for what its target
 * held before; the compiler does not know, and may take the register of a count for it, so that
 * each record waits for the one before. Therefore the target is the number itself. */
static inline uint32_t tp_histogram_exponent(uint64_t ns) {
#if defined(__x86_64__)
    uint64_t exponent = ns;
    __asm__("bsr %1, %0" : "+r"(exponent) : "r"(ns) : "cc");
    return (uint32_t)exponent;
#else
    return 63u - (uint32_t)__builtin_clzll(ns);
#endif
}

/* Bucket of a duration: exponent, and the five digits behind the leading one. */
static inline uint32_t tp_histogram_bucket(uint64_t ns) {
    if (ns < TP_HISTOGRAM_FLOOR) {
        return 0;
    }
    if (ns >= TP_HISTOGRAM_CEILING) {
        return TP_HISTOGRAM_LAST;
    }
    uint32_t exponent = tp_histogram_exponent(ns);
    return (exponent - 11) * 32 + (uint32_t)(ns >> (exponent - 5)) + 1;
}

static inline uint64_t tp_sum_saturating(uint64_t a, uint64_t b) {
    return a + b < a ? UINT64_MAX : a + b;
}

/* First duration of a bucket: 0 for bucket 0, 2^37 for the last one. */
uint64_t tp_histogram_lower(uint32_t bucket);
/* What stands for all durations of a bucket: its middle; for the last one its lower bound. */
uint64_t tp_histogram_middle(uint32_t bucket);
/* The same where the largest duration is known: never above it. A max below the bucket is that of a
 * part only (the rest came without) and says nothing. */
uint64_t tp_histogram_value(uint32_t bucket, uint64_t max);
/* Rank, from 1, of a quantile among so many values: ceil(q * count). */
uint64_t tp_histogram_rank(double q, uint64_t count);

void tp_histogram_add(tp_histogram *histogram, uint64_t ns, uint64_t times);
void tp_histogram_merge(tp_histogram *into, const tp_histogram *from);
uint64_t tp_histogram_count(const tp_histogram *histogram);
/* The largest duration; 0 when not known: max is below the highest bucket in use. */
uint64_t tp_histogram_max(const tp_histogram *histogram);
/* q from 0 to 1; 0 when empty. */
uint64_t tp_histogram_quantile(const tp_histogram *histogram, double q);

#endif
