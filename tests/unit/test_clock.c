/* Monotonic time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_never_goes_back(void **state) {
    (void)state;
    uint64_t last = tp_clock_ns();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = tp_clock_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(tp_clock_ms() >= last / 1000000);
}

static void test_the_coarse_clock_is_the_same_one(void **state) {
    (void)state;
    uint64_t last = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = tp_clock_coarse_ms();
        assert_true(now >= last && now <= tp_clock_ms());
        last = now;
    }
    assert_true(last > 0);
}

static void test_the_time_of_people(void **state) {
    (void)state;
    uint64_t now = tp_clock_unix_ms();
    assert_true(now > UINT64_C(1577836800000));  /* 2020 */
    assert_true(now < UINT64_C(32503680000000)); /* 3000 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_time_of_people),
        cmocka_unit_test(test_never_goes_back),
        cmocka_unit_test(test_the_coarse_clock_is_the_same_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
