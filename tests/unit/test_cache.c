/* The verdict cache as a whole: one thread against models, then many threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache_quick.h"
#include "effort.h"
#include "oom.h"
#include "prng.h"

static tp_cache_options options_for(uint64_t capacity) {
    tp_cache_options options = {.capacity = capacity};
    tp_wide_key_seed(&options.key, 1);
    return options;
}

static tp_cache *made(const tp_cache_options *options) {
    tp_cache *cache = NULL;
    assert_int_equal(tp_cache_new(options, &cache, NULL), TRIGPERF_OK);
    return cache;
}

static tp_cache *fresh(uint64_t capacity) {
    tp_cache_options options = options_for(capacity);
    return made(&options);
}

static tp_cache_call call_at(uint32_t validator, uint64_t now_ms) {
    return (tp_cache_call){validator, now_ms, 1};
}

static void put(tp_cache *cache, const tp_cache_call *call, const char *key, uint32_t verdict,
                int64_t ttl_ms) {
    assert_int_equal(tp_cache_put(cache, call, key, strlen(key), verdict, ttl_ms, NULL),
                     TRIGPERF_OK);
}

/* As the calls of the library do it: by a glance first, but now and then the long way. */
static int32_t look(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                    tp_cache_miss *miss) {
    static _Atomic uint32_t turn;
    tp_cache_miss here;
    tp_cache_miss *m = miss == NULL ? &here : miss;
    if (atomic_fetch_add(&turn, 1) % 8 == 0) {
        return tp_cache_get(cache, call, key, length, m);
    }
    int32_t found =
        tp_cache_glance(cache, call->validator, call->thread, key, length, &m->table, &m->probe);
    if (found == TP_CACHE_ABSENT) {
        m->ticket = atomic_load(tp_cache_ticket_of(cache, &m->probe));
        tp_lanes_count(&cache->lanes, call->thread, TP_LANE_MISSES, 1);
    }
    return found == TP_CACHE_UNSURE ? tp_cache_get(cache, call, key, length, m) : found;
}

static void fill(tp_cache *cache, const tp_cache_call *call, const tp_cache_miss *miss,
                 uint32_t verdict) {
    if (tp_cache_fill_quick(cache, miss, verdict)) {
        tp_lanes_count(&cache->lanes, call->thread, TP_LANE_REPLACED, 1);
    } else {
        tp_cache_fill(cache, call, miss, verdict);
    }
}

static int32_t get(tp_cache *cache, const tp_cache_call *call, const char *key) {
    return look(cache, call, key, strlen(key), NULL);
}

static tp_cache_figures figures_of(const tp_cache *cache) {
    tp_cache_figures figures;
    tp_cache_figures_get(cache, &figures);
    return figures;
}

static void test_put_and_get(void **state) {
    (void)state;
    tp_cache *cache = fresh(100);
    tp_cache_call call = call_at(0, 0);
    assert_int_equal(get(cache, &call, "a"), -1);
    put(cache, &call, "a", 7, 0);
    assert_int_equal(get(cache, &call, "a"), 7);
    put(cache, &call, "a", 65535, 0);
    assert_int_equal(get(cache, &call, "a"), 65535);
    tp_cache_call other = call_at(1, 0);
    assert_int_equal(get(cache, &other, "a"), -1);
    assert_true(tp_cache_invalidate(cache, &call, "a", 1));
    assert_false(tp_cache_invalidate(cache, &call, "a", 1));
    assert_int_equal(get(cache, &call, "a"), -1);
    put(cache, &call, "", 3, 0);
    assert_int_equal(get(cache, &call, ""), 3);
    tp_cache_figures figures = figures_of(cache);
    assert_int_equal(figures.hits, 3);
    assert_int_equal(figures.misses, 3);
    assert_int_equal(figures.insertions, 2);
    assert_int_equal(figures.invalidations, 1);
    assert_int_equal(figures.entries, 1);
    assert_int_equal(figures.capacity, 112);
    tp_cache_free(cache);
}

