/* Walking array literals as the server writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/textarray.h"

static void assert_elements(const char *text, const char *const *expected, size_t count) {
    tp_textarray array;
    tp_value value;
    assert_true(tp_textarray_begin(&array, text));
    for (size_t i = 0; i < count; i++) {
        assert_true(tp_textarray_next(&array, &value));
        if (expected[i] == NULL) {
            assert_null(value.data);
        } else {
            assert_int_equal(value.length, strlen(expected[i]));
            assert_memory_equal(value.data, expected[i], value.length);
        }
    }
    assert_false(tp_textarray_next(&array, &value));
    tp_textarray_end(&array);
    uint32_t counted = 99;
    assert_true(tp_textarray_count(text, &counted));
    assert_int_equal(counted, count);
}

static void test_plain(void **state) {
    (void)state;
    static const char *const numbers[] = {"1", "-22", NULL, "333"};
    assert_elements("{1,-22,NULL,333}", numbers, 4);
    assert_elements("{}", NULL, 0);
}

static void test_quoted(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "NULL", "a,b", "a \"b\" \\ c", "{x}", "line\nbreak", "\xF0\x9F\x98\x80"};
    assert_elements("{\"\",\"NULL\",\"a,b\",\"a \\\"b\\\" \\\\ c\",\"{x}\",\"line\nbreak\","
                    "\xF0\x9F\x98\x80}",
                    texts, 7);
}

/* Skipping comes to where reading as many elements would have come. */
static void test_skip(void **state) {
    (void)state;
    static const char text[] = "{1,\"a,\\\"}b\",NULL,\"\",\"x\\\\\",22}";
    for (uint32_t skipped = 0; skipped <= 7; skipped++) {
        tp_textarray read;
        tp_textarray skip;
        tp_value value;
        assert_true(tp_textarray_begin(&read, text));
        assert_true(tp_textarray_begin(&skip, text));
        for (uint32_t i = 0; i < skipped; i++) {
            tp_textarray_next(&read, &value);
        }
        tp_textarray_skip(&skip, skipped);
        assert_string_equal(read.at, skip.at);
        tp_textarray_end(&read);
        tp_textarray_end(&skip);
    }
}

/* Malformed text ends the walk; it never reads past the end. */
static void test_malformed(void **state) {
    (void)state;
    static const char *const bad[] = {"{", "{1", "{1,", "{\"", "{\"a", "{\"a\\", "{\"a\"x}", "{,}"};
    tp_textarray array;
    tp_value value;
    assert_false(tp_textarray_begin(&array, ""));
    assert_false(tp_textarray_begin(&array, NULL));
    assert_false(tp_textarray_begin(&array, "1,2"));
    uint32_t none = 0;
    assert_false(tp_textarray_count(NULL, &none));
    assert_false(tp_textarray_count("1,2", &none));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(tp_textarray_begin(&array, bad[i]));
        for (int n = 0; n < 8 && tp_textarray_next(&array, &value); n++) {
        }
        tp_textarray_end(&array);
        uint32_t count = 99;
        assert_false(tp_textarray_count(bad[i], &count));
        assert_int_equal(count, 99);
        assert_true(tp_textarray_begin(&array, bad[i]));
        tp_textarray_skip(&array, 1000);
        assert_true(array.at <= bad[i] + strlen(bad[i]));
        tp_textarray_end(&array);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_quoted),
                                       cmocka_unit_test(test_skip),
                                       cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
