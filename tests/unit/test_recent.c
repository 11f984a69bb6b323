/* What was delivered a short while ago. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/recent.h"
#include "oom.h"
#include "prng.h"

static void test_knows_for_a_while(void **state) {
    (void)state;
    tp_recent *recent = tp_recent_new();
    const uint64_t hash = UINT64_C(0x123456789ABCDEF0);
    assert_false(tp_recent_knows(recent, hash, 0, UINT32_MAX));
    assert_false(tp_recent_knows(recent, 0, 0, UINT32_MAX));
    tp_recent_note(recent, hash, 1000);
    assert_true(tp_recent_knows(recent, hash, 1000, 100));
    assert_true(tp_recent_knows(recent, hash, 1099, 100));
    assert_false(tp_recent_knows(recent, hash, 1100, 100));
    assert_false(tp_recent_knows(recent, hash, 1000, 0));
    tp_recent_note(recent, hash, 1090);
    assert_true(tp_recent_knows(recent, hash, 1189, 100));
    tp_recent_free(recent);
    tp_recent_free(NULL);
}

/* The later one stays, and the earlier one is not taken for it. */
static void test_two_in_one_place(void **state) {
    (void)state;
    tp_recent *recent = tp_recent_new();
    const uint64_t first = UINT64_C(0x0000001000000007);
    const uint64_t second = UINT64_C(0x0000003000000007);
    tp_recent_note(recent, first, 1000);
    assert_false(tp_recent_knows(recent, second, 1000, 100));
    tp_recent_note(recent, second, 1000);
    assert_true(tp_recent_knows(recent, second, 1000, 100));
    assert_false(tp_recent_knows(recent, first, 1000, 100));
    tp_recent_free(recent);
}

static void test_large_times(void **state) {
    (void)state;
    tp_recent *recent = tp_recent_new();
    const uint64_t turn = UINT64_C(1) << 32;
    tp_recent_note(recent, 5, turn - 10);
    assert_true(tp_recent_knows(recent, 5, turn + 89, 100));
    assert_false(tp_recent_knows(recent, 5, turn + 90, 100));
    tp_recent_note(recent, 5, UINT64_MAX);
    assert_true(tp_recent_knows(recent, 5, UINT64_MAX, 1));
    tp_recent_free(recent);
}

static void test_remembers_most_of_many(void **state) {
    (void)state;
    tp_recent *recent = tp_recent_new();
    uint64_t random = 1;
    uint64_t hashes[400];
    for (int i = 0; i < 400; i++) {
        hashes[i] = prng_next(&random);
        tp_recent_note(recent, hashes[i], 1000);
    }
    int known = 0;
    int mistaken = 0;
    for (int i = 0; i < 400; i++) {
        known += tp_recent_knows(recent, hashes[i], 1050, 100) ? 1 : 0;
        mistaken += tp_recent_knows(recent, prng_next(&random), 1050, 100) ? 1 : 0;
    }
    assert_in_range(known, 350, 400);
    assert_int_equal(mistaken, 0);
    tp_recent_free(recent);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_null(tp_recent_new());
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_knows_for_a_while), cmocka_unit_test(test_two_in_one_place),
        cmocka_unit_test(test_large_times),       cmocka_unit_test(test_remembers_most_of_many),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
