/* The set of whole keys, against an array of flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "core/keybag.h"
#include "oom.h"
#include "prng.h"

static tp_keybag make(void) {
    tp_keybag bag;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_keybag_init(&bag, &key);
    return bag;
}

static int32_t add(tp_keybag *bag, const char *bytes, uint32_t length, uint32_t kind) {
    tp_record record = {bytes, length, kind};
    uint64_t hash = tp_keybag_hash(bag, &record);
    tp_keybag_foresee(bag, hash);
    tp_keybag_approach(bag, hash);
    return tp_keybag_add(bag, &record, hash);
}

static void test_kind_length_and_every_byte_count(void **state) {
    (void)state;
    tp_keybag bag = make();
    assert_int_equal(add(&bag, "ab\0c", 4, 0), 1);
    assert_int_equal(add(&bag, "ab\0c", 4, 0), 0);
    assert_int_equal(add(&bag, "ab\0c", 4, 15), 1);
    assert_int_equal(add(&bag, "ab\0d", 4, 0), 1);
    assert_int_equal(add(&bag, "ab\0c", 3, 0), 1);
    assert_int_equal(add(&bag, "", 0, 0), 1);
    assert_int_equal(add(&bag, "", 0, 0), 0);
    assert_int_equal(tp_keybag_count(&bag), 5);
    assert_true(tp_keybag_bytes(&bag) > 0);
    tp_keybag_free(&bag);
}

#define KEYS 3000u

static void test_against_flags(void **state) {
    (void)state;
    tp_keybag bag = make();
    uint64_t random = 1;
    for (uint32_t round = 0; round < 20; round++) {
        bool inside[2][KEYS] = {{false}};
        for (uint32_t i = 0; i < 5000; i++) {
            char text[40];
            uint32_t kind = prng_below(&random, 2);
            uint32_t id = prng_below(&random, KEYS);
            uint32_t length = (uint32_t)snprintf(text, sizeof text, "%0*u", (int)(id % 30), id);
            assert_int_equal(add(&bag, text, length, kind), inside[kind][id] ? 0 : 1);
            inside[kind][id] = true;
        }
        tp_keybag_clear(&bag);
        assert_int_equal(tp_keybag_count(&bag), 0);
    }
    tp_keybag_free(&bag);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_keybag bag = make();
    uint32_t failures = 0;
    for (uint32_t i = 0; i < 500; i++) {
        for (unsigned n = 1;; n++) {
            oom_fail_at(n);
            int32_t added = add(&bag, (const char *)&i, sizeof i, 0);
            if (!oom_reset()) {
                assert_int_equal(added, 1);
                break;
            }
            failures++;
            assert_int_equal(added, TRIGPERF_E_NOMEM);
            assert_int_equal(tp_keybag_count(&bag), i);
        }
    }
    assert_true(failures > 10);
    oom_fail_at(1);
    assert_false(tp_keybag_reserve(&bag, 100000));
    assert_true(oom_reset());
    assert_false(tp_keybag_reserve(&bag, UINT64_MAX));
    assert_true(tp_keybag_reserve(&bag, 100000));
    assert_true(tp_keybag_reserve(&bag, 1));
    uint32_t last = 499;
    assert_int_equal(add(&bag, (const char *)&last, sizeof last, 0), 0);
    tp_keybag_free(&bag);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind_length_and_every_byte_count),
        cmocka_unit_test(test_against_flags),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