static void test_huge_keys(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        tp_cache_options options = options_for(100);
        options.exact = exact == 1;
        tp_cache *cache = made(&options);
        tp_cache_call call = call_at(0, 0);
        char *key = calloc(1, 1048576);
        assert_int_equal(tp_cache_put(cache, &call, key, 1048576, 9, 0, NULL), TRIGPERF_OK);
        assert_int_equal(look(cache, &call, key, 1048576, NULL), 9);
        key[1048575] = 1;
        assert_int_equal(look(cache, &call, key, 1048576, NULL), -1);
        free(key);
        tp_cache_free(cache);
    }
}

static void test_time_to_live(void **state) {
    (void)state;
    tp_cache *cache = fresh(100);
    tp_cache_call call = call_at(0, 1000);
    assert_false(tp_cache_is_timed(cache));
    put(cache, &call, "a", 1, 500);
    put(cache, &call, "b", 2, -1);
    assert_true(tp_cache_is_timed(cache));
    call.now_ms = 1499;
    assert_int_equal(get(cache, &call, "a"), 1);
    call.now_ms = 1520;
    assert_int_equal(get(cache, &call, "a"), -1);
    call.now_ms = 1100; /* the clock goes backwards: as if that time had come again */
    assert_int_equal(get(cache, &call, "a"), 1);
    put(cache, &call, "c", 3, 1000);
    call.now_ms = 10;
    put(cache, &call, "c", 4, 1000);
    assert_int_equal(get(cache, &call, "c"), 4);
    call.now_ms = UINT64_C(1) << 33; /* 2^23 seconds on */
    assert_int_equal(get(cache, &call, "c"), -1);
    assert_int_equal(get(cache, &call, "b"), 2);
    call.now_ms = UINT64_C(1000) << 32; /* 2^32 seconds */
    put(cache, &call, "d", 5, 1000);
    assert_int_equal(get(cache, &call, "d"), 5);
    assert_int_equal(get(cache, &call, "b"), 2);
    call.now_ms += 1100;
    assert_int_equal(get(cache, &call, "d"), -1);
    put(cache, &call, "e", 6, INT64_MAX);
    call.now_ms *= 2;
    assert_int_equal(get(cache, &call, "e"), 6);
    tp_cache_free(cache);
}

static void test_default_times_and_jitter(void **state) {
    (void)state;
    tp_cache_options options = options_for(4000);
    options.ttl_ms = 100000;
    options.ttl_jitter = 50;
    tp_cache *cache = made(&options);
    assert_int_equal(tp_cache_validator_set(cache, 2, 0, 1000, NULL), TRIGPERF_OK);
    assert_int_equal(tp_cache_validator_set(cache, 3, 0, -1, NULL), TRIGPERF_OK);
    tp_cache_call call = call_at(0, 0);
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(cache, &call, key, 1, 0);
    }
    int alive = 0;
    call.now_ms = 75000;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i);
        alive += get(cache, &call, key) == 1;
    }
    assert_in_range(alive, 400, 600); /* half of them, spread evenly from 50 to 100 s */
    tp_cache_call two = call_at(2, 0);
    tp_cache_call three = call_at(3, 0);
    put(cache, &two, "x", 1, 0);
    put(cache, &three, "x", 1, 0);
    two.now_ms = three.now_ms = 1100;
    assert_int_equal(get(cache, &two, "x"), -1);
    three.now_ms = 1000000;
    assert_int_equal(get(cache, &three, "x"), 1);
    tp_cache_free(cache);
}

