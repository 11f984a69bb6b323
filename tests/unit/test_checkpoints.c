/* Positions against the low-water mark. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/checkpoints.h"
#include "oom.h"
#include "prng.h"

static void add(tp_checkpoints *c, uint64_t arrival, const char *position) {
    assert_true(tp_checkpoints_add(c, arrival, position, arrival * 10));
}

static void assert_passes(tp_checkpoints *c, uint64_t low_water, const char *expected) {
    const tp_checkpoint *passed = tp_checkpoints_pass(c, low_water);
    if (expected == NULL) {
        assert_null(passed);
        return;
    }
    assert_non_null(passed);
    assert_string_equal(passed->position, expected);
    assert_int_equal(passed->lsn, passed->arrival * 10);
}

static void test_newest_below_the_mark(void **state) {
    (void)state;
    tp_checkpoints *c = tp_checkpoints_new();
    assert_string_equal(tp_checkpoints_newest(c), "");
    assert_passes(c, 100, NULL);
    add(c, 5, "five");
    add(c, 7, "seven");
    add(c, 9, "nine");
    assert_string_equal(tp_checkpoints_newest(c), "nine");
    assert_passes(c, 5, NULL);
    assert_passes(c, 6, "five");
    assert_passes(c, 7, NULL);
    assert_passes(c, 100, "nine");
    assert_passes(c, 100, NULL);
    assert_string_equal(tp_checkpoints_newest(c), "nine");
    tp_checkpoints_clear(c);
    assert_string_equal(tp_checkpoints_newest(c), "");
    assert_int_equal(tp_checkpoints_bytes(c), 0);
    tp_checkpoints_free(c);
    tp_checkpoints_free(NULL);
}

static void test_same_arrival(void **state) {
    (void)state;
    tp_checkpoints *c = tp_checkpoints_new();
    add(c, 5, "a");
    add(c, 5, "b");
    assert_passes(c, 6, "b");
    add(c, 5, "b");
    assert_passes(c, 6, NULL);
    add(c, 5, "c");
    assert_passes(c, 6, "c");
    tp_checkpoints_free(c);
}

static void test_bounded(void **state) {
    (void)state;
    tp_checkpoints *c = tp_checkpoints_new();
    char position[16];
    for (uint64_t i = 1; i <= 100000; i++) {
        snprintf(position, sizeof position, "p%u", (unsigned)i);
        add(c, i, position);
        assert_true(tp_checkpoints_bytes(c) < 4096);
    }
    assert_passes(c, 100001, "p100000");
    tp_checkpoints_free(c);
}

static void test_never_passes_the_mark_and_only_advances(void **state) {
    (void)state;
    tp_checkpoints *c = tp_checkpoints_new();
    uint64_t random = 9;
    uint64_t arrived = 0;
    uint64_t low = 1;
    uint64_t last = 0;
    char position[24];
    for (int i = 0; i < 20000; i++) {
        arrived += prng_below(&random, 3);
        snprintf(position, sizeof position, "%u.%d", (unsigned)arrived, i);
        add(c, arrived, position);
        if (prng_below(&random, 50) == 0 && low < arrived + 1) {
            low += prng_below(&random, (uint32_t)(arrived + 2 - low));
            const tp_checkpoint *passed = tp_checkpoints_pass(c, low);
            if (passed != NULL) {
                assert_true(passed->arrival < low);
                assert_true(passed->arrival >= last);
                last = passed->arrival;
            }
        }
    }
    tp_checkpoints_free(c);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_checkpoints *c = tp_checkpoints_new();
    add(c, 5, "five");
    oom_fail_at(1);
    assert_false(tp_checkpoints_add(c, 6, "six", 0));
    assert_true(oom_reset());
    assert_passes(c, 100, "five");
    tp_checkpoints_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_below_the_mark),
        cmocka_unit_test(test_same_arrival),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_never_passes_the_mark_and_only_advances),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
