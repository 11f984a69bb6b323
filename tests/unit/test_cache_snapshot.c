/* Snapshots of a cache: what comes back, and what garbage does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "core/cache.h"
#include "effort.h"
#include "oom.h"
#include "prng.h"

static const tp_cache_call call = {0, 0, 1};

static tp_cache *fresh(uint64_t capacity, bool exact, uint64_t seed) {
    tp_cache_options options = {.capacity = capacity, .exact = exact};
    tp_wide_key_seed(&options.key, seed);
    tp_cache *cache = NULL;
    assert_int_equal(tp_cache_new(&options, &cache, NULL), TRIGPERF_OK);
    return cache;
}

static void put(tp_cache *cache, const tp_cache_call *c, uint64_t number, int64_t ttl_ms) {
    assert_int_equal(
        tp_cache_put(cache, c, (const char *)&number, 8, (uint32_t)(number & 0xFFFF), ttl_ms, NULL),
        TRIGPERF_OK);
}

static bool has(tp_cache *cache, const tp_cache_call *c, uint64_t number) {
    int32_t verdict = tp_cache_get(cache, c, (const char *)&number, 8, NULL);
    assert_true(verdict == -1 || verdict == (int32_t)(number & 0xFFFF));
    return verdict >= 0;
}

static tp_strbuf saved(tp_cache *cache, uint64_t now_ms, uint64_t wall_ms) {
    tp_cache_call c = {0, now_ms, 1};
    tp_strbuf out = TP_STRBUF_INIT;
    tp_cache_save(cache, &c, wall_ms, &out);
    assert_false(out.failed);
    return out;
}

static int32_t load(tp_cache *cache, const tp_strbuf *bytes, uint64_t wall_ms, uint64_t *entries) {
    return tp_cache_load(cache, &call, wall_ms, bytes->data, bytes->length, entries, NULL);
}

/* Into caches of another size and with other secrets. */
static void test_there_and_back(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        static const uint64_t capacities[] = {100, 1000, 5000};
        tp_cache *first = fresh(1000, exact == 1, 1);
        for (uint64_t i = 0; i < 500; i++) {
            put(first, &call, i, 0);
        }
        tp_strbuf bytes = saved(first, 0, 1000);
        for (int c = 0; c < 3; c++) {
            tp_cache *second = fresh(capacities[c], exact == 1, 2);
            put(second, &call, 900, 0);
            uint64_t entries = 0;
            assert_int_equal(load(second, &bytes, 1000, &entries), TRIGPERF_OK);
            assert_true(entries == 500);
            uint32_t found = 0;
            for (uint64_t i = 0; i < 500; i++) {
                found += has(second, &call, i);
            }
            assert_true(exact == 1 && c == 0 ? found >= 96 : found == 500);
            assert_false(has(second, &call, 501));
            assert_true(has(second, &call, 900) || c == 0);
            tp_cache_free(second);
        }
        tp_strbuf_free(&bytes);
        tp_cache_free(first);
    }
}

static void test_times_go_on_by_the_wall(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        tp_cache *first = fresh(100, exact == 1, 1);
        tp_cache_call then = {0, 5000, 1};
        put(first, &then, 1, 10000);
        put(first, &then, 2, 60000);
        put(first, &then, 3, 0);
        tp_strbuf bytes = saved(first, 6000, 100000);
        tp_cache *second = fresh(100, exact == 1, 2);
        uint64_t entries = 0;
        assert_int_equal(load(second, &bytes, 120000, &entries), TRIGPERF_OK); /* 20 s later */
        assert_true(entries == 2);
        tp_cache_call soon = {0, 38000, 1};
        tp_cache_call late = {0, 40000, 1};
        assert_false(has(second, &call, 1));
        assert_true(has(second, &soon, 2) && has(second, &soon, 3));
        assert_false(has(second, &late, 2));
        assert_true(has(second, &late, 3));
        assert_int_equal(load(second, &bytes, 5, &entries), TRIGPERF_OK); /* the wall went back */
        assert_true(has(second, &call, 1));
        tp_strbuf_free(&bytes);
        tp_cache_free(first);
        tp_cache_free(second);
    }
}

