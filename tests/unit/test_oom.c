/* The allocator wrappers: what the other tests' out-of-memory loops rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "oom.h"

static void test_fails_the_nth_allocation_only(void **state) {
    (void)state;
    oom_fail_at(2);
    void *volatile first = malloc(1);
    void *volatile second = calloc(1, 1);
    void *volatile third = malloc(1);
    assert_true(oom_reset());
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    free(first);
    free(third);
}

static void test_fails_from_the_nth_allocation_on(void **state) {
    (void)state;
    void *volatile grown = malloc(1);
    oom_fail_from(1);
    void *volatile first = malloc(1);
    void *volatile moved = realloc(grown, 64);
    assert_true(oom_reset());
    assert_null(first);
    assert_null(moved);
    free(moved != NULL ? moved : grown);
}

static void test_reports_that_nothing_failed(void **state) {
    (void)state;
    oom_fail_at(2);
    void *volatile first = malloc(1);
    assert_false(oom_reset());
    free(first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fails_the_nth_allocation_only),
        cmocka_unit_test(test_fails_from_the_nth_allocation_on),
        cmocka_unit_test(test_reports_that_nothing_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
