/* When a window ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/due.h"

static void test_fresh_ends_early(void **state) {
    (void)state;
    tp_due due = tp_due_make(100, 5);
    assert_int_equal(due.at_ms, UINT64_MAX);
    tp_due_open(&due, 1000);
    assert_int_equal(due.at_ms, 1005);
    assert_true(due.brief);
    tp_due_open(&due, 1003);
    assert_int_equal(due.at_ms, 1005);
    tp_due_close(&due);
    assert_int_equal(due.at_ms, UINT64_MAX);
    tp_due_open(&due, 1010);
    assert_int_equal(due.at_ms, 1015);
}

static void test_recurring_lasts(void **state) {
    (void)state;
    tp_due due = tp_due_make(100, 5);
    tp_due_open(&due, 1000);
    tp_due_recur(&due);
    assert_int_equal(due.at_ms, 1100);
    assert_false(due.brief);
    tp_due_recur(&due);
    assert_int_equal(due.at_ms, 1100);
}

static void test_what_is_hastened_is_not_put_off(void **state) {
    (void)state;
    tp_due due = tp_due_make(100, 5);
    tp_due_open(&due, 1000);
    tp_due_hasten(&due, 1002);
    tp_due_recur(&due);
    assert_int_equal(due.at_ms, 1002);
    tp_due_hasten(&due, 1004);
    assert_int_equal(due.at_ms, 1002);
}

static void test_recurring_before_it_opened(void **state) {
    (void)state;
    tp_due due = tp_due_make(100, 5);
    tp_due_recur(&due);
    assert_int_equal(due.at_ms, UINT64_MAX);
    tp_due_open(&due, 1000);
    assert_int_equal(due.at_ms, 1005);
}

static void test_switched_off(void **state) {
    (void)state;
    static const uint32_t fresh[] = {100, 101, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        tp_due due = tp_due_make(100, fresh[i]);
        tp_due_open(&due, 1000);
        assert_int_equal(due.at_ms, 1100);
        assert_false(due.brief);
    }
    tp_due due = tp_due_make(0, 5);
    tp_due_open(&due, 1000);
    assert_int_equal(due.at_ms, 1000);
    assert_false(due.brief);
}

static void test_no_overflow(void **state) {
    (void)state;
    tp_due due = tp_due_make(100, 5);
    tp_due_open(&due, UINT64_MAX - 7);
    assert_int_equal(due.at_ms, UINT64_MAX - 2);
    tp_due_recur(&due);
    assert_int_equal(due.at_ms, UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_ends_early),
        cmocka_unit_test(test_recurring_lasts),
        cmocka_unit_test(test_what_is_hastened_is_not_put_off),
        cmocka_unit_test(test_recurring_before_it_opened),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
