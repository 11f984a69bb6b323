/* Whole keys in memory that late readers may look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache_keys.h"
#include "oom.h"

static void test_keep_and_compare(void **state) {
    (void)state;
    tp_cache_keys *keys = tp_cache_keys_new();
    char text[3000];
    for (size_t length = 0; length < sizeof text; length += 1 + length / 7) {
        memset(text, 'a' + (int)(length % 26), sizeof text);
        tp_kept_key *kept = tp_cache_keys_keep(keys, 5, text, length);
        assert_non_null(kept);
        assert_int_equal(tp_kept_key_length(kept), length);
        assert_true(tp_kept_key_salt(kept) == 5);
        assert_true(tp_kept_key_is(kept, 5, text, length));
        assert_false(tp_kept_key_is(kept, 6, text, length));
        assert_false(tp_kept_key_is(kept, 5, text, length + 1));
        char copy[3000];
        tp_kept_key_copy(kept, 0, copy, length);
        assert_memory_equal(copy, text, length);
        if (length > 0) {
            text[length - 1]++;
            assert_false(tp_kept_key_is(kept, 5, text, length));
            text[length - 1]--;
        }
        tp_cache_keys_release(keys, kept);
    }
    tp_cache_keys_release(keys, NULL);
    tp_cache_keys_free(keys);
    tp_cache_keys_free(NULL);
}

static void test_memory_is_used_again(void **state) {
    (void)state;
    tp_cache_keys *keys = tp_cache_keys_new();
    tp_cache_keys_release(keys, tp_cache_keys_keep(keys, 0, "0123456789", 10));
    uint64_t bytes = tp_cache_keys_bytes(keys);
    for (int i = 0; i < 100000; i++) {
        tp_cache_keys_release(keys, tp_cache_keys_keep(keys, 0, "0123456789", 10));
    }
    assert_true(tp_cache_keys_bytes(keys) == bytes);
    tp_cache_keys_free(keys);
}

static void test_the_longest_key(void **state) {
    (void)state;
    tp_cache_keys *keys = tp_cache_keys_new();
    char *text = calloc(1, 1048576);
    tp_kept_key *kept = tp_cache_keys_keep(keys, 1, text, 1048576);
    assert_true(tp_kept_key_is(kept, 1, text, 1048576));
    text[1048575] = 1;
    assert_false(tp_kept_key_is(kept, 1, text, 1048576));
    free(text);
    tp_cache_keys_free(keys);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_null(tp_cache_keys_new());
    assert_true(oom_reset());
    tp_cache_keys *keys = tp_cache_keys_new();
    oom_fail_at(1);
    assert_null(tp_cache_keys_keep(keys, 0, "key", 3));
    assert_true(oom_reset());
    assert_non_null(tp_cache_keys_keep(keys, 0, "key", 3));
    tp_cache_keys_free(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_and_compare),
        cmocka_unit_test(test_memory_is_used_again),
        cmocka_unit_test(test_the_longest_key),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
