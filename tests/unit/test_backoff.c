/* Waits between tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/backoff.h"
#include "prng.h"

static void test_doubles_up_to_the_limit(void **state) {
    (void)state;
    static const uint32_t expected[] = {100, 200, 400, 800, 1000, 1000, 1000};
    tp_backoff backoff = {100, 1000, 0};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(tp_backoff_next(&backoff, 0), expected[i]);
    }
    tp_backoff_reset(&backoff);
    assert_int_equal(tp_backoff_next(&backoff, 0), 100);
}

static void test_stays_in_the_upper_half(void **state) {
    (void)state;
    uint64_t random = 1;
    uint32_t low = UINT32_MAX;
    uint32_t high = 0;
    for (int i = 0; i < 10000; i++) {
        tp_backoff backoff = {100, 100000, 3};
        uint32_t wait = tp_backoff_next(&backoff, (uint32_t)prng_next(&random));
        low = wait < low ? wait : low;
        high = wait > high ? wait : high;
    }
    assert_int_equal(low, 400);
    assert_int_equal(high, 800);
}

static void test_never_zero(void **state) {
    (void)state;
    uint64_t random = 1;
    for (uint32_t min = 0; min < 4; min++) {
        for (uint32_t max = 0; max < 4; max++) {
            tp_backoff backoff = {min, max, 0};
            for (int i = 0; i < 20; i++) {
                uint32_t wait = tp_backoff_next(&backoff, (uint32_t)prng_next(&random));
                assert_in_range(wait, 1, max > 0 ? max : 1);
            }
        }
    }
}

static void test_no_overflow(void **state) {
    (void)state;
    tp_backoff backoff = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
    assert_int_equal(tp_backoff_next(&backoff, 0), UINT32_MAX);
    assert_int_equal(backoff.attempt, UINT32_MAX);
    backoff = (tp_backoff){1, UINT32_MAX, 31};
    assert_int_equal(tp_backoff_next(&backoff, 0), UINT32_C(1) << 31);
    assert_int_equal(tp_backoff_next(&backoff, 0), UINT32_MAX);
    backoff = (tp_backoff){500, 100, 0};
    assert_int_equal(tp_backoff_next(&backoff, 0), 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_limit),
        cmocka_unit_test(test_stays_in_the_upper_half),
        cmocka_unit_test(test_never_zero),
        cmocka_unit_test(test_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
