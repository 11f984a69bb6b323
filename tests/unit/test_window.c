/* Staging and committing changes and keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/window.h"
#include "oom.h"

static const char *const names[] = {"user_id", "id"};
static const tp_table calls = {"calls", 1, 2, names};
static const tp_table other = {"other", 2, 2, names};

static tp_window *fresh(void) {
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_window *window = tp_window_new(&key);
    assert_non_null(window);
    return window;
}

static void stage(tp_window *window, const tp_table *table, const char *id) {
    const tp_value values[] = {{"7", 1}, {id, (uint32_t)strlen(id)}};
    assert_int_equal(tp_window_stage(window, table, values, NULL), TRIGPERF_OK);
}

static bool try_key(tp_window *window, const char *key, uint64_t arrival) {
    tp_staged_key staged = {key, (uint32_t)strlen(key), 0, 3, arrival, 0};
    return tp_window_stage_key(window, &staged);
}

static void key(tp_window *window, const char *name, uint64_t arrival) {
    assert_true(try_key(window, name, arrival));
}

static void commit(tp_window *window, uint64_t arrival, uint8_t op) {
    tp_addition addition = {1, arrival, 0, op};
    assert_true(tp_window_commit(window, &addition, op));
}

static void assert_refs(const tp_window *window, const tp_delta *delta, const char *expected) {
    char text[64] = "";
    const tp_ref *refs = tp_window_refs(window, delta);
    for (uint32_t i = 0; i < delta->ref_count; i++) {
        assert_int_equal(refs[i].fence_slot, 3);
        strcat(text, tp_window_key(window, refs[i].key)->bytes);
    }
    assert_string_equal(text, expected);
}

static void test_empty(void **state) {
    (void)state;
    tp_window *window = fresh();
    assert_int_equal(tp_window_weight(window), 0);
    assert_int_equal(tp_window_arrival(window), UINT64_MAX);
    assert_int_equal(tp_window_bytes(window), 0);
    assert_null(tp_window_next_delta(window, NULL));
    assert_null(tp_window_next_key(window, NULL));
    tp_window_free(window);
}

static void test_a_change_and_its_keys(void **state) {
    (void)state;
    tp_window *window = fresh();
    stage(window, &calls, "9");
    assert_null(tp_window_match(window));
    key(window, "a", 5);
    key(window, "b", 5);
    assert_int_equal(tp_window_staged_weight(window), 2);
    commit(window, 5, TP_OP_INSERT);
    assert_int_equal(tp_window_weight(window), 2);
    assert_int_equal(tp_window_arrival(window), 5);
    tp_delta *delta = tp_window_match(window);
    assert_non_null(delta);
    assert_refs(window, delta, "ab");
    assert_int_equal(delta->expanded, TP_OP_INSERT);
    assert_int_equal(tp_window_staged_weight(window), 0);
    tp_window_free(window);
}

static void test_another_operation_adds_keys(void **state) {
    (void)state;
    tp_window *window = fresh();
    stage(window, &calls, "9");
    key(window, "a", 5);
    commit(window, 5, TP_OP_INSERT);
    stage(window, &other, "9");
    key(window, "c", 6);
    commit(window, 6, TP_OP_INSERT);
    stage(window, &calls, "9");
    key(window, "a", 7);
    key(window, "b", 7);
    assert_int_equal(tp_window_staged_weight(window), 1);
    commit(window, 7, TP_OP_DELETE);
    tp_delta *delta = tp_window_match(window);
    assert_refs(window, delta, "ab");
    assert_int_equal(delta->ops, TP_OP_INSERT | TP_OP_DELETE);
    assert_int_equal(delta->expanded, TP_OP_INSERT | TP_OP_DELETE);
    assert_int_equal(delta->arrival, 5);
    assert_int_equal(tp_window_delta_count(window), 2);
    assert_int_equal(tp_window_key_count(window), 3);
    tp_window_free(window);
}

static void test_a_change_without_keys_weighs_one(void **state) {
    (void)state;
    tp_window *window = fresh();
    stage(window, &calls, "9");
    assert_int_equal(tp_window_staged_weight(window), 1);
    commit(window, 5, TP_OP_INSERT);
    assert_int_equal(tp_window_staged_weight(window), 0);
    assert_int_equal(tp_window_weight(window), 1);
    commit(window, 6, TP_OP_UPDATE);
    assert_int_equal(tp_window_weight(window), 1);
    stage(window, &calls, "9");
    key(window, "a", 7);
    commit(window, 7, TP_OP_DELETE);
    assert_int_equal(tp_window_weight(window), 1);
    assert_int_equal(tp_window_key_count(window), 1);
    stage(window, &other, "9");
    commit(window, 8, TP_OP_DELETE);
    assert_int_equal(tp_window_weight(window), 2);
    tp_window_clear(window);
    assert_int_equal(tp_window_weight(window), 0);
    assert_int_equal(tp_window_arrival(window), UINT64_MAX);
    assert_int_equal(tp_window_bytes(window), 0);
    tp_window_free(window);
}

static void test_keys_alone(void **state) {
    (void)state;
    tp_window *window = fresh();
    tp_window_stage_nothing(window);
    key(window, "a", 3);
    assert_null(tp_window_match(window));
    commit(window, 3, 0);
    assert_int_equal(tp_window_delta_count(window), 0);
    assert_int_equal(tp_window_weight(window), 1);
    assert_int_equal(tp_window_arrival(window), 3);
    tp_window_free(window);
}

static void test_knows_its_keys(void **state) {
    (void)state;
    tp_window *window = fresh();
    assert_false(tp_window_has_key(window, "a", 1));
    tp_window_stage_nothing(window);
    key(window, "a", 1);
    assert_false(tp_window_has_key(window, "a", 1)); /* staged is not yet in */
    commit(window, 1, 0);
    assert_true(tp_window_has_key(window, "a", 1));
    assert_false(tp_window_has_key(window, "b", 1));
    assert_false(tp_window_has_key(window, "aa", 2));
    tp_window_clear(window);
    assert_false(tp_window_has_key(window, "a", 1));
    tp_window_free(window);
}