static void test_validators(void **state) {
    (void)state;
    tp_cache *cache = fresh(100);
    tp_cache_call one = call_at(1, 0);
    tp_cache_call two = call_at(2, 0);
    tp_cache_call last = call_at(TP_CACHE_VALIDATORS - 1, 0);
    put(cache, &one, "a", 1, 0);
    put(cache, &two, "a", 2, 0);
    put(cache, &last, "a", 3, 0);
    assert_int_equal(tp_cache_invalidate_validator(cache, 1, NULL), TRIGPERF_OK);
    assert_int_equal(get(cache, &one, "a"), -1);
    assert_int_equal(get(cache, &two, "a"), 2);
    assert_int_equal(tp_cache_validator_set(cache, 2, 9, 0, NULL), TRIGPERF_OK);
    assert_int_equal(get(cache, &two, "a"), -1);
    assert_int_equal(tp_cache_validator_set(cache, 2, 0, 0, NULL), TRIGPERF_OK);
    assert_int_equal(get(cache, &two, "a"), 2);
    assert_int_equal(get(cache, &last, "a"), 3);
    tp_cache_clear(cache, &one);
    assert_int_equal(get(cache, &two, "a"), -1);
    assert_int_equal(figures_of(cache).entries, 0);
    tp_cache_free(cache);
}

static void test_no_room(void **state) {
    (void)state;
    tp_cache *cache = fresh(0);
    tp_cache_call call = call_at(0, 0);
    tp_cache_miss miss;
    put(cache, &call, "a", 1, 0);
    assert_int_equal(look(cache, &call, "a", 1, &miss), -1);
    fill(cache, &call, &miss, 1);
    assert_int_equal(get(cache, &call, "a"), -1);
    assert_false(tp_cache_invalidate(cache, &call, "a", 1));
    tp_cache_clear(cache, &call);
    assert_int_equal(figures_of(cache).entries, 0);
    assert_int_equal(tp_cache_resize(cache, &call, 1, NULL), TRIGPERF_OK);
    put(cache, &call, "a", 1, 0);
    assert_int_equal(get(cache, &call, "a"), 1);
    assert_int_equal(tp_cache_resize(cache, &call, 0, NULL), TRIGPERF_OK);
    assert_int_equal(get(cache, &call, "a"), -1);
    assert_int_equal(figures_of(cache).entries, 0);
    tp_cache_free(cache);
}

static void test_a_fill_that_was_overtaken_is_not_kept(void **state) {
    (void)state;
    tp_cache *cache = fresh(1000);
    tp_cache_call call = call_at(5, 0);
    tp_cache_miss miss;
    look(cache, &call, "a", 1, &miss);
    fill(cache, &call, &miss, 1);
    assert_int_equal(get(cache, &call, "a"), 1);
    tp_cache_invalidate(cache, &call, "a", 1);
    look(cache, &call, "a", 1, &miss);
    tp_cache_invalidate(cache, &call, "a", 1);
    fill(cache, &call, &miss, 2);
    assert_int_equal(get(cache, &call, "a"), -1);
    look(cache, &call, "a", 1, &miss);
    tp_cache_invalidate_validator(cache, 5, NULL);
    fill(cache, &call, &miss, 3);
    assert_int_equal(get(cache, &call, "a"), -1);
    look(cache, &call, "a", 1, &miss);
    tp_cache_clear(cache, &call);
    fill(cache, &call, &miss, 4);
    assert_int_equal(get(cache, &call, "a"), -1);
    look(cache, &call, "a", 1, &miss);
    put(cache, &call, "a", 5, 0);
    fill(cache, &call, &miss, 6);
    assert_int_equal(get(cache, &call, "a"), 5);
    tp_cache_free(cache);
}

/* A few keys in a large cache: it must be an exact map, whatever is done to it. */
#define KEYS 300u

typedef struct model {
    int32_t verdict;
    uint64_t expires_ms;
    bool unsure; /* the size has changed since it was put: it may be gone */
} model;

static void check_model(const model *m, int32_t found, uint64_t now_ms) {
    bool near = m->expires_ms != UINT64_MAX && now_ms + 1 >= m->expires_ms &&
                now_ms <= m->expires_ms + 32 + m->expires_ms / 500;
    bool expected = m->verdict >= 0 && m->expires_ms > now_ms;
    if (!near && !(m->unsure && found == -1)) {
        assert_int_equal(found, expected ? m->verdict : -1);
    }
}

