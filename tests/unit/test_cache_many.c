/* Many keys at once: as one by one, whatever the size and the form of the cache. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache_many.h"
#include "core/cache_quick.h"
#include "prng.h"

#define MANY 300u

typedef struct keys {
    uint64_t numbers[MANY];
    const char *at[MANY];
    uint64_t lengths[MANY];
    int32_t verdicts[MANY];
} keys;

static tp_cache *fresh(uint64_t capacity, tp_cache_policy policy, bool exact) {
    tp_cache *cache = NULL;
    tp_cache_options options = {.capacity = capacity, .policy = policy, .exact = exact};
    tp_wide_key_seed(&options.key, 3);
    assert_int_equal(tp_cache_new(&options, &cache, NULL), TRIGPERF_OK);
    return cache;
}

static void choose_keys(keys *k, uint64_t *seed, uint32_t range) {
    for (uint32_t i = 0; i < MANY; i++) {
        k->numbers[i] = prng_below(seed, range);
        k->at[i] = (const char *)&k->numbers[i];
        k->lengths[i] = 8;
    }
}

/* The verdict of a key follows from the key. */
static int32_t verdict_of(uint64_t number) {
    return (int32_t)(number * 40503u >> 3 & 0xFFFF);
}

/* Looks up all keys, and keeps the verdicts of those that are missed. */
static uint32_t compute_all(tp_cache *cache, const tp_cache_call *call, keys *k, uint32_t count) {
    tp_cache_block blocks[2];
    uint32_t hits = 0;
    tp_cache_block_take(&blocks[0], k->at, k->lengths, count);
    for (uint32_t i = 0, n = 0; i < count; i += TP_CACHE_AT_ONCE, n = 1 - n) {
        tp_cache_block *block = &blocks[n];
        uint32_t next = i + block->count;
        tp_cache_block_take(&blocks[1 - n], k->at + next, k->lengths + next, count - next);
        hits += tp_cache_get_many(cache, call, block, &blocks[1 - n], k->verdicts + i);
        for (uint32_t m = 0; m < block->missed; m++) {
            uint32_t at = i + block->which[m];
            assert_true(k->verdicts[at] < 0);
            assert_ptr_equal(block->miss[block->which[m]].probe.bytes, k->at[at]);
            tp_cache_fill(cache, call, &block->miss[block->which[m]],
                          (uint32_t)verdict_of(k->numbers[at]));
        }
    }
    return hits;
}

static uint32_t wrong(const keys *k, uint32_t count) {
    uint32_t number = 0;
    for (uint32_t i = 0; i < count; i++) {
        number += k->verdicts[i] >= 0 && k->verdicts[i] != verdict_of(k->numbers[i]);
    }
    return number;
}

static void test_as_one_by_one(void **state) {
    (void)state;
    static const uint64_t capacities[] = {0, 16, 1000, 200000};
    for (int form = 0; form < 12; form++) {
        uint64_t capacity = capacities[form % 4];
        tp_cache *cache =
            fresh(capacity, form / 4 == 1 ? TP_CACHE_LRU : TP_CACHE_S3FIFO, form / 4 == 2);
        tp_cache_call call = {0, 0, 64};
        uint64_t seed = (uint64_t)form;
        keys k;
        uint32_t found = 0;
        for (int round = 0; round < 300; round++) {
            choose_keys(&k, &seed, 3000);
            uint32_t count = prng_below(&seed, MANY + 1);
            uint32_t hits = compute_all(cache, &call, &k, count);
            assert_int_equal(wrong(&k, count), 0);
            for (uint32_t i = 0; i < count; i++) {
                hits -= k.verdicts[i] >= 0;
                found += tp_cache_get(cache, &call, k.at[i], 8, NULL) >= 0;
            }
            assert_int_equal(hits, 0);
        }
        tp_cache_figures figures;
        tp_cache_figures_get(cache, &figures);
        assert_true(capacity > 0 || found == 0);
        assert_true(capacity < 100000 || figures.entries == 3000);
        assert_true(figures.entries <= figures.capacity);
        tp_cache_free(cache);
    }
}

/* A full table, larger than what is near: what is there is found, and what is not is kept. */
static void test_a_full_table(void **state) {
    (void)state;
    tp_cache *cache = fresh(80000, TP_CACHE_S3FIFO, false);
    tp_cache_call call = {0, 0, 64};
    uint64_t seed = 1;
    keys k;
    for (int round = 0; round < 3000; round++) {
        choose_keys(&k, &seed, 400000);
        compute_all(cache, &call, &k, MANY);
        assert_int_equal(wrong(&k, MANY), 0);
        uint32_t kept = 0;
        for (uint32_t i = MANY - 32; i < MANY; i++) {
            kept += tp_cache_get(cache, &call, k.at[i], 8, NULL) == verdict_of(k.numbers[i]);
        }
        assert_in_range(kept, 30, 32);
    }
    tp_cache_figures figures;
    tp_cache_figures_get(cache, &figures);
    assert_true(figures.entries > 79900 && figures.evictions > 500000);
    tp_cache_free(cache);
}

static void test_a_table_that_is_replaced(void **state) {
    (void)state;
    tp_cache *cache = fresh(80000, TP_CACHE_S3FIFO, false);
    tp_cache_call call = {0, 0, 64};
    uint64_t seed = 2;
    keys k;
    choose_keys(&k, &seed, 1u << 31);
    assert_int_equal(compute_all(cache, &call, &k, MANY), 0);
    assert_int_equal(tp_cache_resize(cache, &call, 1000, NULL), TRIGPERF_OK);
    assert_int_equal(compute_all(cache, &call, &k, MANY), MANY);
    assert_int_equal(tp_cache_resize(cache, &call, 0, NULL), TRIGPERF_OK);
    assert_int_equal(compute_all(cache, &call, &k, MANY), 0);
    tp_cache_free(cache);
}

typedef struct crowd {
    tp_cache *cache;
    uintptr_t number;
    uint32_t wrong;
} crowd;

static void *mingle(void *argument) {
    crowd *c = argument;
    uint64_t seed = c->number;
    tp_cache_call call = {0, 0, c->number * 64};
    keys k;
    for (uint32_t i = 0; i < 400; i++) {
        choose_keys(&k, &seed, 1000 + prng_below(&seed, 200000));
        compute_all(c->cache, &call, &k, MANY);
        c->wrong += wrong(&k, MANY);
        tp_cache_invalidate(c->cache, &call, k.at[0], 8);
        if (c->number == 1 && i % 50 == 0) {
            tp_cache_resize(c->cache, &call, i % 100 == 0 ? 70000 : 3000, NULL);
        }
    }
    return NULL;
}

static void test_many_threads(void **state) {
    (void)state;
    tp_cache *cache = fresh(3000, TP_CACHE_S3FIFO, false);
    pthread_t threads[3];
    crowd members[3];
    for (uintptr_t i = 0; i < 3; i++) {
        members[i] = (crowd){cache, i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, mingle, &members[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(members[i].wrong, 0);
    }
    tp_cache_figures figures;
    tp_cache_figures_get(cache, &figures);
    assert_int_equal(figures.hits + figures.misses, 3 * 400 * MANY);
    tp_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_one_by_one),
        cmocka_unit_test(test_a_full_table),
        cmocka_unit_test(test_a_table_that_is_replaced),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
