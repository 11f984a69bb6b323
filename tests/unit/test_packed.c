/* The encoding of histograms: there and back, sums and differences, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/packed.h"
#include "prng.h"

#define ENTRY(bucket, count) ((int64_t)(((uint64_t)(bucket) << 48) | (uint64_t)(count)))

static void fill(tp_histogram *histogram, uint64_t seed, uint32_t count) {
    memset(histogram, 0, sizeof *histogram);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t ns = prng_next(&seed) >> (24 + prng_below(&seed, 36));
        tp_histogram_add(histogram, ns, 1 + prng_below(&seed, 5));
    }
}

static void test_the_bits_are_as_specified(void **state) {
    (void)state;
    tp_histogram histogram = {.sum = 0};
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    assert_int_equal(tp_packed_encode(&histogram, entries), 0);
    tp_histogram_add(&histogram, 1024, 7);
    tp_histogram_add(&histogram, 3, 2);
    tp_histogram_add(&histogram, UINT64_C(1) << 50, 1);
    assert_int_equal(tp_packed_encode(&histogram, entries), 3);
    assert_int_equal(entries[0], 2);
    assert_int_equal(entries[1], (INT64_C(1) << 48) + 7);
    assert_int_equal(entries[2], (INT64_C(865) << 48) + 1);
}

static void test_there_and_back(void **state) {
    (void)state;
    static tp_histogram before;
    static tp_histogram after;
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    for (uint32_t round = 0; round < 50; round++) {
        fill(&before, round, round * 40);
        memset(&after, 0, sizeof after);
        uint32_t count = tp_packed_encode(&before, entries);
        assert_int_equal(tp_packed_decode(entries, count, &after, NULL), TRIGPERF_OK);
        assert_memory_equal(before.counts, after.counts, sizeof before.counts);
        assert_int_equal(tp_packed_count(entries, count), tp_histogram_count(&before));
        for (double q = 0; q <= 1; q += 0.05) {
            assert_int_equal(tp_packed_quantile(entries, count, before.max, q),
                             tp_histogram_quantile(&before, q));
        }
    }
}

static void test_sums_and_differences(void **state) {
    (void)state;
    static tp_histogram one;
    static tp_histogram two;
    int64_t a[TP_HISTOGRAM_BUCKETS];
    int64_t b[TP_HISTOGRAM_BUCKETS];
    int64_t wanted[TP_HISTOGRAM_BUCKETS];
    int64_t out[2 * TP_HISTOGRAM_BUCKETS];
    for (uint32_t round = 0; round < 50; round++) {
        fill(&one, round, 200 + round);
        fill(&two, round + 1000, 3 * round);
        uint32_t a_count = tp_packed_encode(&one, a);
        uint32_t b_count = tp_packed_encode(&two, b);
        tp_histogram_merge(&one, &two);
        uint32_t wanted_count = tp_packed_encode(&one, wanted);
        assert_int_equal(tp_packed_merge(a, a_count, b, b_count, out), wanted_count);
        assert_memory_equal(out, wanted, wanted_count * sizeof *out);
        assert_int_equal(tp_packed_subtract(wanted, wanted_count, b, b_count, out), a_count);
        assert_memory_equal(out, a, a_count * sizeof *out);
        assert_int_equal(tp_packed_subtract(a, a_count, a, a_count, out), 0);
    }
    int64_t lower[] = {ENTRY(3, 5)};
    int64_t higher[] = {ENTRY(2, 9), ENTRY(3, 9)};
    assert_int_equal(tp_packed_subtract(lower, 1, higher, 2, out), 0);
}

static void test_order_and_repetition_do_not_matter(void **state) {
    (void)state;
    tp_histogram histogram = {.sum = 0};
    int64_t entries[] = {ENTRY(700, 4), ENTRY(2, 1), ENTRY(700, 6), ENTRY(0, 0)};
    assert_int_equal(tp_packed_decode(entries, 4, &histogram, NULL), TRIGPERF_OK);
    assert_int_equal(histogram.counts[700], 10);
    assert_int_equal(histogram.counts[2], 1);
    assert_int_equal(tp_histogram_count(&histogram), 11);
    assert_int_equal(tp_packed_decode(NULL, 0, &histogram, NULL), TRIGPERF_OK);
}

static void test_garbage_is_refused_and_changes_nothing(void **state) {
    (void)state;
    tp_histogram histogram = {.sum = 0};
    tp_histogram untouched = {.sum = 0};
    const int64_t bad[] = {-1, INT64_MIN, INT64_MAX, ENTRY(866, 1), ENTRY(32767, 0)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t entries[] = {ENTRY(1, 1), bad[i]};
        trigperf_error *error = NULL;
        assert_int_equal(tp_packed_decode(entries, 2, &histogram, &error), TRIGPERF_E_INVALID);
        assert_non_null(strstr(trigperf_error_message(error), "expected buckets 0 to 865"));
        trigperf_error_free(error);
    }
    assert_memory_equal(&histogram, &untouched, sizeof histogram);
}

static void test_counts_stay_at_48_bits(void **state) {
    (void)state;
    tp_histogram histogram = {.sum = 0};
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    int64_t out[2 * TP_HISTOGRAM_BUCKETS];
    tp_histogram_add(&histogram, 5000, UINT64_C(1) << 60);
    assert_int_equal(tp_packed_encode(&histogram, entries), 1);
    assert_int_equal(tp_packed_count_of(entries[0]), TP_PACKED_COUNT_MAX);
    assert_int_equal(tp_packed_merge(entries, 1, entries, 1, out), 1);
    assert_int_equal(out[0], entries[0]);
}

static void test_literals(void **state) {
    (void)state;
    static tp_histogram before;
    static tp_histogram after;
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    tp_strbuf text = TP_STRBUF_INIT;
    for (uint32_t round = 0; round < 20; round++) {
        fill(&before, round, round * 10);
        memset(&after, 0, sizeof after);
        tp_strbuf_reset(&text);
        tp_packed_print(entries, tp_packed_encode(&before, entries), &text);
        assert_int_equal(tp_packed_parse(text.data, text.length, &after, NULL), TRIGPERF_OK);
        assert_memory_equal(before.counts, after.counts, sizeof before.counts);
    }
    tp_strbuf_reset(&text);
    entries[0] = ENTRY(865, TP_PACKED_COUNT_MAX);
    tp_packed_print(entries, 1, &text);
    assert_string_equal(text.data, "{243757329831428095}");
    assert_int_equal(tp_packed_parse(text.data, text.length, &after, NULL), TRIGPERF_OK);
    tp_strbuf_free(&text);
}

static void test_malformed_literals(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "}",
                                      "{}x",
                                      "{,}",
                                      "{1,}",
                                      "{1,,2}",
                                      "{1 2}",
                                      "{1",
                                      "{1,",
                                      "{-1}",
                                      "{NULL}",
                                      "{a}",
                                      "1,2",
                                      "{{1}}",
                                      "{1}}",
                                      "{ 1}",
                                      "{243757329831428096}",
                                      "{9223372036854775808}",
                                      "{999999999999999999999999999999}"};
    tp_histogram histogram = {.sum = 0};
    tp_histogram untouched = {.sum = 0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        trigperf_error *error = NULL;
        assert_int_equal(tp_packed_parse(bad[i], strlen(bad[i]), &histogram, &error),
                         TRIGPERF_E_INVALID);
        assert_non_null(strstr(trigperf_error_message(error), "at byte"));
        trigperf_error_free(error);
    }
    assert_memory_equal(&histogram, &untouched, sizeof histogram);
    assert_int_equal(tp_packed_parse("{}", 2, &histogram, NULL), TRIGPERF_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bits_are_as_specified),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_sums_and_differences),
        cmocka_unit_test(test_order_and_repetition_do_not_matter),
        cmocka_unit_test(test_garbage_is_refused_and_changes_nothing),
        cmocka_unit_test(test_counts_stay_at_48_bits),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_malformed_literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
