/* The verdict cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache.h"
#include "oom.h"

static tp_cache *fresh(uint64_t capacity) {
    tp_cache_options options = {.capacity = capacity};
    tp_hash_key_seed(&options.hash_key, 1);
    tp_cache *cache = NULL;
    assert_int_equal(tp_cache_new(&options, &cache, NULL), TRIGPERF_OK);
    return cache;
}

static void put(tp_cache *cache, const tp_cache_call *call, const char *key, uint32_t verdict,
                int64_t ttl_ms) {
    tp_cache_put(cache, call, key, strlen(key), verdict, ttl_ms);
}

static int get(tp_cache *cache, const tp_cache_call *call, const char *key) {
    uint32_t verdict = 0;
    return tp_cache_get(cache, call, key, strlen(key), &verdict) ? (int)verdict : -1;
}

static void test_put_and_get(void **state) {
    (void)state;
    tp_cache *cache = fresh(100);
    tp_cache_call call = {0, 0};
    assert_int_equal(get(cache, &call, "a"), -1);
    put(cache, &call, "a", 7, 0);
    assert_int_equal(get(cache, &call, "a"), 7);
    put(cache, &call, "a", 65535, 0);
    assert_int_equal(get(cache, &call, "a"), 65535);
    tp_cache_call other = {1, 0};
    assert_int_equal(get(cache, &other, "a"), -1);
    assert_true(tp_cache_invalidate(cache, &call, "a", 1));
    assert_false(tp_cache_invalidate(cache, &call, "a", 1));
    assert_int_equal(get(cache, &call, "a"), -1);
    tp_cache_free(cache);
}

static void test_time_to_live(void **state) {
    (void)state;
    tp_cache *cache = fresh(100);
    tp_cache_call call = {0, 1000};
    assert_false(tp_cache_is_timed(cache));
    put(cache, &call, "a", 1, 500);
    assert_true(tp_cache_is_timed(cache));
    call.now_ms = 1499;
    assert_int_equal(get(cache, &call, "a"), 1);
    call.now_ms = 1520;
    assert_int_equal(get(cache, &call, "a"), -1);
    tp_cache_free(cache);
}

static void test_validators(void **state) {
    (void)state;
    tp_cache *cache = fresh(100);
    tp_cache_call one = {1, 0};
    tp_cache_call two = {2, 0};
    put(cache, &one, "a", 1, 0);
    put(cache, &two, "a", 2, 0);
    assert_int_equal(tp_cache_invalidate_validator(cache, 1, NULL), TRIGPERF_OK);
    assert_int_equal(get(cache, &one, "a"), -1);
    assert_int_equal(get(cache, &two, "a"), 2);
    assert_int_equal(tp_cache_validator_set(cache, 2, 9, 0, NULL), TRIGPERF_OK);
    assert_int_equal(get(cache, &two, "a"), -1);
    assert_int_equal(tp_cache_validator_set(cache, 2, 0, 0, NULL), TRIGPERF_OK);
    assert_int_equal(get(cache, &two, "a"), 2);
    tp_cache_clear(cache);
    assert_int_equal(get(cache, &two, "a"), -1);
    tp_cache_free(cache);
}

static void test_no_room(void **state) {
    (void)state;
    tp_cache *cache = fresh(0);
    tp_cache_call call = {0, 0};
    put(cache, &call, "a", 1, 0);
    assert_int_equal(get(cache, &call, "a"), -1);
    assert_false(tp_cache_invalidate(cache, &call, "a", 1));
    tp_cache_free(cache);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_cache_options options = {.capacity = 100};
    tp_hash_key_seed(&options.hash_key, 1);
    for (unsigned n = 1;; n++) {
        tp_cache *cache = NULL;
        oom_fail_at(n);
        int32_t status = tp_cache_new(&options, &cache, NULL);
        if (!oom_reset()) {
            assert_int_equal(status, TRIGPERF_OK);
            tp_cache_free(cache);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
        assert_null(cache);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_get),   cmocka_unit_test(test_time_to_live),
        cmocka_unit_test(test_validators),    cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
