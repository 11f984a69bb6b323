/* Sets of words, beside a linear search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/wordset.h"
#include "oom.h"
#include "prng.h"

static void test_has(void **state) {
    (void)state;
    const tp_value words[] = {{"red", 3}, {"", 0}, {"a\0b", 3}, {"red", 3}, {"\xC3\xA9", 2}};
    tp_wordset *set = tp_wordset_new(words, 5);
    assert_non_null(set);
    assert_true(tp_wordset_has(set, "red", 3));
    assert_true(tp_wordset_has(set, "", 0));
    assert_true(tp_wordset_has(set, "a\0b", 3));
    assert_true(tp_wordset_has(set, "\xC3\xA9", 2));
    assert_false(tp_wordset_has(set, "re", 2));
    assert_false(tp_wordset_has(set, "Red", 3));
    assert_false(tp_wordset_has(set, "a\0c", 3));
    tp_wordset_free(set);
}

static void test_empty(void **state) {
    (void)state;
    tp_wordset *set = tp_wordset_new(NULL, 0);
    assert_non_null(set);
    assert_false(tp_wordset_has(set, "", 0));
    tp_wordset_free(set);
    tp_wordset_free(NULL);
}

static void test_like_a_list(void **state) {
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 200; round++) {
        char texts[64][8];
        tp_value words[64];
        uint32_t count = prng_below(&seed, 64);
        for (uint32_t i = 0; i < count; i++) {
            snprintf(texts[i], sizeof texts[i], "%u", prng_below(&seed, 200));
            words[i] = (tp_value){texts[i], (uint32_t)strlen(texts[i])};
        }
        tp_wordset *set = tp_wordset_new(words, count);
        for (uint32_t n = 0; n < 200; n++) {
            char text[8];
            bool listed = false;
            snprintf(text, sizeof text, "%u", n);
            for (uint32_t i = 0; i < count; i++) {
                listed = listed || strcmp(texts[i], text) == 0;
            }
            assert_int_equal(tp_wordset_has(set, text, strlen(text)), listed);
        }
        tp_wordset_free(set);
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    const tp_value word = {"a", 1};
    for (unsigned n = 1; n <= 3; n++) {
        oom_fail_at(n);
        assert_null(tp_wordset_new(&word, 1));
        assert_true(oom_reset());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_like_a_list),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