static void test_it_is_a_map_while_there_is_room(void **state) {
    (void)state;
    for (int form = 0; form < 4; form++) {
        tp_cache_options options = options_for(4096);
        options.exact = form % 2 == 1;
        options.policy = form / 2 == 1 ? TP_CACHE_LRU : TP_CACHE_S3FIFO;
        tp_cache *cache = made(&options);
        tp_cache_call call = call_at(0, 0);
        static model models[KEYS];
        for (uint32_t i = 0; i < KEYS; i++) {
            models[i] = (model){-1, 0, false};
        }
        uint64_t seed = (uint64_t)form + 1;
        for (int step = 0; step < EFFORT_ROUNDS(60000); step++) {
            uint32_t number = prng_below(&seed, KEYS);
            char key[40];
            int length = snprintf(key, sizeof key, "key %.*u", 1 + (int)number % 30, number);
            model *m = &models[number];
            uint32_t dice = prng_below(&seed, 100);
            if (dice < 30) {
                int64_t ttl = dice < 10 ? (int64_t)(1 + prng_below(&seed, 5000)) : -1;
                m->verdict = (int32_t)prng_below(&seed, 65536);
                m->unsure = false;
                m->expires_ms = ttl < 0 ? UINT64_MAX : call.now_ms + (uint64_t)ttl;
                tp_cache_put(cache, &call, key, (size_t)length, (uint32_t)m->verdict, ttl, NULL);
            } else if (dice < 40) {
                tp_cache_invalidate(cache, &call, key, (size_t)length);
                m->verdict = -1;
            } else if (dice == 41 && step % 50 == 0) {
                assert_int_equal(
                    tp_cache_resize(cache, &call, 2048 + prng_below(&seed, 8000), NULL),
                    TRIGPERF_OK);
                for (uint32_t i = 0; i < KEYS; i++) {
                    models[i].unsure = true;
                }
            } else if (dice == 42 && step % 50 == 0) {
                tp_cache_sweep(cache, &call);
            } else {
                check_model(m, look(cache, &call, key, (size_t)length, NULL), call.now_ms);
            }
            call.now_ms += prng_below(&seed, 20);
        }
        tp_cache_free(cache);
    }
}

/* Whatever was evicted: what is found is what was put last. */
static void test_never_a_wrong_verdict(void **state) {
    (void)state;
    for (int form = 0; form < 4; form++) {
        tp_cache_options options = options_for(form < 2 ? 200 : 16);
        options.exact = form % 2 == 1;
        tp_cache *cache = made(&options);
        tp_cache_call call = call_at(0, 0);
        static int32_t last[2000];
        memset(last, 0xFF, sizeof last);
        uint64_t seed = 9;
        for (int step = 0; step < EFFORT_ROUNDS(200000); step++) {
            uint64_t number = prng_below(&seed, 2000);
            const char *key = (const char *)&number;
            int32_t found = look(cache, &call, key, 8, NULL);
            assert_true(found == -1 || found == last[number]);
            if (step % 3 == 0) {
                last[number] = (int32_t)prng_below(&seed, 65536);
                tp_cache_put(cache, &call, key, 8, (uint32_t)last[number], 0, NULL);
            }
            if (step % 5000 == 0) {
                tp_cache_resize(cache, &call, 1 + prng_below(&seed, 400), NULL);
            }
        }
        tp_cache_figures figures = figures_of(cache);
        assert_true(figures.entries <= 2 * 416 && figures.evictions > 0);
        tp_cache_free(cache);
    }
}

