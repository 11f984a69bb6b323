/* Distinct keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "core/keyset.h"
#include "oom.h"
#include "prng.h"

static tp_hash_key secret; /* all zeroes */

static uint32_t find(const tp_keyset *set, const char *key) {
    uint32_t length = (uint32_t)strlen(key);
    return tp_keyset_find(set, key, length, tp_hash64(&secret, key, length));
}

static uint32_t add(tp_keyset *set, const char *key) {
    uint32_t length = (uint32_t)strlen(key);
    assert_true(tp_keyset_reserve(set, 1, length));
    return tp_keyset_add(set, key, length, tp_hash64(&secret, key, length));
}

static void test_finds_what_was_added(void **state) {
    (void)state;
    tp_keyset set = {0};
    char key[16];
    assert_int_equal(find(&set, "a"), TP_KEY_NONE);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "key:%d", i);
            assert_int_equal(find(&set, key), TP_KEY_NONE);
            uint32_t handle = add(&set, key);
            assert_int_equal(find(&set, key), handle);
            assert_string_equal(tp_keyset_at(&set, handle)->bytes, key);
            assert_int_equal(tp_keyset_at(&set, handle)->arrival, UINT64_MAX);
        }
        assert_int_equal(tp_keyset_count(&set), 1000);
        assert_true(tp_keyset_bytes(&set) > 0);
        int at = 0;
        for (tp_key *k = NULL; (k = tp_keyset_next(&set, k)) != NULL; at++) {
            snprintf(key, sizeof key, "key:%d", at);
            assert_string_equal(k->bytes, key);
        }
        assert_int_equal(at, 1000);
        tp_keyset_clear(&set);
        assert_int_equal(tp_keyset_count(&set), 0);
        assert_int_equal(tp_keyset_bytes(&set), 0);
        assert_null(tp_keyset_next(&set, NULL));
    }
    tp_keyset_free(&set);
}

static void test_keys_may_hold_any_byte(void **state) {
    (void)state;
    tp_keyset set = {0};
    assert_true(tp_keyset_reserve(&set, 2, 10));
    uint32_t first = tp_keyset_add(&set, "a\0b", 3, 5);
    assert_int_equal(tp_keyset_find(&set, "a\0c", 3, 5), TP_KEY_NONE);
    assert_int_equal(tp_keyset_find(&set, "a", 1, 5), TP_KEY_NONE);
    assert_int_equal(tp_keyset_find(&set, "a\0b", 3, 5), first);
    tp_keyset_free(&set);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_keyset set = {0};
    add(&set, "kept");
    for (unsigned n = 1; n <= 2; n++) {
        oom_fail_at(n);
        assert_false(tp_keyset_reserve(&set, 1000, 10000));
        assert_true(oom_reset());
        assert_int_not_equal(find(&set, "kept"), TP_KEY_NONE);
    }
    tp_keyset_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_added),
        cmocka_unit_test(test_keys_may_hold_any_byte),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
