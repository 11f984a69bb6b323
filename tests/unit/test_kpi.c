/* Descriptions of KPIs: what aggregates are recognized as, what is refused, short memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "db/kpi.h"
#include "oom.h"

static int setup(void **state) {
    return trigperf_kpi_new("kpi", "calls", (trigperf_kpi **)state, NULL);
}

static int teardown(void **state) {
    trigperf_kpi_free(*state);
    return 0;
}

typedef struct form {
    const char *text;
    tp_kpi_kind kind;
    const char *expression; /* NULL: none */
} form;

static void test_forms(void **state) {
    (void)state;
    static const form forms[] = {
        {"count(*)", TP_KPI_COUNT, NULL},
        {" COUNT ( * ) ", TP_KPI_COUNT, NULL},
        {"count(a)", TP_KPI_COUNT, "(a) IS NOT NULL"},
        {"count(*) FILTER (WHERE a > 1)", TP_KPI_COUNT, "(a > 1)"},
        {"count(a)filter(where b)", TP_KPI_COUNT, "(a) IS NOT NULL AND (b)"},
        {"sum(a + (b * 2))", TP_KPI_SUM, "a + (b * 2)"},
        {"Sum( \"a)\" ) filter ( WHERE x = ')' )", TP_KPI_SUM, "CASE WHEN x = ')' THEN \"a)\" END"},
        {"min(coalesce(a, b))", TP_KPI_MIN, "coalesce(a, b)"},
        {"max('it''s')", TP_KPI_MAX, "'it''s'"},
        {"avg(a)", TP_KPI_OTHER, NULL},
        {"sum(a) + 1", TP_KPI_OTHER, NULL},
        {"sum(a) / sum(b)", TP_KPI_OTHER, NULL},
        {"sum(DISTINCT a)", TP_KPI_OTHER, NULL},
        {"sum(distinct_a)", TP_KPI_SUM, "distinct_a"},
        {"count(all a)", TP_KPI_OTHER, NULL},
        {"max(a ORDER BY b)", TP_KPI_OTHER, NULL},
        {"max(a, b)", TP_KPI_OTHER, NULL},
        {"sum(a -- )\n)", TP_KPI_OTHER, NULL},
        {"sum(a /* ) */ )", TP_KPI_OTHER, NULL},
        {"sum($$)$$)", TP_KPI_OTHER, NULL},
        {"sum(E'\\')')", TP_KPI_OTHER, NULL},
        {"sum(a) OVER ()", TP_KPI_OTHER, NULL},
        {"sum(a) FILTER (b)", TP_KPI_OTHER, NULL},
        {"sum(a) FILTER (WHERE )", TP_KPI_OTHER, NULL},
        {"sum(a) FILTER (WHERE b) + 1", TP_KPI_OTHER, NULL},
        {"sum(a", TP_KPI_OTHER, NULL},
        {"sum('a)", TP_KPI_OTHER, NULL},
        {"sum()", TP_KPI_OTHER, NULL},
        {"sum", TP_KPI_OTHER, NULL},
        {"summary(a)", TP_KPI_OTHER, NULL},
        {"pg_catalog.sum(a)", TP_KPI_OTHER, NULL},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        trigperf_kpi *kpi = NULL;
        assert_int_equal(trigperf_kpi_new("kpi", "calls", &kpi, NULL), TRIGPERF_OK);
        assert_int_equal(trigperf_kpi_value(kpi, "v", forms[i].text, NULL), TRIGPERF_OK);
        const tp_kpi_value *value = &kpi->values[0];
        if (value->kind != forms[i].kind) {
            fail_msg("%s is %d, expected %d", forms[i].text, (int)value->kind, (int)forms[i].kind);
        }
        assert_string_equal(value->aggregate, forms[i].text);
        if (forms[i].expression == NULL) {
            assert_null(value->expression);
        } else {
            assert_string_equal(value->expression, forms[i].expression);
        }
        trigperf_kpi_free(kpi);
    }
}