/* Against an exact LRU, on keys that come again as they do in life, and on scans. */
static double hit_ratio(tp_cache_policy policy, uint32_t capacity, int kind) {
    tp_cache_options options = options_for(capacity);
    options.policy = policy;
    tp_cache *cache = made(&options);
    tp_cache_call call = call_at(0, 0);
    uint64_t seed = 3;
    uint32_t hits = 0;
    uint32_t steps = 200000;
    for (uint32_t i = 0; i < steps; i++) {
        uint64_t range = UINT64_C(1) << (4 + prng_below(&seed, 11));
        uint64_t number = prng_next(&seed) % range;
        if (kind == 1 && i % 4 == 0) {
            number = 1000000 + i;
        } else if (kind == 2) {
            number = i % (capacity + capacity / 4);
        }
        tp_cache_miss miss;
        if (look(cache, &call, (const char *)&number, 8, &miss) >= 0) {
            hits++;
        } else {
            fill(cache, &call, &miss, 1);
        }
    }
    tp_cache_free(cache);
    return (double)hits / steps;
}

typedef struct exact_lru {
    uint64_t keys[4096];
    uint32_t count;
} exact_lru;

static double exact_ratio(uint32_t capacity, int kind) {
    static exact_lru lru;
    lru.count = 0;
    uint64_t seed = 3;
    uint32_t hits = 0;
    uint32_t steps = 200000;
    for (uint32_t i = 0; i < steps; i++) {
        uint64_t range = UINT64_C(1) << (4 + prng_below(&seed, 11));
        uint64_t number = prng_next(&seed) % range;
        if (kind == 1 && i % 4 == 0) {
            number = 1000000 + i;
        } else if (kind == 2) {
            number = i % (capacity + capacity / 4);
        }
        uint32_t at = 0;
        while (at < lru.count && lru.keys[at] != number) {
            at++;
        }
        hits += at < lru.count;
        at = at < lru.count ? at : lru.count < capacity ? lru.count++ : capacity - 1;
        memmove(lru.keys + 1, lru.keys, at * sizeof lru.keys[0]);
        lru.keys[0] = number;
    }
    return (double)hits / steps;
}

static void test_hit_ratio_against_an_exact_lru(void **state) {
    (void)state;
    static const uint32_t capacities[] = {160, 640, 2000};
    for (int kind = 0; kind < 3; kind++) {
        for (int c = 0; c < 3; c++) {
            double exact = exact_ratio(capacities[c], kind);
            double s3fifo = hit_ratio(TP_CACHE_S3FIFO, capacities[c], kind);
            double lru = hit_ratio(TP_CACHE_LRU, capacities[c], kind);
            assert_true(s3fifo >= exact - 0.006);
            assert_true(kind == 2 || (lru >= exact - 0.01 && lru <= exact + 0.01));
            assert_true(kind != 2 || s3fifo > exact + 0.15); /* a loop that just does not fit */
        }
    }
}

/* What was there before moves over, or is found where it was; in the end the old table goes. */
static void test_resize_keeps_what_is_used(void **state) {
    (void)state;
    tp_cache *cache = fresh(1000);
    tp_cache_call call = call_at(0, 0);
    for (uint64_t i = 0; i < 400; i++) {
        tp_cache_put(cache, &call, (const char *)&i, 8, (uint32_t)i, 0, NULL);
    }
    uint64_t bytes = figures_of(cache).bytes;
    assert_int_equal(tp_cache_resize(cache, &call, 5000, NULL), TRIGPERF_OK);
    for (uint64_t i = 0; i < 400; i += 2) {
        assert_int_equal(look(cache, &call, (const char *)&i, 8, NULL), i);
        assert_int_equal(look(cache, &call, (const char *)&i, 8, NULL), i);
    }
    uint64_t gone = 3;
    assert_true(tp_cache_invalidate(cache, &call, (const char *)&gone, 8));
    assert_int_equal(look(cache, &call, (const char *)&gone, 8, NULL), -1);
    uint64_t anew = 5;
    tp_cache_put(cache, &call, (const char *)&anew, 8, 999, 0, NULL);
    assert_int_equal(figures_of(cache).entries, 399);
    for (uint64_t i = 100000; i < 110000; i++) {
        look(cache, &call, (const char *)&i, 8, NULL);
    }
    assert_int_equal(look(cache, &call, (const char *)&anew, 8, NULL), 999);
    assert_int_equal(figures_of(cache).entries, 201);
    assert_true(figures_of(cache).bytes < bytes * 6);
    tp_cache_free(cache);
}