static void test_keys_keep_the_oldest_arrival_and_the_longest_interval(void **state) {
    (void)state;
    tp_window *window = fresh();
    tp_staged_key staged = {"a", 1, 50, 0, 9, 0};
    tp_window_stage_nothing(window);
    assert_true(tp_window_stage_key(window, &staged));
    commit(window, 9, 0);
    staged.arrival = 4;
    staged.interval_ms = 20;
    tp_window_stage_nothing(window);
    assert_true(tp_window_stage_key(window, &staged));
    commit(window, 4, 0);
    const tp_key *found = tp_window_next_key(window, NULL);
    assert_int_equal(found->arrival, 4);
    assert_int_equal(found->interval_ms, 50);
    assert_int_equal(tp_window_arrival(window), 4);
    tp_window_free(window);
}

static void test_staged_change_survives_clear(void **state) {
    (void)state;
    tp_window *window = fresh();
    stage(window, &calls, "1");
    key(window, "a", 1);
    commit(window, 1, TP_OP_INSERT);
    stage(window, &calls, "2");
    key(window, "a", 2);
    key(window, "b", 2);
    assert_int_equal(tp_window_staged_weight(window), 1);
    tp_window_clear(window);
    assert_int_equal(tp_window_staged_weight(window), 2);
    commit(window, 2, TP_OP_INSERT);
    assert_refs(window, tp_window_match(window), "ab");
    tp_window_free(window);
}

static void test_forgotten_expansions(void **state) {
    (void)state;
    tp_window *window = fresh();
    stage(window, &calls, "1");
    commit(window, 1, TP_OP_INSERT);
    tp_window_forget_expansions(window);
    assert_int_equal(tp_window_match(window)->expanded, 0);
    assert_int_equal(tp_window_match(window)->ops, TP_OP_INSERT);
    tp_window_free(window);
}

/* A window of n changes, each with a key of its own and one that all have. */
static tp_window *filled(uint32_t n, const tp_fence *fence) {
    tp_window *window = fresh();
    for (uint32_t i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        stage(window, &calls, id);
        tp_staged_key own = {id, (uint32_t)strlen(id), 0, tp_fence_slot(fence, id, strlen(id)), 1,
                             0};
        tp_staged_key shared = {"all", 3, 0, tp_fence_slot(fence, "all", 3), 1, 0};
        assert_true(tp_window_stage_key(window, &own) && tp_window_stage_key(window, &shared));
        commit(window, i, TP_OP_UPDATE);
    }
    return window;
}

static tp_fence *small_fence(void) {
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_fence *fence = tp_fence_new(65536, &key);
    assert_non_null(fence);
    return fence;
}

