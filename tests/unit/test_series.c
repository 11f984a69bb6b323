/* The registry: one handle for one name, bounds, sums over recorders, resets, threads. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/packed.h"
#include "core/series.h"
#include "oom.h"

static tp_metrics *fresh(uint32_t max_series) {
    tp_metrics *metrics = NULL;
    assert_int_equal(tp_metrics_new(max_series, NULL, &metrics, NULL), TRIGPERF_OK);
    return metrics;
}

static int32_t resolve(tp_metrics *metrics, uint32_t type, const char *name, const char *label,
                       const char *value, tp_series **out, trigperf_error **err) {
    tp_series_definition definition = {type, name, "Help.", &label, &value, label == NULL ? 0 : 1};
    return tp_metrics_resolve(metrics, &definition, out, err);
}

static tp_series *known(tp_metrics *metrics, uint32_t type, const char *name, const char *label,
                        const char *value) {
    tp_series *series = NULL;
    assert_int_equal(resolve(metrics, type, name, label, value, &series, NULL), TRIGPERF_OK);
    return series;
}

static void record(tp_recorder *recorder, const tp_series *series, uint64_t ns) {
    tp_shard *shard = tp_recorder_cell(recorder, series->slot);
    shard = shard == NULL ? tp_recorder_add_shard(recorder, series->slot) : shard;
    tp_shard_record(shard, ns);
}

static void add(tp_recorder *recorder, const tp_series *series, uint64_t amount) {
    tp_tally *tally = tp_recorder_cell(recorder, series->slot);
    tally = tally == NULL ? tp_recorder_add_tally(recorder, series->slot) : tally;
    tp_tally_add(tally, amount);
}

/* The only series of a registry, read. */
static tp_series_view read_one(tp_metrics *metrics, bool reset, tp_reading **reading) {
    *reading = tp_reading_new();
    assert_int_equal(tp_metrics_read(metrics, NULL, NULL, reset, *reading, NULL), TRIGPERF_OK);
    assert_int_equal(tp_reading_count(*reading), 1);
    return tp_reading_at(*reading, 0);
}

static void test_one_handle_for_one_name_and_labels(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(100);
    const char *names[] = {"b", "a", "empty"};
    const char *values[] = {"2", "1", ""};
    const char *sorted[] = {"a", "b"};
    const char *sorted_values[] = {"1", "2"};
    tp_series_definition one = {TP_SERIES_COUNTER, "x_total", "X.", names, values, 3};
    tp_series_definition two = {TP_SERIES_COUNTER, "x_total", NULL, sorted, sorted_values, 2};
    tp_series *first = NULL;
    tp_series *second = NULL;
    assert_int_equal(tp_metrics_resolve(metrics, &one, &first, NULL), TRIGPERF_OK);
    assert_int_equal(tp_metrics_resolve(metrics, &two, &second, NULL), TRIGPERF_OK);
    assert_ptr_equal(first, second);
    assert_int_equal(first->label_count, 2);
    assert_string_equal(first->labels[0].name, "a");
    assert_string_equal(first->labels[1].value, "2");
    assert_ptr_not_equal(first, known(metrics, TP_SERIES_COUNTER, "x_total", "a", "1"));
    assert_ptr_equal(known(metrics, TP_SERIES_COUNTER, "x_total", NULL, NULL),
                     known(metrics, TP_SERIES_COUNTER, "x_total", "a", ""));
    tp_metrics_free(metrics);
}

