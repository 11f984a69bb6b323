/* The growing byte string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "oom.h"

static void test_appends(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    assert_string_equal(tp_strbuf_str(&b), "");
    tp_strbuf_puts(&b, "ab");
    tp_strbuf_putc(&b, 'c');
    tp_strbuf_add(&b, "d\0e", 3);
    tp_strbuf_add(&b, NULL, 0);
    tp_strbuf_printf(&b, "%s-%d", "f", 7);
    assert_int_equal(b.length, 9);
    assert_memory_equal(b.data, "abcd\0ef-7", 10);
    tp_strbuf_free(&b);
    assert_string_equal(tp_strbuf_str(&b), "");
    tp_strbuf_puts(&b, "again");
    assert_string_equal(tp_strbuf_str(&b), "again");
    tp_strbuf_free(&b);
}

static void test_numbers(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    tp_strbuf_putu(&b, 0);
    tp_strbuf_putc(&b, ' ');
    tp_strbuf_putu(&b, 1234567890);
    tp_strbuf_putc(&b, ' ');
    tp_strbuf_putu(&b, UINT64_MAX);
    assert_string_equal(tp_strbuf_str(&b), "0 1234567890 18446744073709551615");
    tp_strbuf_free(&b);
}

static void test_every_length_is_terminated(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    for (size_t i = 1; i < 5000; i++) {
        tp_strbuf_putc(&b, 'x');
        assert_int_equal(strlen(tp_strbuf_str(&b)), i);
        assert_true(b.capacity > b.length);
    }
    tp_strbuf_free(&b);
}

static void test_strings_one_after_the_other(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    char text[80];
    memset(text, 'x', sizeof text);
    size_t length = 0;
    for (size_t i = 0; i < sizeof text; i++) {
        tp_strbuf_add_string(&b, i == 0 ? NULL : text, i);
        length += i + 1;
        assert_int_equal(b.length, length);
        assert_true(b.capacity > b.length);
        assert_int_equal(b.data[length], '\0');
        assert_int_equal(strlen(b.data + length - i - 1), i);
    }
    oom_fail_at(1);
    while (!b.failed) {
        length = b.length;
        tp_strbuf_add_string(&b, text, sizeof text);
    }
    oom_reset();
    assert_int_equal(b.length, length);
    tp_strbuf_reset(&b);
    tp_strbuf_add_string(&b, text, SIZE_MAX);
    assert_true(b.failed);
    assert_int_equal(b.length, 0);
    tp_strbuf_free(&b);
}

static void test_printf_longer_than_the_room(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    for (int width = 50; width < 80; width++) {
        tp_strbuf_reset(&b);
        tp_strbuf_printf(&b, "%*d", width, 1);
        assert_int_equal(b.length, width);
        tp_strbuf_free(&b);
    }
}

static void test_take(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    char *taken = tp_strbuf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
    tp_strbuf_puts(&b, "abc");
    taken = tp_strbuf_take(&b);
    assert_string_equal(taken, "abc");
    assert_null(b.data);
    assert_int_equal(b.length, 0);
    free(taken);
}

static void test_reset_keeps_memory(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    tp_strbuf_reset(&b);
    tp_strbuf_puts(&b, "abc");
    const char *data = b.data;
    tp_strbuf_reset(&b);
    assert_string_equal(tp_strbuf_str(&b), "");
    tp_strbuf_puts(&b, "d");
    assert_ptr_equal(b.data, data);
    assert_string_equal(tp_strbuf_str(&b), "d");
    tp_strbuf_free(&b);
}

static void test_room(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    tp_strbuf_puts(&b, "before");
    char *room = tp_strbuf_room(&b, 1000);
    memset(room, 'x', 1000);
    assert_int_equal(strlen(tp_strbuf_str(&b)), 1000);
    assert_non_null(tp_strbuf_room(&b, 0));
    assert_int_equal(b.length, 0);
    tp_strbuf_free(&b);
}

static void test_failure_is_sticky(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    tp_strbuf_puts(&b, "kept");
    oom_fail_at(1);
    tp_strbuf_printf(&b, "%200d", 1);
    assert_true(oom_reset());
    assert_true(b.failed);
    tp_strbuf_puts(&b, "x");
    assert_string_equal(tp_strbuf_str(&b), "kept");
    assert_null(tp_strbuf_take(&b));
    assert_false(b.failed);
    oom_fail_at(1);
    assert_null(tp_strbuf_room(&b, 1));
    tp_strbuf_reset(&b);
    oom_fail_at(1);
    assert_null(tp_strbuf_take(&b));
    oom_reset();
    tp_strbuf_free(&b);
}

static void test_lengths_that_do_not_fit(void **state) {
    (void)state;
    tp_strbuf b = TP_STRBUF_INIT;
    tp_strbuf_puts(&b, "abc");
    tp_strbuf_add(&b, "x", SIZE_MAX - 2);
    assert_true(b.failed);
    assert_string_equal(tp_strbuf_str(&b), "abc");
    tp_strbuf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_every_length_is_terminated),
        cmocka_unit_test(test_strings_one_after_the_other),
        cmocka_unit_test(test_printf_longer_than_the_room),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_reset_keeps_memory),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_failure_is_sticky),
        cmocka_unit_test(test_lengths_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
