/* Texts of readings, letter by letter. Whether Prometheus agrees is tested with its own tool, in
 * tests/ffi. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/json.h"
#include "core/exposition.h"
#include "core/packed.h"
#include "oom.h"

static tp_reading *sample_reading(void) {
    tp_reading *reading = tp_reading_new();
    tp_label awkward[] = {{"q", "say \"hi\""}, {"s", "back\\slash\nnext"}};
    tp_histogram *histogram = calloc(1, sizeof *histogram);
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    assert_non_null(histogram);
    tp_histogram_add(histogram, 500, 1);
    tp_histogram_add(histogram, 1023, 1);
    tp_histogram_add(histogram, 1024, 1);
    tp_histogram_add(histogram, 1500000000, 1);
    uint32_t count = tp_packed_encode(histogram, entries);
    tp_reading_family(reading, TP_SERIES_COUNTER, "c_total",
                      "With \\ and\nnewline and \"quotes\".");
    tp_reading_counter(reading, awkward, 2, 42);
    tp_reading_family(reading, TP_SERIES_GAUGE, "g", "G.");
    tp_reading_gauge(reading, NULL, 0, 0.1);
    tp_reading_family(reading, TP_SERIES_HISTOGRAM, "h_seconds", "H.");
    tp_reading_histogram(reading, awkward, 1, entries, count, histogram->sum, histogram->max);
    free(histogram);
    return reading;
}

static char *text_of(const tp_reading *reading, tp_exposition_format format) {
    tp_strbuf out = TP_STRBUF_INIT;
    tp_exposition_write(reading, format, &out);
    char *text = tp_strbuf_take(&out);
    assert_non_null(text);
    return text;
}

static void contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        print_error("%s\n-- is not in --\n%s\n", part, text);
        fail();
    }
}

static void test_prometheus(void **state) {
    (void)state;
    tp_reading *reading = sample_reading();
    char *text = text_of(reading, TP_EXPOSITION_PROMETHEUS);
    contains(text, "# HELP c_total With \\\\ and\\nnewline and \"quotes\".\n"
                   "# TYPE c_total counter\n"
                   "c_total{q=\"say \\\"hi\\\"\",s=\"back\\\\slash\\nnext\"} 42\n");
    contains(text, "# TYPE g gauge\ng 0.1\n");
    contains(text, "# TYPE h_seconds histogram\n"
                   "h_seconds_bucket{q=\"say \\\"hi\\\"\",le=\"1.023e-06\"} 2\n"
                   "h_seconds_bucket{q=\"say \\\"hi\\\"\",le=\"2.047e-06\"} 3\n");
    contains(text, "le=\"1.073741823\"} 3\n");
    contains(text, "le=\"2.147483647\"} 4\n");
    contains(text, "le=\"137.438953471\"} 4\n");
    contains(text, "le=\"+Inf\"} 4\n"
                   "h_seconds_sum{q=\"say \\\"hi\\\"\"} 1.500002547\n"
                   "h_seconds_count{q=\"say \\\"hi\\\"\"} 4\n");
    assert_null(strstr(text, "EOF"));
    free(text);
    tp_reading_free(reading);
}

/* The bounds stand in the source as text: they must be the numbers meant, as they are written. */
static void test_bounds_of_buckets(void **state) {
    (void)state;
    tp_reading *reading = sample_reading();
    char *text = text_of(reading, TP_EXPOSITION_PROMETHEUS);
    for (uint32_t octave = 10; octave <= 37; octave++) {
        tp_strbuf wanted = TP_STRBUF_INIT;
        tp_strbuf_puts(&wanted, ",le=\"");
        tp_json_digits(&wanted, (double)((UINT64_C(1) << octave) - 1) / 1e9);
        tp_strbuf_puts(&wanted, "\"}");
        contains(text, wanted.data);
        tp_strbuf_free(&wanted);
    }
    free(text);
    tp_reading_free(reading);
}

static void test_openmetrics(void **state) {
    (void)state;
    tp_reading *reading = sample_reading();
    char *text = text_of(reading, TP_EXPOSITION_OPENMETRICS);
    contains(text,
             "# HELP c With \\\\ and\\nnewline and \\\"quotes\\\".\n# TYPE c counter\nc_total{");
    contains(text, "# UNIT h_seconds seconds\n");
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    free(text);
    tp_reading_free(reading);
}

