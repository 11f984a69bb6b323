/* The hash index, against an array of flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/slots.h"
#include "oom.h"
#include "prng.h"

#define ELEMENTS 2000u

/* Hashes of the elements: few distinct low bits, so that runs are long and wrap around. */
static uint64_t hashes[ELEMENTS];

static uint64_t hash_of(const void *user, uint32_t handle) {
    const uint64_t *table = user;
    return table[handle];
}

static void make_hashes(uint64_t seed, uint64_t mask) {
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        hashes[i] = prng_next(&seed) & mask;
    }
}

static bool has(const tp_slots *slots, uint32_t handle) {
    tp_probe probe = tp_slots_probe(slots, hashes[handle]);
    for (uint32_t found = 0; tp_slots_next(slots, &probe, &found);) {
        if (found == handle) {
            return true;
        }
    }
    return false;
}

static void compare(const tp_slots *slots, const bool *inside) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        assert_int_equal(has(slots, i), inside[i]);
        count += inside[i] ? 1 : 0;
    }
    assert_int_equal(slots->count, count);
}

static void toggle(tp_slots *slots, bool *inside, uint32_t i) {
    if (inside[i]) {
        tp_slots_remove(slots, hashes[i], i, hash_of, hashes);
    } else {
        assert_true(tp_slots_reserve(slots, 1, hash_of, hashes));
        tp_slots_put(slots, hashes[i], i);
    }
    inside[i] = !inside[i];
}

static void run(uint64_t seed, uint64_t mask) {
    tp_slots slots = {NULL, 0, 0, 0, 0};
    bool inside[ELEMENTS] = {false};
    make_hashes(seed, mask);
    compare(&slots, inside);
    for (int step = 0; step < 10000; step++) {
        toggle(&slots, inside, prng_below(&seed, ELEMENTS));
        if (step % 1000 == 0) {
            compare(&slots, inside);
        }
        if (prng_below(&seed, 3000) == 0) {
            tp_slots_clear(&slots);
            memset(inside, 0, sizeof inside);
        }
    }
    compare(&slots, inside);
    tp_slots_free(&slots);
}

static void test_holds_what_was_put_in(void **state) {
    (void)state;
    run(1, UINT64_MAX);
    run(2, UINT64_MAX);
}

static void test_long_runs(void **state) {
    (void)state;
    run(3, UINT64_C(0xFFFF00000000000F));
    run(4, UINT64_C(0x000100000000FFC0));
}

static void test_equal_hashes(void **state) {
    (void)state;
    tp_slots slots = {NULL, 0, 0, 0, 0};
    bool inside[ELEMENTS] = {false};
    memset(hashes, 0xFF, sizeof hashes);
    for (uint32_t i = 0; i < 100; i++) {
        toggle(&slots, inside, i);
    }
    for (uint32_t i = 0; i < 100; i += 3) {
        toggle(&slots, inside, i);
    }
    compare(&slots, inside);
    tp_slots_free(&slots);
}

static void test_removing_what_is_not_there(void **state) {
    (void)state;
    tp_slots slots = {NULL, 0, 0, 0, 0};
    make_hashes(5, UINT64_MAX);
    tp_slots_remove(&slots, hashes[0], 0, hash_of, hashes);
    assert_true(tp_slots_reserve(&slots, 1, hash_of, hashes));
    tp_slots_put(&slots, hashes[0], 0);
    tp_slots_remove(&slots, hashes[0], 1, hash_of, hashes);
    assert_int_equal(slots.count, 1);
    tp_slots_free(&slots);
}

static void test_guesses(void **state) {
    (void)state;
    tp_slots slots = {NULL, 0, 0, 0, 0};
    assert_true(tp_slots_reserve(&slots, 8, hash_of, hashes));
    for (uint32_t i = 0; i < 3; i++) {
        hashes[i] = (uint64_t)i << 48 | (slots.mask - 1); /* the last two places, and round */
        tp_slots_prefetch(&slots, hashes[i]);
        tp_slots_put(&slots, hashes[i], 100 + i);
    }
    assert_int_equal(tp_slots_guess(&slots, hashes[0], 7), 100);
    assert_int_equal(tp_slots_guess(&slots, hashes[1], 7), 101);
    assert_int_equal(tp_slots_guess(&slots, hashes[2], 7), 7);
    tp_slots_clear(&slots);
    assert_int_equal(tp_slots_guess(&slots, hashes[0], 7), 7);
    tp_slots_free(&slots);
    tp_slots_prefetch(&slots, hashes[0]);
}

static void test_fills_where_a_probe_ended(void **state) {
    (void)state;
    tp_slots slots = {NULL, 0, 0, 0, 0};
    bool inside[ELEMENTS] = {false};
    make_hashes(8, UINT64_C(0xFFFF00000000000F));
    assert_int_equal(tp_slots_fit(&slots, 0), true);
    assert_int_equal(tp_slots_fit(&slots, 1), false);
    for (uint32_t i = 0; i < 300; i++) {
        assert_true(tp_slots_reserve(&slots, 1, hash_of, hashes));
        tp_probe probe = tp_slots_probe(&slots, hashes[i]);
        for (uint32_t handle = 0; slots.count > 0 && tp_slots_next(&slots, &probe, &handle);) {
            continue;
        }
        tp_slots_fill(&slots, &probe, i);
        inside[i] = true;
    }
    compare(&slots, inside);
    tp_slots_free(&slots);
}

static void test_generations_wrap(void **state) {
    (void)state;
    tp_slots slots = {NULL, 0, 0, 0, 0};
    make_hashes(6, UINT64_MAX);
    for (uint32_t round = 0; round < 200000; round++) {
        uint32_t i = round % ELEMENTS;
        assert_true(tp_slots_reserve(&slots, 1, hash_of, hashes));
        assert_false(has(&slots, i));
        tp_slots_put(&slots, hashes[i], i);
        assert_true(has(&slots, i));
        tp_slots_clear(&slots);
    }
    tp_slots_free(&slots);
}

static void test_gives_back_what_is_long_unused(void **state) {
    (void)state;
    tp_slots slots = {NULL, 0, 0, 0, 0};
    assert_true(tp_slots_reserve(&slots, 100000, hash_of, hashes));
    for (int round = 0; round < 100; round++) {
        assert_true(tp_slots_reserve(&slots, 1, hash_of, hashes));
        tp_slots_put(&slots, hashes[0], 0);
        tp_slots_clear(&slots);
    }
    assert_true(slots.mask < 100);
    tp_slots_free(&slots);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_slots slots = {NULL, 0, 0, 0, 0};
    bool inside[ELEMENTS] = {false};
    make_hashes(7, UINT64_MAX);
    oom_fail_at(1);
    assert_false(tp_slots_reserve(&slots, 1, hash_of, hashes));
    assert_true(oom_reset());
    compare(&slots, inside);
    for (uint32_t i = 0; i < 8; i++) {
        toggle(&slots, inside, i);
    }
    oom_fail_at(1);
    assert_false(tp_slots_reserve(&slots, 100, hash_of, hashes));
    assert_true(oom_reset());
    compare(&slots, inside);
    tp_slots_free(&slots);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_what_was_put_in),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_equal_hashes),
        cmocka_unit_test(test_removing_what_is_not_there),
        cmocka_unit_test(test_guesses),
        cmocka_unit_test(test_fills_where_a_probe_ended),
        cmocka_unit_test(test_generations_wrap),
        cmocka_unit_test(test_gives_back_what_is_long_unused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
