/* Names and labels: what is taken, what is refused, and what the error says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/series_name.h"

static void refuse(uint32_t type, const char *name, const char *message, const char *hint) {
    trigperf_error *error = NULL;
    assert_int_equal(tp_series_check_name(type, name, &error), TRIGPERF_E_INVALID);
    if (strstr(trigperf_error_message(error), message) == NULL ||
        strstr(trigperf_error_hint(error), hint) == NULL) {
        print_error("%s: %s (%s)\n", name == NULL ? "NULL" : name, trigperf_error_message(error),
                    trigperf_error_hint(error));
        fail();
    }
    trigperf_error_free(error);
}

static void accept(uint32_t type, const char *name) {
    assert_int_equal(tp_series_check_name(type, name, NULL), TRIGPERF_OK);
}

static void test_good_names(void **state) {
    (void)state;
    accept(TP_SERIES_COUNTER, "host_calls_total");
    accept(TP_SERIES_COUNTER, "x_total");
    accept(TP_SERIES_GAUGE, "host_queue_length");
    accept(TP_SERIES_GAUGE, "host_cache_bytes");
    accept(TP_SERIES_GAUGE, "temperature_celsius");
    accept(TP_SERIES_GAUGE, "ms"); /* no part of a name by itself */
    accept(TP_SERIES_GAUGE, "host_msgs");
    accept(TP_SERIES_HISTOGRAM, "host_query_seconds");
    assert_string_equal(tp_series_type_name(TP_SERIES_GAUGE), "gauge");
    assert_null(tp_series_type_name(3));
}

static void test_bad_names(void **state) {
    (void)state;
    char longest[TP_SERIES_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    refuse(TP_SERIES_GAUGE, longest, "1 to 200", "");
    longest[TP_SERIES_NAME_MAX] = '\0';
    accept(TP_SERIES_GAUGE, longest);
    refuse(3, "host_calls", "type", "trigperf_series_type");
    refuse(TP_SERIES_GAUGE, NULL, "1 to 200", "calls_handled_total");
    refuse(TP_SERIES_GAUGE, "", "1 to 200", "");
    refuse(TP_SERIES_GAUGE, "HostCalls", "a-z", "");
    refuse(TP_SERIES_GAUGE, "9lives", "letter", "");
    refuse(TP_SERIES_GAUGE, "host:calls", "a-z", "");
    refuse(TP_SERIES_GAUGE, "host calls", "a-z", "");
    refuse(TP_SERIES_GAUGE, "h\xC3\xB6he", "a-z", "");
    refuse(TP_SERIES_COUNTER, "host_calls", "end in _total", "");
    refuse(TP_SERIES_GAUGE, "host_calls_total", "only counters", "");
    refuse(TP_SERIES_HISTOGRAM, "host_query", "_seconds", "durations");
    refuse(TP_SERIES_HISTOGRAM, "host_query_ms", "\"ms\"", "seconds");
    refuse(TP_SERIES_GAUGE, "host_wait_ms_last", "\"ms\"", "seconds");
    refuse(TP_SERIES_GAUGE, "host_heap_kb", "\"kb\"", "bytes");
    refuse(TP_SERIES_GAUGE, "host_uptime_minutes", "\"minutes\"", "seconds");
    refuse(TP_SERIES_COUNTER, "host_counter_total", "\"counter\"", "type");
    refuse(TP_SERIES_GAUGE, "host_query_count", "_count", "histograms");
    refuse(TP_SERIES_GAUGE, "host_query_bucket", "_bucket", "");
    refuse(TP_SERIES_GAUGE, "host_query_sum", "_sum", "");
}

static void test_help(void **state) {
    (void)state;
    char longest[TP_SERIES_HELP_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(tp_series_check_help("x", "Calls \\ \n handled.", NULL), TRIGPERF_OK);
    assert_int_equal(tp_series_check_help("x", NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_help("x", "", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_help("x", longest, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_help("x", "\xFF", NULL), TRIGPERF_E_INVALID);
}

static void test_labels(void **state) {
    (void)state;
    char longest[TP_SERIES_VALUE_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(tp_series_check_label("table", "public.\"calls\"\n", NULL), TRIGPERF_OK);
    assert_int_equal(tp_series_check_label("table", "", NULL), TRIGPERF_OK);
    assert_int_equal(tp_series_check_label("table", "h\xC3\xB6he", NULL), TRIGPERF_OK);
    assert_int_equal(tp_series_check_label("table", longest + 1, NULL), TRIGPERF_OK);
    assert_int_equal(tp_series_check_label("table", longest, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_label("table", "\xC3", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_label("table", NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_label("Table", "x", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_label("__name__", "x", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_label(NULL, "x", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_label("le", "1", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_series_check_label("quantile", "1", NULL), TRIGPERF_E_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_names),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