static void test_bytes_per_entry(void **state) {
    (void)state;
    static const uint64_t capacities[] = {10000, 100000, 1000000};
    for (int i = 0; i < 3; i++) {
        tp_cache *cache = fresh(capacities[i]);
        assert_true((double)figures_of(cache).bytes / (double)capacities[i] <= 17.6);
        assert_int_equal(tp_cache_invalidate_validator(cache, 1, NULL), TRIGPERF_OK);
        assert_true((double)figures_of(cache).bytes / (double)capacities[i] <= 17.6);
        tp_cache_free(cache);
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        for (unsigned n = 1;; n++) {
            tp_cache_options options = options_for(100);
            options.exact = exact == 1;
            tp_cache *cache = NULL;
            oom_fail_at(n);
            int32_t status = tp_cache_new(&options, &cache, NULL);
            tp_cache_call call = call_at(200, 0);
            status =
                status != TRIGPERF_OK ? status : tp_cache_validator_set(cache, 200, 1, 0, NULL);
            status =
                status != TRIGPERF_OK ? status : tp_cache_put(cache, &call, "a", 1, 1, 0, NULL);
            bool there = status == TRIGPERF_OK && get(cache, &call, "a") == 1;
            status = status != TRIGPERF_OK ? status : tp_cache_resize(cache, &call, 50, NULL);
            bool still = status == TRIGPERF_OK && get(cache, &call, "a") == 1;
            bool failed = oom_reset();
            assert_true(failed || (there && still));
            assert_true(status == TRIGPERF_OK || (failed && status == TRIGPERF_E_NOMEM));
            tp_cache_free(cache);
            if (!failed) {
                break;
            }
        }
    }
    tp_cache *cache = fresh(100);
    tp_cache_call call = call_at(0, 0);
    put(cache, &call, "a", 1, 0);
    oom_fail_from(1);
    assert_int_equal(tp_cache_resize(cache, &call, 50, NULL), TRIGPERF_E_NOMEM);
    assert_int_equal(tp_cache_resize(cache, &call, UINT64_C(1) << 37, NULL), TRIGPERF_E_NOMEM);
    assert_int_equal(tp_cache_invalidate_validator(cache, 9, NULL), TRIGPERF_E_NOMEM);
    assert_int_equal(get(cache, &call, "a"), 1);
    oom_reset();
    tp_cache_free(cache);
}

/* ---- threads ---- */

#define SHARED 3000u

typedef struct crowd {
    tp_cache *cache;
    uintptr_t number;
    uint32_t rounds;
    uint32_t wrong;
} crowd;

/* The verdict of a key follows from the key, so any other one is wrong. */
static uint32_t verdict_of(uint64_t number) {
    return (uint32_t)(number * 40503u >> 3 & 0xFFFF);
}

static void *mingle(void *argument) {
    crowd *c = argument;
    uint64_t seed = c->number;
    tp_cache_call call = {0, 0, c->number * 64};
    for (uint32_t i = 0; i < c->rounds; i++) {
        uint64_t number = prng_below(&seed, 1 + prng_below(&seed, SHARED));
        const char *key = (const char *)&number;
        call.now_ms = i;
        uint32_t dice = prng_below(&seed, 1000);
        tp_cache_miss miss;
        int32_t found = look(c->cache, &call, key, 8, &miss);
        c->wrong += found >= 0 && (uint32_t)found != verdict_of(number);
        if (found < 0) {
            fill(c->cache, &call, &miss, verdict_of(number));
        } else if (dice < 20) {
            tp_cache_put(c->cache, &call, key, 8, verdict_of(number), dice < 10 ? 50 : -1, NULL);
        } else if (dice < 40) {
            tp_cache_invalidate(c->cache, &call, key, 8);
        } else if (dice == 41 && c->number == 1) {
            tp_cache_invalidate_validator(c->cache, 0, NULL);
        } else if (dice == 42 && i % 8 == 0) {
            tp_cache_clear(c->cache, &call);
        } else if (dice == 43 && i % 8 == 0) {
            tp_cache_resize(c->cache, &call, 100 + prng_below(&seed, 3000), NULL);
        }
    }
    return NULL;
}

