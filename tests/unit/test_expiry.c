/* Times of expiry in sixteen bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/expiry.h"
#include "prng.h"

static void test_never(void **state) {
    (void)state;
    assert_int_equal(tp_expiry_encode(0, 0, UINT64_MAX), TP_EXPIRY_NEVER);
    assert_int_equal(tp_expiry_encode(0, 1000, UINT64_C(1) << 50), TP_EXPIRY_NEVER);
    assert_true(tp_expiry_time(TP_EXPIRY_NEVER, 5) == UINT64_MAX);
    assert_false(tp_expiry_passed(TP_EXPIRY_NEVER, 0, UINT64_MAX));
}

/* Whatever the time and the ttl: not before now + ttl, and at most a unit after; and the code means
 * the same for every later point of reference before it expires. */
static void test_exactness(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 300000; i++) {
        uint64_t now = prng_next(&seed) >> (23 + prng_below(&seed, 40));
        uint64_t ttl = prng_next(&seed) >> (28 + prng_below(&seed, 36));
        uint32_t since = tp_expiry_since(now);
        uint32_t code = tp_expiry_encode(since, now, ttl);
        assert_true(code <= UINT16_MAX && code != TP_EXPIRY_NEVER);
        uint64_t time = tp_expiry_time(code, since);
        uint64_t slack = 17 + (ttl + 1024) / 1000;
        assert_true(time >= now + ttl && time <= now + ttl + slack);
        assert_false(tp_expiry_passed(code, since, now + ttl - 1 + (ttl == 0)) && ttl > 0);
        assert_true(tp_expiry_passed(code, since, now + ttl + slack));
        uint64_t later = now + ttl / (1 + prng_below(&seed, 3));
        assert_true(tp_expiry_time(code, tp_expiry_since(later)) == time);
    }
}

/* The clock stands before the point of reference: as if it stood there. */
static void test_clock_going_backwards(void **state) {
    (void)state;
    uint32_t since = tp_expiry_since(5000000);
    uint32_t code = tp_expiry_encode(since, 1000, 100);
    uint64_t time = tp_expiry_time(code, since);
    assert_true(time >= ((uint64_t)since << 10) + 100 && time <= ((uint64_t)since << 10) + 116);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_exactness),
        cmocka_unit_test(test_clock_going_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