static void test_validators(void **state) {
    (void)state;
    tp_cache *first = fresh(100, false, 1);
    tp_cache_call calls[4] = {{0, 0, 1}, {1, 0, 1}, {2, 0, 1}, {3, 0, 1}};
    tp_cache_invalidate_validator(first, 1, NULL);
    tp_cache_invalidate_validator(first, 2, NULL);
    tp_cache_validator_set(first, 3, 77, 0, NULL);
    for (int i = 0; i < 4; i++) {
        put(first, &calls[i], 5, 0);
    }
    tp_strbuf bytes = saved(first, 0, 0);
    tp_cache *second = fresh(100, false, 2);
    tp_cache_invalidate_validator(second, 2,
                                  NULL); /* as often as there: must not be taken for it */
    uint64_t entries = 0;
    assert_int_equal(load(second, &bytes, 0, &entries), TRIGPERF_OK);
    assert_true(has(second, &calls[0], 5));
    assert_true(has(second, &calls[1], 5));
    assert_false(has(second, &calls[2], 5));
    assert_false(has(second, &calls[3], 5)); /* of version 77 */
    tp_cache_validator_set(second, 3, 77, 0, NULL);
    assert_true(has(second, &calls[3], 5));
    tp_cache_invalidate_validator(second, 1, NULL);
    assert_false(has(second, &calls[1], 5));
    assert_int_equal(load(second, &bytes, 0, &entries), TRIGPERF_OK);
    assert_false(has(second, &calls[1], 5));
    tp_strbuf_free(&bytes);
    tp_cache_free(first);
    tp_cache_free(second);
}

static void test_forgetting_reaches_what_was_loaded(void **state) {
    (void)state;
    tp_cache *first = fresh(100, false, 1);
    put(first, &call, 1, 0);
    put(first, &call, 2, 0);
    tp_strbuf bytes = saved(first, 0, 0);
    tp_cache *second = fresh(100, false, 2);
    uint64_t entries = 0;
    assert_int_equal(load(second, &bytes, 0, &entries), TRIGPERF_OK);
    uint64_t number = 1;
    assert_true(tp_cache_invalidate(second, &call, (const char *)&number, 8));
    assert_false(has(second, &call, 1));
    tp_cache_clear(second, &call);
    assert_false(has(second, &call, 2));
    tp_strbuf_free(&bytes);
    tp_cache_free(first);
    tp_cache_free(second);
}

static void test_no_capacity(void **state) {
    (void)state;
    tp_cache *none = fresh(0, false, 1);
    tp_strbuf bytes = saved(none, 0, 0);
    assert_int_equal(bytes.length, 0);
    tp_cache *first = fresh(100, false, 1);
    put(first, &call, 1, 0);
    tp_strbuf some = saved(first, 0, 0);
    uint64_t entries = 5;
    assert_int_equal(load(none, &some, 0, &entries), TRIGPERF_OK);
    assert_true(entries == 0);
    assert_int_equal(load(first, &bytes, 0, &entries), TRIGPERF_E_INVALID);
    tp_strbuf_free(&some);
    tp_strbuf_free(&bytes);
    tp_cache_free(first);
    tp_cache_free(none);
}

static void seal(char *bytes, size_t length) {
    uint64_t sum = tp_hash_stable(bytes, length - 8);
    for (int i = 0; i < 8; i++) {
        bytes[length - 8 + (size_t)i] = (char)(sum >> (8 * i));
    }
}

