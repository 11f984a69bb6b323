/* Buckets against their definition, quantiles against a sorted array of the samples. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/histogram.h"
#include "prng.h"

#define SAMPLES 20000u

/* The definition that SQL functions use. */
static uint32_t bucket_by_definition(uint64_t ns) {
    if (ns < 1024) {
        return 0;
    }
    if (ns >= UINT64_C(1) << 37) {
        return 865;
    }
    uint32_t exponent = 63u - (uint32_t)__builtin_clzll(ns);
    return (exponent - 10) * 32 + (uint32_t)((ns >> (exponent - 5)) & 31) + 1;
}

static void test_buckets_are_those_of_the_definition(void **state) {
    (void)state;
    uint64_t random = 1;
    for (uint32_t shift = 0; shift < 64; shift++) {
        uint64_t power = UINT64_C(1) << shift;
        for (int64_t near = -3; near <= 3; near++) {
            uint64_t ns = power + (uint64_t)near;
            assert_int_equal(tp_histogram_bucket(ns), bucket_by_definition(ns));
        }
        for (int i = 0; i < 2000; i++) {
            uint64_t ns = prng_next(&random) >> shift;
            assert_int_equal(tp_histogram_bucket(ns), bucket_by_definition(ns));
        }
    }
    assert_int_equal(tp_histogram_bucket(0), 0);
    assert_int_equal(tp_histogram_bucket(UINT64_MAX), 865);
    assert_int_equal(tp_histogram_bucket(INT64_MAX), 865);
}

static void test_bounds_of_buckets(void **state) {
    (void)state;
    assert_int_equal(tp_histogram_lower(0), 0);
    assert_int_equal(tp_histogram_lower(1), 1024);
    assert_int_equal(tp_histogram_lower(865), UINT64_C(1) << 37);
    for (uint32_t i = 1; i < TP_HISTOGRAM_BUCKETS; i++) {
        uint64_t lower = tp_histogram_lower(i);
        assert_true(lower > tp_histogram_lower(i - 1));
        assert_int_equal(tp_histogram_bucket(lower), i);
        assert_int_equal(tp_histogram_bucket(lower - 1), i - 1);
        assert_int_equal(tp_histogram_bucket(tp_histogram_middle(i)), i);
    }
}

/* The stated bound, for both ends of every bucket: 1/64. */
static void test_the_middle_is_within_the_bound(void **state) {
    (void)state;
    for (uint32_t i = 1; i < TP_HISTOGRAM_LAST; i++) {
        uint64_t middle = tp_histogram_middle(i);
        uint64_t first = tp_histogram_lower(i);
        uint64_t last = tp_histogram_lower(i + 1) - 1;
        assert_true((middle - first) * 64 <= first);
        assert_true((last - middle) * 64 <= last);
    }
    assert_int_equal(tp_histogram_middle(0), 512);
    assert_int_equal(tp_histogram_middle(865), UINT64_C(1) << 37);
}

static int compare(const void *a, const void *b) {
    const uint64_t *left = a;
    const uint64_t *right = b;
    return *left < *right ? -1 : *left > *right;
}

static double uniform(uint64_t *random) {
    return (double)(prng_next(random) >> 11) / 9007199254740992.0;
}

static double normal(uint64_t *random) {
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += uniform(random);
    }
    return sum - 6;
}

static uint64_t draw(int kind, uint64_t *random) {
    switch (kind) {
    case 0: /* uniform, 2 us to 100 ms */
        return 2000 + (uint64_t)(uniform(random) * 1e8);
    case 1: /* lognormal around 1 ms */
        return (uint64_t)(1e6 * exp(1.2 * normal(random))) + TP_HISTOGRAM_FLOOR;
    case 2: /* bimodal: cache hits and misses */
        return uniform(random) < 0.9 ? 5000 + prng_below(random, 1000)
                                     : 40000000 + prng_below(random, 9000000);
    default: /* constant */
        return 1234567;
    }
}

static void check_quantile(const tp_histogram *histogram, const uint64_t *sorted, double q) {
    uint64_t wanted = sorted[tp_histogram_rank(q, SAMPLES) - 1];
    uint64_t got = tp_histogram_quantile(histogram, q);
    uint64_t off = got > wanted ? got - wanted : wanted - got;
    assert_true(off * 64 <= wanted);
}