static void test_what_is_refused(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(100);
    const char *twice[] = {"a", "a"};
    const char *values[] = {"1", "2"};
    tp_series *series = NULL;
    trigperf_error *error = NULL;
    tp_series_definition same = {TP_SERIES_COUNTER, "x_total", "X.", twice, values, 2};
    assert_int_equal(tp_metrics_resolve(metrics, &same, &series, &error), TRIGPERF_E_INVALID);
    assert_non_null(strstr(trigperf_error_message(error), "\"a\" twice"));
    trigperf_error_free(error);
    tp_series_definition many = {TP_SERIES_COUNTER, "x_total", "X.", NULL, NULL, 17};
    assert_int_equal(tp_metrics_resolve(metrics, &many, &series, NULL), TRIGPERF_E_INVALID);
    tp_series_definition mute = {TP_SERIES_COUNTER, "x_total", NULL, NULL, NULL, 0};
    assert_int_equal(tp_metrics_resolve(metrics, &mute, &series, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(resolve(metrics, TP_SERIES_GAUGE, "Bad", NULL, NULL, &series, NULL),
                     TRIGPERF_E_INVALID);
    known(metrics, TP_SERIES_HISTOGRAM, "y_seconds", NULL, NULL);
    error = NULL;
    assert_int_equal(resolve(metrics, TP_SERIES_GAUGE, "y_seconds", NULL, NULL, &series, &error),
                     TRIGPERF_E_EXISTS);
    assert_non_null(strstr(trigperf_error_message(error), "expected a histogram"));
    trigperf_error_free(error);
    assert_int_equal(resolve(metrics, TP_SERIES_GAUGE, "y_seconds", "a", "1", &series, NULL),
                     TRIGPERF_E_EXISTS);
    assert_null(series);
    tp_metrics_free(metrics);
}

static void test_the_number_of_series_is_bounded(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(10);
    tp_metrics_counters counters;
    tp_series *series = NULL;
    char value[16];
    for (int i = 0; i < 15; i++) {
        snprintf(value, sizeof value, "%d", i);
        int32_t wanted = i < 10 ? TRIGPERF_OK : TRIGPERF_E_LIMIT;
        assert_int_equal(resolve(metrics, TP_SERIES_COUNTER, "x_total", "i", value, &series, NULL),
                         wanted);
    }
    assert_int_equal(resolve(metrics, TP_SERIES_COUNTER, "x_total", "i", "3", &series, NULL),
                     TRIGPERF_OK);
    tp_metrics_counters_get(metrics, &counters);
    assert_int_equal(counters.series, 10);
    assert_int_equal(counters.refused, 5);
    tp_metrics_free(metrics);
}

static void test_sums_over_recorders_that_come_and_go(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(100);
    tp_series *series = known(metrics, TP_SERIES_HISTOGRAM, "x_seconds", NULL, NULL);
    tp_reading *reading = NULL;
    for (uint64_t round = 0; round < 10; round++) {
        tp_recorder *one = tp_metrics_recorder(metrics);
        tp_recorder *two = tp_metrics_recorder(metrics);
        record(one, series, 1000000);
        record(two, series, 3000000);
        tp_metrics_give_back(metrics, one);
        tp_metrics_give_back(metrics, two);
    }
    tp_series_view sample = read_one(metrics, false, &reading);
    tp_metrics_counters counters;
    assert_int_equal(sample.count, 20);
    assert_int_equal(sample.sum, 40000000);
    assert_int_equal(sample.max, 3000000);
    tp_metrics_counters_get(metrics, &counters);
    assert_int_equal(counters.recorders, 2);
    tp_reading_free(reading);
    tp_metrics_free(metrics);
}

static void test_counters_and_resets(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(100);
    tp_series *series = known(metrics, TP_SERIES_COUNTER, "x_total", NULL, NULL);
    tp_recorder *recorder = tp_metrics_recorder(metrics);
    tp_reading *reading = NULL;
    add(recorder, series, 5);
    assert_int_equal(read_one(metrics, true, &reading).count, 5);
    tp_reading_free(reading);
    assert_int_equal(read_one(metrics, true, &reading).count, 0);
    tp_reading_free(reading);
    add(recorder, series, 7);
    assert_int_equal(read_one(metrics, false, &reading).count, 7);
    tp_reading_free(reading);
    assert_int_equal(read_one(metrics, false, &reading).count, 7);
    tp_reading_free(reading);
    tp_metrics_free(metrics);
}

static void test_histograms_and_resets(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(100);
    tp_series *series = known(metrics, TP_SERIES_HISTOGRAM, "x_seconds", NULL, NULL);
    tp_recorder *recorder = tp_metrics_recorder(metrics);
    tp_reading *reading = NULL;
    record(recorder, series, 900000000);
    assert_int_equal(read_one(metrics, true, &reading).max, 900000000);
    tp_reading_free(reading);
    tp_series_view sample = read_one(metrics, false, &reading);
    assert_int_equal(sample.count, 0);
    assert_int_equal(sample.max, 0);
    assert_int_equal(sample.sum, 0);
    tp_reading_free(reading);
    record(recorder, series, 5000);
    record(recorder, series, 6000);
    sample = read_one(metrics, false, &reading);
    assert_int_equal(sample.count, 2);
    assert_int_equal(sample.sum, 11000);
    assert_true(sample.max >= 6000 && sample.max <= 6000 + 6000 / 32);
    assert_int_equal(tp_packed_count(sample.entries, sample.entry_count), 2);
    tp_reading_free(reading);
    tp_metrics_free(metrics);
}

static void test_gauges(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(100);
    tp_series *series = known(metrics, TP_SERIES_GAUGE, "x", NULL, NULL);
    tp_reading *reading = NULL;
    assert_true(read_one(metrics, true, &reading).value == 0);
    tp_reading_free(reading);
    tp_series_set(series, 2.5);
    tp_series_change(series, -4);
    assert_true(read_one(metrics, true, &reading).value == -1.5);
    tp_reading_free(reading);
    tp_series_set(series, (double)NAN);
    assert_true(isnan(read_one(metrics, false, &reading).value));
    tp_reading_free(reading);
    tp_metrics_free(metrics);
}

static bool only_y(void *user, const char *name) {
    (void)user;
    return strcmp(name, "y") == 0;
}

static void test_reading_some(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(100);
    tp_reading *reading = tp_reading_new();
    known(metrics, TP_SERIES_GAUGE, "x", NULL, NULL);
    known(metrics, TP_SERIES_GAUGE, "y", NULL, NULL);
    assert_int_equal(tp_metrics_read(metrics, only_y, NULL, false, reading, NULL), TRIGPERF_OK);
    assert_int_equal(tp_reading_count(reading), 1);
    assert_string_equal(tp_reading_at(reading, 0).name, "y");
    tp_reading_free(reading);
    tp_metrics_free(metrics);
}

static void test_ten_thousand_series(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(10000);
    tp_recorder *recorder = tp_metrics_recorder(metrics);
    tp_reading *reading = tp_reading_new();
    char value[16];
    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(value, sizeof value, "%u", i);
        if (i % 2 == 0) {
            record(recorder, known(metrics, TP_SERIES_HISTOGRAM, "h_seconds", "i", value), i * 100);
        } else {
            add(recorder, known(metrics, TP_SERIES_COUNTER, "c_total", "i", value), i);
        }
    }
    assert_int_equal(tp_metrics_read(metrics, NULL, NULL, false, reading, NULL), TRIGPERF_OK);
    assert_int_equal(tp_reading_count(reading), 10000);
    for (uint32_t i = 0; i < 10000; i++) {
        tp_series_view sample = tp_reading_at(reading, i);
        uint64_t number = strtoull(tp_reading_label_value(reading, i, "i"), NULL, 10);
        bool histogram = sample.type == TP_SERIES_HISTOGRAM;
        assert_int_equal(histogram ? sample.sum : sample.count * 100, number * 100);
    }
    tp_reading_free(reading);
    tp_metrics_free(metrics);
}

static void fill(tp_metrics *metrics, trigperf_error **err, int32_t *status) {
    tp_series *series = NULL;
    *status = resolve(metrics, TP_SERIES_HISTOGRAM, "x_seconds", "a", "1", &series, err);
}

static void test_out_of_memory_when_resolving(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_metrics *metrics = NULL;
        int32_t status;
        oom_fail_at(n);
        status = tp_metrics_new(10, NULL, &metrics, NULL);
        if (status == TRIGPERF_OK) {
            fill(metrics, NULL, &status);
        }
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (metrics != NULL) {
            fill(metrics, NULL, &status);
            assert_int_equal(status, TRIGPERF_OK);
        }
        tp_metrics_free(metrics);
        if (!failed) {
            assert_true(n > 6);
            break;
        }
    }
}

