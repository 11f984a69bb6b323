/* Readings: what was put in is found, merging adds up, and fails without a trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/packed.h"
#include "core/reading.h"
#include "oom.h"

#define ENTRY(bucket, count) ((int64_t)(((uint64_t)(bucket) << 48) | (uint64_t)(count)))

/* A counter with two series, a gauge, a histogram; values scaled. */
static tp_reading *sample_reading(uint64_t scale, const char *extra) {
    tp_reading *reading = tp_reading_new();
    tp_label first[] = {{"a", "1"}, {"b", "x"}};
    tp_label second[] = {{"a", extra}};
    int64_t entries[] = {ENTRY(3, scale), ENTRY(40 + scale, 2)};
    if (reading == NULL) {
        return NULL;
    }
    tp_reading_family(reading, TP_SERIES_COUNTER, "c_total", "C.");
    tp_reading_counter(reading, first, 2, 10 * scale);
    tp_reading_counter(reading, second, 1, 20 * scale);
    tp_reading_family(reading, TP_SERIES_GAUGE, "empty", "Nothing in it.");
    tp_reading_family(reading, TP_SERIES_GAUGE, "g", "G.");
    tp_reading_gauge(reading, NULL, 0, 1.5 * (double)scale);
    tp_reading_family(reading, TP_SERIES_HISTOGRAM, "h_seconds", "H.");
    tp_reading_histogram(reading, first, 2, entries, 2, 100 * scale, 7000 + scale);
    return reading;
}

static uint32_t find(const tp_reading *reading, const char *name, const char *a) {
    for (uint32_t i = 0; i < tp_reading_count(reading); i++) {
        const char *value = tp_reading_label_value(reading, i, "a");
        if (strcmp(tp_reading_at(reading, i).name, name) == 0 &&
            (a == NULL || (value != NULL && strcmp(value, a) == 0))) {
            return i;
        }
    }
    fail_msg("%s is not there", name);
    return 0;
}

static void test_what_was_put_in_is_found(void **state) {
    (void)state;
    tp_reading *reading = sample_reading(3, "2");
    assert_false(tp_reading_failed(reading));
    assert_int_equal(tp_reading_count(reading), 4);
    uint32_t index = find(reading, "c_total", "1");
    assert_int_equal(tp_reading_at(reading, index).count, 30);
    assert_string_equal(tp_reading_at(reading, index).help, "C.");
    assert_string_equal(tp_reading_label(reading, index, 1).name, "b");
    assert_string_equal(tp_reading_label_value(reading, index, "b"), "x");
    assert_null(tp_reading_label_value(reading, index, "c"));
    assert_true(tp_reading_at(reading, find(reading, "g", NULL)).value == 4.5);
    tp_series_view histogram = tp_reading_at(reading, find(reading, "h_seconds", "1"));
    assert_int_equal(histogram.count, 5);
    assert_int_equal(histogram.sum, 300);
    assert_int_equal(histogram.max, 7003);
    assert_int_equal(histogram.entry_count, 2);
    assert_int_equal(histogram.entries[0], ENTRY(3, 3));
    tp_reading_free(reading);
    tp_reading_free(NULL);
}

static void test_families_come_together(void **state) {
    (void)state;
    tp_reading *reading = sample_reading(1, "2");
    tp_reading *other = sample_reading(1, "9");
    char order[64] = "";
    bool first;
    assert_int_equal(tp_reading_merge(reading, other, NULL), TRIGPERF_OK);
    for (uint32_t i = UINT32_MAX; tp_reading_next(reading, &i, &first);) {
        strcat(order, first ? " " : "");
        strncat(order, tp_reading_at(reading, i).name, 1);
    }
    assert_string_equal(order, " ccc g h");
    tp_reading_free(other);
    tp_reading_free(reading);
}

static void test_merging_adds_up(void **state) {
    (void)state;
    tp_reading *reading = sample_reading(1, "2");
    tp_reading *other = sample_reading(4, "9");
    assert_int_equal(tp_reading_merge(reading, other, NULL), TRIGPERF_OK);
    tp_reading_free(other);
    assert_int_equal(tp_reading_count(reading), 5);
    assert_int_equal(tp_reading_at(reading, find(reading, "c_total", "1")).count, 50);
    assert_int_equal(tp_reading_at(reading, find(reading, "c_total", "2")).count, 20);
    assert_int_equal(tp_reading_at(reading, find(reading, "c_total", "9")).count, 80);
    assert_true(tp_reading_at(reading, find(reading, "g", NULL)).value == 7.5);
    tp_series_view histogram = tp_reading_at(reading, find(reading, "h_seconds", "1"));
    const int64_t wanted[] = {ENTRY(3, 5), ENTRY(41, 2), ENTRY(44, 2)};
    assert_int_equal(histogram.entry_count, 3);
    assert_memory_equal(histogram.entries, wanted, sizeof wanted);
    assert_int_equal(histogram.count, 9);
    assert_int_equal(histogram.sum, 500);
    assert_int_equal(histogram.max, 7004);
    tp_reading_free(reading);
}

static void test_types_must_agree(void **state) {
    (void)state;
    tp_reading *reading = sample_reading(1, "2");
    tp_reading *other = tp_reading_new();
    trigperf_error *error = NULL;
    tp_reading_family(other, TP_SERIES_GAUGE, "new", "New.");
    tp_reading_gauge(other, NULL, 0, 1);
    tp_reading_family(other, TP_SERIES_GAUGE, "h_seconds", "H.");
    tp_reading_gauge(other, NULL, 0, 1);
    assert_int_equal(tp_reading_merge(reading, other, &error), TRIGPERF_E_INVALID);
    assert_non_null(strstr(trigperf_error_message(error), "expected a histogram, got a gauge"));
    assert_int_equal(tp_reading_count(reading), 4);
    trigperf_error_free(error);
    tp_reading_free(other);
    tp_reading_free(reading);
}

static void test_merging_oneself_doubles(void **state) {
    (void)state;
    tp_reading *reading = sample_reading(1, "2");
    assert_int_equal(tp_reading_merge(reading, reading, NULL), TRIGPERF_OK);
    assert_int_equal(tp_reading_count(reading), 4);
    assert_int_equal(tp_reading_at(reading, find(reading, "c_total", "1")).count, 20);
    tp_reading_free(reading);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_reading *from = sample_reading(1, "2");
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        tp_reading *reading = sample_reading(1, "3");
        bool failed = oom_reset();
        assert_true(reading == NULL ? failed : tp_reading_failed(reading) == failed);
        tp_reading_free(reading);
        if (!failed) {
            break;
        }
    }
    for (unsigned n = 1;; n++) {
        tp_reading *reading = sample_reading(1, "3");
        oom_fail_at(n);
        int32_t status = tp_reading_merge(reading, from, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(tp_reading_count(reading), failed ? 4 : 5);
        assert_int_equal(tp_reading_at(reading, 0).count, failed ? 10 : 20);
        tp_reading_free(reading);
        if (!failed) {
            assert_true(n > 10);
            break;
        }
    }
    tp_reading_free(from);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_in_is_found),
        cmocka_unit_test(test_families_come_together),
        cmocka_unit_test(test_merging_adds_up),
        cmocka_unit_test(test_types_must_agree),
        cmocka_unit_test(test_merging_oneself_doubles),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