static void run_crowd(bool exact, tp_cache_policy policy) {
    tp_cache_options options = options_for(1000);
    options.exact = exact;
    options.policy = policy;
    tp_cache *cache = made(&options);
    pthread_t threads[4];
    crowd members[4];
    for (uintptr_t i = 0; i < 4; i++) {
        members[i] = (crowd){cache, i + 1, 30000, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, mingle, &members[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(members[i].wrong, 0);
    }
    tp_cache_figures figures = figures_of(cache);
    assert_int_equal(figures.hits + figures.misses, 4 * 30000);
    tp_cache_call call = call_at(0, 1000000);
    tp_cache_clear(cache, &call);
    assert_int_equal(figures_of(cache).entries, 0);
    tp_cache_free(cache);
}

static void test_many_threads(void **state) {
    (void)state;
    run_crowd(false, TP_CACHE_S3FIFO);
    run_crowd(true, TP_CACHE_S3FIFO);
    run_crowd(false, TP_CACHE_LRU);
}

/* One writer counts up; nobody may see an older verdict after the one that was put is announced. */
typedef struct ladder {
    tp_cache *cache;
    _Atomic uint32_t announced;
    atomic_bool stop;
    _Atomic uint32_t wrong;
} ladder;

static void *climb(void *argument) {
    ladder *l = argument;
    tp_cache_call call = {0, 0, 777};
    uint64_t seed = 5;
    while (!atomic_load(&l->stop)) {
        uint32_t floor = atomic_load(&l->announced);
        int32_t found = look(l->cache, &call, "step", 4, NULL);
        if (found >= 0 && (uint32_t)found < floor) {
            atomic_fetch_add(&l->wrong, 1);
        }
        uint64_t other = prng_below(&seed, 500);
        tp_cache_miss miss;
        if (look(l->cache, &call, (const char *)&other, 8, &miss) < 0) {
            fill(l->cache, &call, &miss, 1);
        }
    }
    return NULL;
}

static void test_what_was_put_last_is_seen(void **state) {
    (void)state;
    ladder l = {.cache = fresh(100)};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, climb, &l), 0);
    }
    tp_cache_call call = call_at(0, 0);
    for (uint32_t i = 1; i < 20000; i++) {
        if (i % 2 == 0) {
            tp_cache_invalidate(l.cache, &call, "step", 4);
        } else {
            put(l.cache, &call, "step", i, 0);
        }
        atomic_store(&l.announced, i);
        if (i % 1000 == 0) {
            tp_cache_resize(l.cache, &call, 50 + i % 7000 / 10, NULL);
        }
    }
    atomic_store(&l.stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&l.wrong), 0);
    tp_cache_free(l.cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_huge_keys),
        cmocka_unit_test(test_time_to_live),
        cmocka_unit_test(test_default_times_and_jitter),
        cmocka_unit_test(test_validators),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_a_fill_that_was_overtaken_is_not_kept),
        cmocka_unit_test(test_it_is_a_map_while_there_is_room),
        cmocka_unit_test(test_never_a_wrong_verdict),
        cmocka_unit_test(test_hit_ratio_against_an_exact_lru),
        cmocka_unit_test(test_resize_keeps_what_is_used),
        cmocka_unit_test(test_bytes_per_entry),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_what_was_put_last_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
