/* Rate limits on the trailing edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limiter.h"
#include "oom.h"

static const char *const names[] = {"id"};
static const tp_table calls = {"calls", 1, 1, names};

/* A key as the window has it. */
static tp_key *make_key(const char *bytes, uint64_t arrival, uint32_t interval_ms) {
    size_t length = strlen(bytes);
    tp_key *key = calloc(1, sizeof *key + length + 1);
    assert_non_null(key);
    key->hash = length * 77;
    key->arrival = arrival;
    key->interval_ms = interval_ms;
    key->length = (uint32_t)length;
    memcpy(key->bytes, bytes, length);
    return key;
}

static tp_delta *make_delta(tp_coalescer *from, const char *tuple, uint64_t count) {
    uint32_t length = (uint32_t)strlen(tuple);
    assert_true(tp_coalescer_reserve(from, 1, length));
    tp_delta *delta = tp_coalescer_add(from, &calls, tuple, length, length);
    tp_delta_merge(delta, &(tp_addition){count, 5, 6, TP_OP_UPDATE});
    return delta;
}

static void deliver(tp_limiter *limiter, const char *bytes, uint64_t now, uint32_t interval_ms) {
    tp_key *key = make_key(bytes, 1, interval_ms);
    uint32_t limit = tp_limiter_find(limiter, key);
    if (limit == TP_LIMIT_NONE) {
        limit = tp_limiter_add(limiter, key, now);
    }
    assert_int_not_equal(limit, TP_LIMIT_NONE);
    assert_false(tp_limiter_is_early(limiter, limit, now));
    tp_limiter_delivered(limiter, limit, now, interval_ms);
    free(key);
}

static void hold(tp_limiter *limiter, const char *bytes, uint64_t arrival, const tp_delta *delta) {
    tp_key *key = make_key(bytes, arrival, 0);
    uint32_t limit = tp_limiter_find(limiter, key);
    assert_int_not_equal(limit, TP_LIMIT_NONE);
    tp_limiter_announce_none(limiter, limit);
    if (delta != NULL) {
        tp_limiter_announce(limiter, limit, delta);
    }
    assert_true(tp_limiter_make_room(limiter, limit));
    tp_limiter_hold(limiter, limit, key);
    if (delta != NULL) {
        tp_limiter_hold_delta(limiter, limit, delta);
    }
    free(key);
}

static bool is_early(tp_limiter *limiter, const char *bytes, uint64_t now) {
    tp_key *key = make_key(bytes, 1, 0);
    uint32_t limit = tp_limiter_find(limiter, key);
    free(key);
    return limit != TP_LIMIT_NONE && tp_limiter_is_early(limiter, limit, now);
}

static void test_early_until_the_interval_has_passed(void **state) {
    (void)state;
    tp_limiter *limiter = tp_limiter_new();
    assert_false(is_early(limiter, "a", 100));
    deliver(limiter, "a", 100, 50);
    assert_true(is_early(limiter, "a", 100));
    assert_true(is_early(limiter, "a", 149));
    assert_false(is_early(limiter, "a", 150));
    assert_false(is_early(limiter, "b", 100));
    assert_int_equal(tp_limiter_deadline(limiter), UINT64_MAX);
    assert_int_equal(tp_limiter_arrival(limiter), UINT64_MAX);
    tp_limiter_free(limiter);
}

static void test_holds_and_releases(void **state) {
    (void)state;
    tp_limiter *limiter = tp_limiter_new();
    tp_coalescer deltas = {0};
    deliver(limiter, "a", 100, 50);
    hold(limiter, "a", 7, make_delta(&deltas, "one", 2));
    hold(limiter, "a", 9, make_delta(&deltas, "three", 1));
    hold(limiter, "a", 10, tp_coalescer_next(&deltas, NULL));
    assert_true(is_early(limiter, "a", 1000));
    assert_int_equal(tp_limiter_deadline(limiter), 150);
    assert_int_equal(tp_limiter_arrival(limiter), 7);
    assert_int_equal(tp_limiter_held_keys(limiter), 1);
    assert_int_equal(tp_limiter_held_changes(limiter), 2);
    assert_null(tp_limiter_due(limiter, 149));
    tp_limit *limit = tp_limiter_due(limiter, 150);
    uint32_t length = 0;
    assert_memory_equal(tp_limit_key(limit, &length), "a", 1);
    assert_int_equal(length, 1);
    assert_int_equal(tp_limit_interval(limit), 50);
    assert_int_equal(tp_limit_arrival(limit), 7);
    tp_delta *delta = tp_limit_next(limit, NULL);
    assert_int_equal(delta->count, 4);
    assert_int_equal(delta->lsn, 6);
    delta = tp_limit_next(limit, delta);
    assert_int_equal(delta->count, 1);
    assert_null(tp_limit_next(limit, delta));
    assert_true(tp_limiter_bytes(limiter) > 0);
    tp_limiter_release(limiter, limit);
    assert_false(is_early(limiter, "a", 0));
    assert_int_equal(tp_limiter_bytes(limiter), 0);
    assert_int_equal(tp_limiter_held_changes(limiter), 0);
    assert_int_equal(tp_limiter_arrival(limiter), UINT64_MAX);
    tp_coalescer_free(&deltas);
    tp_limiter_free(limiter);
}

