/* Moments for which a busy stream is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pg/rest.h"

#define LITTLE 1000u
#define MEDIUM 70000u
#define MUCH 200000u

static uint64_t now_ms;

static uint32_t after(tp_rest *rest, uint32_t messages, size_t bytes) {
    now_ms += rest->us / 1000 + 1;
    tp_taken taken = {messages, bytes};
    return tp_rest_after(rest, &taken, now_ms);
}

/* Dry as often as it takes to count as busy. */
static tp_rest busy(uint32_t window_ms, bool narrow) {
    tp_rest rest = tp_rest_make(window_ms, narrow);
    now_ms = 1000;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(after(&rest, 3, LITTLE), 0);
    }
    return rest;
}

static void test_what_comes_now_and_then_is_read_at_once(void **state) {
    (void)state;
    tp_taken taken = {3, LITTLE};
    tp_rest rest = tp_rest_make(5, false);
    for (uint64_t ms = 1000; ms < 2000; ms += 4) {
        assert_int_equal(tp_rest_after(&rest, &taken, ms), 0);
    }
    rest = busy(5, false);
    assert_int_equal(after(&rest, 3, LITTLE), 1000);
    assert_int_equal(tp_rest_after(&rest, &taken, now_ms + 100), 0);
    assert_int_equal(rest.us, 500);
}

static void test_grows_up_to_half_a_window(void **state) {
    (void)state;
    static const struct {
        uint32_t window_ms, longest;
    } cases[] = {{0, 1000}, {1, 1000},   {2, 1000},         {4, 2000},
                 {5, 2500}, {100, 2500}, {UINT32_MAX, 2500}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tp_rest rest = busy(cases[i].window_ms, false);
        assert_int_equal(after(&rest, 3, LITTLE), 1000);
        after(&rest, 3, LITTLE);
        assert_int_equal(after(&rest, 3, LITTLE), cases[i].longest);
    }
}

static void test_shrinks_before_the_socket_is_full(void **state) {
    (void)state;
    tp_rest rest = busy(5, false);
    assert_int_equal(after(&rest, 3, MEDIUM), 500);
    assert_int_equal(after(&rest, 3, LITTLE), 1000);
    assert_int_equal(after(&rest, 3, MEDIUM), 1000);
    assert_int_equal(after(&rest, 3, MUCH), 500);
    assert_int_equal(after(&rest, 3, MUCH), 250);
    assert_int_equal(after(&rest, 3, MUCH), 250);
}

static void test_counts_messages_where_they_fill_the_socket(void **state) {
    (void)state;
    tp_rest wide = busy(5, false);
    tp_rest narrow = busy(5, true);
    assert_int_equal(after(&wide, 200, LITTLE), 1000);
    assert_int_equal(after(&narrow, 200, LITTLE), 250);
    assert_int_equal(after(&narrow, 70, LITTLE), 250);
    assert_int_equal(after(&narrow, 10, LITTLE), 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_now_and_then_is_read_at_once),
        cmocka_unit_test(test_grows_up_to_half_a_window),
        cmocka_unit_test(test_shrinks_before_the_socket_is_full),
        cmocka_unit_test(test_counts_messages_where_they_fill_the_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