static void refused(trigperf_kpi *kpi, const char *name, const char *value) {
    trigperf_error *error = NULL;
    assert_int_equal(trigperf_kpi_set(kpi, name, value, &error), TRIGPERF_E_INVALID);
    assert_true(trigperf_error_hint(error)[0] != '\0');
    trigperf_error_free(error);
}

static void test_settings(void **state) {
    trigperf_kpi *kpi = *state;
    static const char *const bad[][2] = {
        {"mode", "later"},      {"mode", ""},         {"interval_ms", "-1"},
        {"interval_ms", "1s"},  {"interval_ms", ""},  {"interval_ms", "86400001"},
        {"granularity", "wal"}, {"granularity", "x"}, {"colour", "red"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refused(kpi, bad[i][0], bad[i][1]);
    }
    refused(kpi, "mode", NULL);
    refused(kpi, NULL, "trailing");
    assert_false(kpi->trailing);
    assert_int_equal(kpi->interval_ms, 60000);
    assert_int_equal(trigperf_kpi_set(kpi, "mode", "Trailing", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_kpi_set(kpi, "interval_ms", "86400000", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_kpi_set(kpi, "granularity", "row", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_kpi_set(kpi, "where", "a", NULL), TRIGPERF_OK);
    assert_true(kpi->trailing);
    assert_int_equal(kpi->interval_ms, 86400000);
    assert_int_equal(kpi->granularity, TP_GRANULARITY_ROW);
    assert_string_equal(kpi->where, "a");
    assert_int_equal(trigperf_kpi_set(kpi, "where", "", NULL), TRIGPERF_OK);
    assert_null(kpi->where);
}

static void test_columns(void **state) {
    trigperf_kpi *kpi = *state;
    assert_int_equal(trigperf_kpi_group(kpi, "a", NULL, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_kpi_group(kpi, "a", "b", NULL), TRIGPERF_E_EXISTS);
    assert_int_equal(trigperf_kpi_value(kpi, "a", "count(*)", NULL), TRIGPERF_E_EXISTS);
    assert_int_equal(trigperf_kpi_value(kpi, "n", "", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_kpi_value(kpi, "", "count(*)", NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_kpi_group(kpi, NULL, NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_kpi_group(kpi, "b", "", NULL), TRIGPERF_E_INVALID);
    char name[8];
    for (uint32_t i = kpi->group_count; i < TP_KPI_GROUPS_MAX; i++) {
        snprintf(name, sizeof name, "g%u", i);
        assert_int_equal(trigperf_kpi_group(kpi, name, NULL, NULL), TRIGPERF_OK);
    }
    assert_int_equal(trigperf_kpi_group(kpi, "more", NULL, NULL), TRIGPERF_E_LIMIT);
    for (uint32_t i = 0; i < TP_KPI_VALUES_MAX; i++) {
        snprintf(name, sizeof name, "v%u", i);
        assert_int_equal(trigperf_kpi_value(kpi, name, "count(*)", NULL), TRIGPERF_OK);
    }
    assert_int_equal(trigperf_kpi_value(kpi, "more", "count(*)", NULL), TRIGPERF_E_LIMIT);
}

static int32_t grow(trigperf_kpi *kpi) {
    int32_t status = trigperf_kpi_group(kpi, "day", "at::date", NULL);
    if (status == TRIGPERF_OK) {
        status = trigperf_kpi_value(kpi, "n", "sum(a) FILTER (WHERE b)", NULL);
    }
    return status == TRIGPERF_OK ? trigperf_kpi_set(kpi, "where", "c", NULL) : status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        trigperf_kpi *kpi = NULL;
        oom_fail_at(n);
        int32_t status = trigperf_kpi_new("kpi", "calls", &kpi, NULL);
        status = status == TRIGPERF_OK ? grow(kpi) : status;
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        trigperf_kpi_free(kpi);
        if (!failed) {
            assert_true(n > 8);
            break;
        }
    }
}

static void test_names(void **state) {
    (void)state;
    trigperf_kpi *kpi = NULL;
    assert_int_equal(trigperf_kpi_new("", "calls", &kpi, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_kpi_new("kpi", NULL, &kpi, NULL), TRIGPERF_E_INVALID);
    assert_null(kpi);
    trigperf_kpi_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns, setup, teardown),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