static void test_quantiles_of_known_distributions(void **state) {
    (void)state;
    static const double quantiles[] = {0, 0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    uint64_t *samples = malloc(SAMPLES * sizeof *samples);
    tp_histogram *histogram = malloc(sizeof *histogram);
    uint64_t random = 7;
    assert_non_null(samples);
    assert_non_null(histogram);
    for (int kind = 0; kind < 4; kind++) {
        uint64_t sum = 0;
        memset(histogram, 0, sizeof *histogram);
        for (uint32_t i = 0; i < SAMPLES; i++) {
            samples[i] = draw(kind, &random);
            sum += samples[i];
            tp_histogram_add(histogram, samples[i], 1);
        }
        qsort(samples, SAMPLES, sizeof *samples, compare);
        assert_int_equal(tp_histogram_count(histogram), SAMPLES);
        assert_int_equal(histogram->sum, sum);
        assert_int_equal(histogram->max, samples[SAMPLES - 1]);
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
            check_quantile(histogram, samples, quantiles[i]);
        }
    }
    free(histogram);
    free(samples);
}

static void test_ranks(void **state) {
    (void)state;
    assert_int_equal(tp_histogram_rank(0, 10), 1);
    assert_int_equal(tp_histogram_rank(0.5, 10), 5);
    assert_int_equal(tp_histogram_rank(0.51, 10), 6);
    assert_int_equal(tp_histogram_rank(0.95, 100), 95);
    assert_int_equal(tp_histogram_rank(1, 10), 10);
    assert_int_equal(tp_histogram_rank(1, 1), 1);
    assert_int_equal(tp_histogram_rank(NAN, 10), 1);
    assert_int_equal(tp_histogram_rank(1, UINT64_MAX), UINT64_MAX);
}

static void test_empty_and_out_of_range(void **state) {
    (void)state;
    tp_histogram histogram = {.sum = 0};
    assert_int_equal(tp_histogram_quantile(&histogram, 0.5), 0);
    tp_histogram_add(&histogram, 3, 0);
    assert_int_equal(histogram.max, 0);
    assert_int_equal(tp_histogram_count(&histogram), 0);
    tp_histogram_add(&histogram, 100, 3);
    assert_int_equal(tp_histogram_quantile(&histogram, 0.5), 100); /* never above the largest */
    tp_histogram_add(&histogram, UINT64_C(1) << 40, 9);
    assert_int_equal(tp_histogram_quantile(&histogram, 0.5), UINT64_C(1) << 37);
    assert_int_equal(histogram.max, UINT64_C(1) << 40);
}

static void test_a_maximum_of_a_part_is_none(void **state) {
    (void)state;
    tp_histogram histogram = {.sum = 0};
    tp_histogram part = {.sum = 0};
    tp_histogram_add(&histogram, 5000, 3);
    assert_int_equal(tp_histogram_max(&histogram), 5000);
    part.counts[tp_histogram_bucket(70000)] = 4; /* came without its maximum */
    assert_int_equal(tp_histogram_max(&part), 0);
    tp_histogram_merge(&histogram, &part);
    assert_int_equal(tp_histogram_max(&histogram), 0);
    assert_int_equal(tp_histogram_quantile(&histogram, 1),
                     tp_histogram_middle(tp_histogram_bucket(70000)));
}

static void test_nothing_wraps_around(void **state) {
    (void)state;
    tp_histogram histogram = {.sum = 0};
    tp_histogram other = {.sum = 0};
    tp_histogram_add(&histogram, UINT64_C(1) << 62, UINT64_MAX - 1);
    assert_int_equal(histogram.sum, UINT64_MAX);
    tp_histogram_add(&other, UINT64_C(1) << 62, 5);
    tp_histogram_add(&other, 5000, 5);
    tp_histogram_merge(&histogram, &other);
    assert_int_equal(histogram.counts[865], UINT64_MAX);
    assert_int_equal(histogram.sum, UINT64_MAX);
    assert_int_equal(tp_histogram_count(&histogram), UINT64_MAX);
    assert_int_equal(tp_histogram_quantile(&histogram, 1), UINT64_C(1) << 37);
}

static void test_merging_is_recording_both(void **state) {
    (void)state;
    static tp_histogram parts[3];
    static tp_histogram whole;
    uint64_t random = 11;
    for (uint32_t i = 0; i < 30000; i++) {
        uint64_t ns = prng_next(&random) >> (20 + prng_below(&random, 40));
        tp_histogram_add(&parts[i % 3], ns, 1 + i % 4);
        tp_histogram_add(&whole, ns, 1 + i % 4);
    }
    tp_histogram_merge(&parts[0], &parts[1]);
    tp_histogram_merge(&parts[0], &parts[2]);
    assert_memory_equal(&parts[0], &whole, sizeof whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_are_those_of_the_definition),
        cmocka_unit_test(test_bounds_of_buckets),
        cmocka_unit_test(test_the_middle_is_within_the_bound),
        cmocka_unit_test(test_quantiles_of_known_distributions),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_empty_and_out_of_range),
        cmocka_unit_test(test_a_maximum_of_a_part_is_none),
        cmocka_unit_test(test_nothing_wraps_around),
        cmocka_unit_test(test_merging_is_recording_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
