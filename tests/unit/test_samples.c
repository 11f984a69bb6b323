/* The newest few are kept, cut at whole characters; all are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/samples.h"

static void test_few(void **state) {
    (void)state;
    tp_samples samples = {0};
    assert_null(tp_samples_at(&samples, 0));
    tp_samples_add(&samples, "ch", "one", 3, "bad");
    tp_samples_add(&samples, "ch", "two", 3, "worse");
    assert_int_equal(samples.count, 2);
    assert_string_equal(tp_samples_at(&samples, 0)->text, "one");
    assert_string_equal(tp_samples_at(&samples, 1)->why, "worse");
    assert_null(tp_samples_at(&samples, 2));
}

static void test_many(void **state) {
    (void)state;
    tp_samples samples = {0};
    char text[32];
    for (int i = 1; i <= 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        tp_samples_add(&samples, "ch", text, strlen(text), "bad");
    }
    assert_int_equal(samples.count, 100);
    for (uint32_t i = 0; i < TP_SAMPLES_KEPT; i++) {
        snprintf(text, sizeof text, "%u", 100 - TP_SAMPLES_KEPT + 1 + i);
        assert_string_equal(tp_samples_at(&samples, i)->text, text);
        assert_int_equal(tp_samples_at(&samples, i)->number, 100 - TP_SAMPLES_KEPT + 1 + i);
    }
    assert_null(tp_samples_at(&samples, TP_SAMPLES_KEPT));
}

static void test_cut(void **state) {
    (void)state;
    tp_samples samples = {0};
    char text[1000];
    memset(text, 'x', sizeof text);
    memcpy(text + TP_SAMPLE_BYTES - 1, "\xE2\x82\xAC", 3);
    char origin[100];
    memset(origin, 'o', sizeof origin - 1);
    origin[sizeof origin - 1] = '\0';
    tp_samples_add(&samples, origin, text, sizeof text, "bad");
    const tp_sample *sample = tp_samples_at(&samples, 0);
    assert_int_equal(sample->length, 1000);
    assert_int_equal(strlen(sample->text), TP_SAMPLE_BYTES - 1);
    assert_int_equal(strlen(sample->origin), sizeof sample->origin - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few), cmocka_unit_test(test_many),
                                       cmocka_unit_test(test_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