/* Hints change nothing, whatever they are about. */
static void test_looking_ahead(void **state) {
    (void)state;
    tp_fence *fence = small_fence();
    tp_window *window = filled(4095, fence);
    assert_false(tp_window_is_large(window));
    stage(window, &calls, "4095");
    commit(window, 4095, TP_OP_UPDATE);
    assert_true(tp_window_is_large(window));
    char long_text[600];
    memset(long_text, 'x', sizeof long_text);
    uint64_t token = tp_fence_begin(fence);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 2 * TP_WINDOW_AHEAD; i++) {
            char id[16];
            snprintf(id, sizeof id, "%u", 4070 + i); /* most of them are not there */
            const tp_value values[] = {{"7", 1}, {id, (uint32_t)strlen(id)}};
            const tp_value long_values[] = {{"7", 1}, {long_text, sizeof long_text}};
            tp_window_foresee(window, i % 5 == 4 ? &other : &calls, values);
            tp_window_foresee(window, &calls, long_values);
        }
        tp_window_approach(window, round == 0 ? NULL : fence);
        tp_window_approach(window, fence);
    }
    assert_int_equal(tp_window_delta_count(window), 4096);
    assert_true(tp_fence_check(fence, token, "all", 3));
    stage(window, &calls, "4090");
    assert_non_null(tp_window_match(window));
    stage(window, &calls, "5000");
    assert_null(tp_window_match(window));
    tp_window_foresee(window, &calls, (const tp_value[]){{"7", 1}, {"4090", 4}});
    tp_window_clear(window);
    tp_window_approach(window, fence);
    tp_window_free(window);
    tp_fence_free(fence);
}

static void test_marks_the_fence(void **state) {
    (void)state;
    tp_fence *fence = small_fence();
    tp_window *window = filled(3, fence);
    uint64_t token = tp_fence_begin(fence);
    tp_fence_marks marks = {.count = 0};
    tp_window_mark(window, tp_window_next_delta(window, NULL), NULL, &marks);
    assert_int_equal(marks.count, 0);
    tp_window_mark(window, tp_window_next_delta(window, NULL), fence, &marks);
    tp_fence_write(fence, &marks);
    assert_false(tp_fence_check(fence, token, "0", 1));
    assert_false(tp_fence_check(fence, token, "all", 3));
    assert_true(tp_fence_check(fence, token, "1", 1));
    token = tp_fence_begin(fence);
    stage(window, &calls, "0");
    tp_window_mark_staged(window, fence, &marks);
    assert_int_equal(marks.count, 0);
    tp_staged_key other_key = {"1", 1, 0, tp_fence_slot(fence, "1", 1), 1, 0};
    assert_true(tp_window_stage_key(window, &other_key));
    tp_window_mark_staged(window, NULL, &marks);
    assert_int_equal(marks.count, 0);
    tp_window_mark_staged(window, fence, &marks);
    tp_fence_write(fence, &marks);
    assert_false(tp_fence_check(fence, token, "1", 1));
    assert_true(tp_fence_check(fence, token, "all", 3));
    tp_window_free(window);
    tp_fence_free(fence);
}

static void test_values_too_long(void **state) {
    (void)state;
    tp_window *window = fresh();
    trigperf_error *err = NULL;
    const tp_value values[] = {{"x", 1u << 30}, {"x", 1}};
    assert_int_equal(tp_window_stage(window, &calls, values, &err), TRIGPERF_E_LIMIT);
    assert_non_null(strstr(trigperf_error_message(err), "calls"));
    trigperf_error_free(err);
    tp_window_free(window);
}

static bool add_once(tp_window *window) {
    const tp_value values[] = {{"7", 1},
                               {"a longer value than fits into the first block of memory", 55}};
    tp_addition addition = {1, 8, 0, TP_OP_UPDATE};
    return tp_window_stage(window, &other, values, NULL) == TRIGPERF_OK &&
           try_key(window, "first", 8) && try_key(window, "second", 8) &&
           tp_window_commit(window, &addition, TP_OP_UPDATE);
}

static void test_out_of_memory_changes_nothing(void **state) {
    (void)state;
    unsigned n = 1;
    for (;; n++) {
        tp_window *window = fresh();
        stage(window, &calls, "1");
        key(window, "a", 1);
        commit(window, 1, TP_OP_INSERT);
        oom_fail_at(n);
        bool fine = add_once(window);
        bool failed = oom_reset();
        assert_int_equal(fine, !failed);
        assert_int_equal(tp_window_delta_count(window), failed ? 1 : 2);
        assert_int_equal(tp_window_key_count(window), failed ? 1 : 3);
        assert_true(failed ? add_once(window) : true);
        assert_int_equal(tp_window_weight(window), 3);
        tp_window_free(window);
        if (!failed) {
            break;
        }
    }
    assert_true(n > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_a_change_and_its_keys),
        cmocka_unit_test(test_another_operation_adds_keys),
        cmocka_unit_test(test_a_change_without_keys_weighs_one),
        cmocka_unit_test(test_keys_alone),
        cmocka_unit_test(test_knows_its_keys),
        cmocka_unit_test(test_keys_keep_the_oldest_arrival_and_the_longest_interval),
        cmocka_unit_test(test_staged_change_survives_clear),
        cmocka_unit_test(test_forgotten_expansions),
        cmocka_unit_test(test_looking_ahead),
        cmocka_unit_test(test_marks_the_fence),
        cmocka_unit_test(test_values_too_long),
        cmocka_unit_test(test_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
