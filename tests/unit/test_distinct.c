/* Equal strings, beside comparing each with each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/distinct.h"
#include "oom.h"
#include "prng.h"

static void test_like_all_pairs(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    uint64_t seed = 5;
    for (int round = 0; round < 500; round++) {
        static const char *const pool[] = {"", "a", "b", "ab", "abc", "a\0b", "a\0c", "zzzzzzzz"};
        static const uint64_t sizes[] = {0, 1, 1, 2, 3, 3, 3, 8};
        const char *strings[60];
        uint64_t lengths[60];
        uint32_t first[60];
        uint32_t count = prng_below(&seed, 60);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t pick = prng_below(&seed, 8);
            strings[i] = pool[pick];
            lengths[i] = sizes[pick];
        }
        assert_true(tp_distinct_find(&key, strings, lengths, count, first));
        for (uint32_t i = 0; i < count; i++) {
            uint32_t expected = i;
            for (uint32_t j = i; j-- > 0;) {
                expected =
                    lengths[i] == lengths[j] && memcmp(strings[i], strings[j], lengths[i]) == 0
                        ? j
                        : expected;
            }
            assert_int_equal(first[i], expected);
        }
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    const char *strings[] = {"a"};
    uint64_t length = 1;
    uint32_t first = 9;
    oom_fail_at(1);
    assert_false(tp_distinct_find(&key, strings, &length, 1, &first));
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_all_pairs),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
