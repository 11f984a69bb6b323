/* The keyed hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void test_depends_on_key_and_bytes(void **state) {
    (void)state;
    tp_hash_key a;
    tp_hash_key b;
    tp_hash_key_seed(&a, 1);
    tp_hash_key_seed(&b, 2);
    char bytes[300];
    memset(bytes, 'x', sizeof bytes);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        assert_int_equal(tp_hash64(&a, bytes, length), tp_hash64(&a, bytes, length));
        assert_int_not_equal(tp_hash64(&a, bytes, length), tp_hash64(&b, bytes, length));
    }
    assert_int_not_equal(tp_hash64(&a, "ab", 2), tp_hash64(&a, "ba", 2));
    assert_int_not_equal(tp_hash64(&a, "a", 1), tp_hash64(&a, "a\0", 2));
}

static void test_128_bits_depend_on_key_and_bytes(void **state) {
    (void)state;
    tp_hash_key a;
    tp_hash_key b;
    tp_hash_key_seed(&a, 1);
    tp_hash_key_seed(&b, 2);
    char bytes[300] = {0};
    tp_hash128 before = {0, 0};
    for (size_t length = 0; length <= sizeof bytes; length++) {
        tp_hash128 hash = tp_hash128_of(&a, bytes, length);
        tp_hash128 other = tp_hash128_of(&b, bytes, length);
        assert_true(hash.low != before.low && hash.high != before.high);
        assert_true(hash.low != other.low && hash.high != other.high);
        before = hash;
    }
}

static void test_seeding_is_reproducible(void **state) {
    (void)state;
    tp_hash_key a;
    tp_hash_key b;
    tp_hash_key_seed(&a, 7);
    tp_hash_key_seed(&b, 7);
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_stable_values(void **state) {
    (void)state;
    assert_true(tp_hash_stable("", 0) == UINT64_C(0x2D06800538D394C2));
    assert_int_equal(tp_hash_stable("abc", 3), tp_hash_stable("abc", 3));
    assert_int_not_equal(tp_hash_stable("abc", 3), tp_hash_stable("abd", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depends_on_key_and_bytes),
        cmocka_unit_test(test_128_bits_depend_on_key_and_bytes),
        cmocka_unit_test(test_seeding_is_reproducible),
        cmocka_unit_test(test_stable_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