static void test_due_in_order_of_time(void **state) {
    (void)state;
    tp_limiter *limiter = tp_limiter_new();
    static const char *const keys[] = {"a", "bb", "ccc", "dddd"};
    static const uint32_t intervals[] = {300, 100, 400, 200};
    static const char *const order[] = {"bb", "dddd", "a", "ccc"};
    for (int i = 0; i < 4; i++) {
        deliver(limiter, keys[i], 1000, intervals[i]);
        hold(limiter, keys[i], (uint64_t)(4 - i), NULL);
    }
    assert_int_equal(tp_limiter_arrival(limiter), 1);
    for (int i = 0; i < 4; i++) {
        uint32_t length = 0;
        tp_limit *limit = tp_limiter_due(limiter, UINT64_MAX);
        assert_memory_equal(tp_limit_key(limit, &length), order[i], strlen(order[i]));
        tp_limiter_release(limiter, limit);
    }
    assert_null(tp_limiter_due(limiter, UINT64_MAX));
    tp_limiter_free(limiter);
}

static void test_forgets_idle_keys(void **state) {
    (void)state;
    tp_limiter *limiter = tp_limiter_new();
    char key[16];
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key:%u", i);
        deliver(limiter, key, 0, i + 1);
    }
    hold(limiter, "key:7", 1, NULL);
    assert_true(tp_limiter_expire(limiter, 500, UINT64_MAX, 100));
    assert_int_equal(tp_limiter_idle_keys(limiter), 899);
    assert_false(tp_limiter_expire(limiter, 500, UINT64_MAX, 1000));
    assert_int_equal(tp_limiter_idle_keys(limiter), 500);
    assert_int_equal(tp_limiter_held_keys(limiter), 1);
    assert_true(is_early(limiter, "key:999", 500));
    assert_false(tp_limiter_expire(limiter, 1000, UINT64_MAX, 1000));
    assert_int_equal(tp_limiter_idle_keys(limiter), 0);
    tp_limiter_release(limiter, tp_limiter_due(limiter, 1000));
    assert_int_equal(tp_limiter_bytes(limiter), 0);
    tp_limiter_free(limiter);
}

static void test_forgets_the_next_due_when_idle_keys_need_too_much(void **state) {
    (void)state;
    tp_limiter *limiter = tp_limiter_new();
    char key[16];
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key:%u", i);
        deliver(limiter, key, 0, 1000000 + i);
    }
    uint64_t before = tp_limiter_bytes(limiter);
    assert_false(tp_limiter_expire(limiter, 1, before / 2, 10000));
    assert_true(tp_limiter_bytes(limiter) <= before / 2);
    assert_true(tp_limiter_idle_keys(limiter) > 400);
    assert_false(is_early(limiter, "key:0", 1));
    assert_true(is_early(limiter, "key:999", 1));
    tp_limiter_free(limiter);
}

static void test_longest_interval_counts(void **state) {
    (void)state;
    tp_limiter *limiter = tp_limiter_new();
    deliver(limiter, "a", 0, 100);
    deliver(limiter, "a", 100, 0);
    assert_true(is_early(limiter, "a", 199));
    deliver(limiter, "b", UINT64_MAX - 10, 100);
    assert_true(is_early(limiter, "b", UINT64_MAX - 1));
    tp_limiter_free(limiter);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_limiter *limiter = tp_limiter_new();
        tp_key *key = make_key("a", 1, 10);
        oom_fail_at(n);
        uint32_t limit = tp_limiter_add(limiter, key, 0);
        bool failed = oom_reset();
        assert_int_equal(limit == TP_LIMIT_NONE, failed);
        assert_int_equal(tp_limiter_idle_keys(limiter), failed ? 0 : 1);
        assert_int_equal(tp_limiter_find(limiter, key), limit);
        free(key);
        tp_limiter_free(limiter);
        if (!failed) {
            assert_true(n > 6);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_early_until_the_interval_has_passed),
        cmocka_unit_test(test_holds_and_releases),
        cmocka_unit_test(test_due_in_order_of_time),
        cmocka_unit_test(test_forgets_idle_keys),
        cmocka_unit_test(test_forgets_the_next_due_when_idle_keys_need_too_much),
        cmocka_unit_test(test_longest_interval_counts),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