static void test_summary(void **state) {
    (void)state;
    tp_reading *reading = sample_reading();
    tp_label label = {"a", "1"};
    tp_reading_histogram(reading, &label, 1, NULL, 0, 0, 0);
    char *text = text_of(reading, TP_EXPOSITION_SUMMARY);
    contains(text, "# TYPE h_seconds summary\n"
                   "h_seconds{q=\"say \\\"hi\\\"\",quantile=\"0.5\"} 0.000000512\n"
                   "h_seconds{q=\"say \\\"hi\\\"\",quantile=\"0.95\"} 1.493172224\n");
    contains(text, "h_seconds{a=\"1\",quantile=\"0.99\"} NaN\nh_seconds_sum{a=\"1\"} 0\n");
    free(text);
    tp_reading_free(reading);
}

static void test_json(void **state) {
    (void)state;
    tp_reading *reading = sample_reading();
    char *text = text_of(reading, TP_EXPOSITION_JSON);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_array_size(root), 3);
    json_t *counter = json_array_get(root, 0);
    json_t *series = json_array_get(json_object_get(counter, "series"), 0);
    assert_string_equal(json_string_value(json_object_get(counter, "type")), "counter");
    assert_int_equal(json_integer_value(json_object_get(series, "value")), 42);
    assert_string_equal(json_string_value(json_object_get(json_object_get(series, "labels"), "s")),
                        "back\\slash\nnext");
    series = json_array_get(json_object_get(json_array_get(root, 2), "series"), 0);
    assert_int_equal(json_integer_value(json_object_get(series, "count")), 4);
    assert_int_equal(json_integer_value(json_object_get(series, "encoding")), 1);
    contains(json_string_value(json_object_get(series, "packed")), "{2,281474976710657,");
    json_decref(root);
    free(text);
    tp_reading_free(reading);
}

static void test_numbers_that_are_none(void **state) {
    (void)state;
    static const double values[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    static const char *const texts[] = {"g NaN\n", "g +Inf\n", "g -Inf\n"};
    for (size_t i = 0; i < 3; i++) {
        tp_reading *reading = tp_reading_new();
        tp_reading_family(reading, TP_SERIES_GAUGE, "g", "G.");
        tp_reading_gauge(reading, NULL, 0, values[i]);
        char *text = text_of(reading, TP_EXPOSITION_PROMETHEUS);
        contains(text, texts[i]);
        free(text);
        text = text_of(reading, TP_EXPOSITION_JSON);
        contains(text, "\"value\":null");
        free(text);
        tp_reading_free(reading);
    }
}

static void test_nothing(void **state) {
    (void)state;
    tp_reading *reading = tp_reading_new();
    char *text = text_of(reading, TP_EXPOSITION_JSON);
    assert_string_equal(text, "[]");
    free(text);
    text = text_of(reading, TP_EXPOSITION_OPENMETRICS);
    assert_string_equal(text, "# EOF\n");
    free(text);
    tp_reading_free(reading);
}

static void test_names_of_formats(void **state) {
    (void)state;
    assert_int_equal(tp_exposition_parse("prometheus"), TP_EXPOSITION_PROMETHEUS);
    assert_int_equal(tp_exposition_parse("openmetrics"), TP_EXPOSITION_OPENMETRICS);
    assert_int_equal(tp_exposition_parse("summary"), TP_EXPOSITION_SUMMARY);
    assert_int_equal(tp_exposition_parse("json"), TP_EXPOSITION_JSON);
    assert_int_equal(tp_exposition_parse("xml"), -1);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_reading *reading = sample_reading();
    for (int format = TP_EXPOSITION_PROMETHEUS; format <= TP_EXPOSITION_JSON; format++) {
        for (unsigned n = 1;; n++) {
            tp_strbuf out = TP_STRBUF_INIT;
            oom_fail_at(n);
            tp_exposition_write(reading, (tp_exposition_format)format, &out);
            bool failed = oom_reset();
            assert_int_equal(out.failed, failed);
            tp_strbuf_free(&out);
            if (!failed) {
                break;
            }
        }
    }
    tp_reading_free(reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prometheus),    cmocka_unit_test(test_bounds_of_buckets),
        cmocka_unit_test(test_openmetrics),   cmocka_unit_test(test_summary),
        cmocka_unit_test(test_json),          cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_nothing),       cmocka_unit_test(test_names_of_formats),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