/* A reset that fails has reset nothing. */
static void test_out_of_memory_when_reading(void **state) {
    (void)state;
    tp_metrics *metrics = fresh(10);
    oom_fail_at(1);
    assert_null(tp_metrics_recorder(metrics));
    assert_true(oom_reset());
    tp_recorder *recorder = tp_metrics_recorder(metrics);
    record(recorder, known(metrics, TP_SERIES_HISTOGRAM, "x_seconds", "a", "1"), 5000);
    add(recorder, known(metrics, TP_SERIES_COUNTER, "x_total", "a", "1"), 5);
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        tp_reading *reading = tp_reading_new();
        int32_t status = reading == NULL
                             ? TRIGPERF_E_NOMEM
                             : tp_metrics_read(metrics, NULL, NULL, true, reading, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (!failed) {
            assert_int_equal(tp_reading_at(reading, 0).count, 1);
            assert_int_equal(tp_reading_at(reading, 1).count, 5);
            tp_reading_free(reading);
            assert_true(n > 6);
            break;
        }
        tp_reading_free(reading);
    }
    tp_metrics_free(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_handle_for_one_name_and_labels),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_number_of_series_is_bounded),
        cmocka_unit_test(test_sums_over_recorders_that_come_and_go),
        cmocka_unit_test(test_counters_and_resets),
        cmocka_unit_test(test_histograms_and_resets),
        cmocka_unit_test(test_gauges),
        cmocka_unit_test(test_reading_some),
        cmocka_unit_test(test_ten_thousand_series),
        cmocka_unit_test(test_out_of_memory_when_resolving),
        cmocka_unit_test(test_out_of_memory_when_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