/* Cut off anywhere, any byte changed; with a checksum that fits, nothing worse than nonsense. */
static void test_garbage(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        tp_cache *first = fresh(64, exact == 1, 1);
        for (uint64_t i = 0; i < 40; i++) {
            put(first, &call, i, 0);
        }
        tp_cache_invalidate_validator(first, 9, NULL);
        tp_strbuf bytes = saved(first, 0, 0);
        tp_cache *second = fresh(64, exact == 1, 2);
        uint64_t entries;
        uint64_t seed = 1;
        for (size_t length = 0; length < bytes.length; length += EFFORT_STRIDE) {
            assert_int_equal(tp_cache_load(second, &call, 0, bytes.data, length, &entries, NULL),
                             TRIGPERF_E_INVALID);
        }
        char *copy = malloc(bytes.length);
        for (int i = 0; i < EFFORT_ROUNDS(20000); i++) {
            memcpy(copy, bytes.data, bytes.length);
            size_t at = prng_below(&seed, (uint32_t)(i % 2 == 0 ? 60 : bytes.length));
            copy[at] = (char)(copy[at] ^ (1 + (int)prng_below(&seed, 255)));
            assert_int_equal(tp_cache_load(second, &call, 0, copy, bytes.length, &entries, NULL),
                             TRIGPERF_E_INVALID);
            if (at >= 16 && at < 24) {
                memset(copy + 19, 0, 5); /* not so many sets that the test would need gigabytes */
            }
            size_t length = bytes.length - (i % 3 == 0 ? prng_below(&seed, 40) : 0);
            seal(copy, length);
            int32_t status = tp_cache_load(second, &call, 0, copy, length, &entries, NULL);
            assert_true(status == TRIGPERF_OK || status == TRIGPERF_E_INVALID ||
                        status == TRIGPERF_E_UNSUPPORTED || status == TRIGPERF_E_LIMIT);
        }
        free(copy);
        tp_strbuf_free(&bytes);
        tp_cache_free(first);
        tp_cache_free(second);
    }
}

static void test_forms_that_do_not_fit(void **state) {
    (void)state;
    tp_cache *hashed = fresh(100, false, 1);
    tp_cache *exact = fresh(100, true, 1);
    put(hashed, &call, 1, 0);
    put(exact, &call, 1, 0);
    tp_strbuf h = saved(hashed, 0, 0);
    tp_strbuf e = saved(exact, 0, 0);
    uint64_t entries = 0;
    assert_int_equal(load(exact, &h, 0, &entries), TRIGPERF_E_UNSUPPORTED);
    assert_int_equal(load(hashed, &e, 0, &entries), TRIGPERF_OK);
    tp_strbuf_free(&h);
    tp_strbuf_free(&e);
    tp_cache_free(hashed);
    tp_cache_free(exact);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        tp_cache *first = fresh(200, exact == 1, 1);
        tp_cache_invalidate_validator(first, 300, NULL);
        for (uint64_t i = 0; i < 100; i++) {
            put(first, &call, i, 0);
        }
        for (unsigned n = 1;; n++) {
            tp_strbuf out = TP_STRBUF_INIT;
            oom_fail_at(n);
            tp_cache_save(first, &call, 0, &out);
            bool failed = oom_reset();
            assert_true(out.failed == failed);
            tp_strbuf_free(&out);
            if (!failed) {
                break;
            }
        }
        tp_strbuf bytes = saved(first, 0, 0);
        for (unsigned n = 1;; n++) {
            tp_cache *second = fresh(200, exact == 1, 2);
            uint64_t entries = 0;
            oom_fail_at(n);
            int32_t status = load(second, &bytes, 0, &entries);
            bool failed = oom_reset();
            assert_true(failed || (status == TRIGPERF_OK && entries == 100));
            assert_true(status == TRIGPERF_E_NOMEM || status == TRIGPERF_OK);
            assert_false(has(second, &call, 1000));
            tp_cache_free(second);
            if (!failed) {
                break;
            }
        }
        tp_strbuf_free(&bytes);
        tp_cache_free(first);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_times_go_on_by_the_wall),
        cmocka_unit_test(test_validators),
        cmocka_unit_test(test_forgetting_reaches_what_was_loaded),
        cmocka_unit_test(test_no_capacity),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_forms_that_do_not_fit),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
