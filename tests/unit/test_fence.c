/* The safe fill, alone and with threads that mark, fill and check. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/fence.h"
#include "oom.h"

static tp_fence *fresh(uint32_t slots) {
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_fence *fence = tp_fence_new(slots, &key);
    assert_non_null(fence);
    return fence;
}

static void test_a_mark_after_the_token_fails_the_check(void **state) {
    (void)state;
    tp_fence *fence = fresh(1024);
    uint64_t token = tp_fence_begin(fence);
    assert_true(token > 0);
    assert_true(tp_fence_check(fence, token, "a", 1));
    tp_fence_mark(fence, "a", 1);
    assert_false(tp_fence_check(fence, token, "a", 1));
    assert_true(tp_fence_check(fence, token, "b", 1));
    uint64_t later = tp_fence_begin(fence);
    assert_true(tp_fence_check(fence, later, "a", 1));
    assert_false(tp_fence_check(fence, token, "a", 1));
    tp_fence_free(fence);
}

static void test_a_mark_before_the_token_does_not_matter(void **state) {
    (void)state;
    tp_fence *fence = fresh(1024);
    for (int i = 0; i < 100; i++) {
        tp_fence_mark(fence, "a", 1);
        assert_true(tp_fence_check(fence, tp_fence_begin(fence), "a", 1));
    }
    tp_fence_free(fence);
}

static void test_a_number_that_is_no_token_fails(void **state) {
    (void)state;
    tp_fence *fence = fresh(1024);
    tp_fence_mark(fence, "a", 1);
    uint64_t token = tp_fence_begin(fence);
    assert_true(tp_fence_check(fence, token, "b", 1));
    assert_false(tp_fence_check(fence, token + 1, "b", 1));
    assert_false(tp_fence_check(fence, UINT64_MAX, "b", 1));
    assert_false(tp_fence_check(fence, 0, "a", 1));
    tp_fence_free(fence);
}

static void test_everything(void **state) {
    (void)state;
    tp_fence *fence = fresh(1024);
    uint64_t token = tp_fence_begin(fence);
    tp_fence_mark_all(fence);
    assert_false(tp_fence_check(fence, token, "a", 1));
    assert_false(tp_fence_check(fence, token, "never marked", 12));
    assert_true(tp_fence_check(fence, tp_fence_begin(fence), "a", 1));
    tp_fence_free(fence);
}

static void test_shared_slots_never_pass_wrongly(void **state) {
    (void)state;
    tp_fence *fence = fresh(0);
    uint64_t token = tp_fence_begin(fence);
    assert_int_equal(tp_fence_slot(fence, "a", 1), tp_fence_slot(fence, "b", 1));
    tp_fence_mark(fence, "a", 1);
    assert_false(tp_fence_check(fence, token, "a", 1));
    assert_false(tp_fence_check(fence, token, "b", 1));
    tp_fence_free(fence);
}

static void test_slots_stand_for_keys(void **state) {
    (void)state;
    tp_fence *fence = fresh(1000);
    char key[16];
    for (int i = 0; i < 1000; i++) {
        size_t length = (size_t)snprintf(key, sizeof key, "key:%d", i);
        uint64_t token = tp_fence_begin(fence);
        uint32_t slot = tp_fence_slot(fence, key, length);
        assert_true(slot < 1024);
        tp_fence_fetch(fence, slot);
        tp_fence_marks marks = {.count = 0};
        tp_fence_note(fence, &marks, slot);
        assert_true(tp_fence_check(fence, token, key, length));
        tp_fence_write(fence, &marks);
        assert_false(tp_fence_check(fence, token, key, length));
    }
    tp_fence_free(fence);
}

/* One number for several keys, drawn when they are written: it spares those who begin afterwards,
 * and no others. */
static void test_one_number_for_several_keys(void **state) {
    (void)state;
    tp_fence *fence = fresh(1024);
    tp_fence_marks marks = {.count = 0};
    uint64_t before = tp_fence_begin(fence);
    tp_fence_note(fence, &marks, tp_fence_slot(fence, "a", 1));
    uint64_t between = tp_fence_begin(fence);
    tp_fence_note(fence, &marks, tp_fence_slot(fence, "b", 1));
    tp_fence_write(fence, &marks);
    uint64_t after = tp_fence_begin(fence);
    assert_int_equal(after, before + 1);
    assert_false(tp_fence_check(fence, before, "a", 1));
    assert_false(tp_fence_check(fence, between, "a", 1));
    assert_false(tp_fence_check(fence, before, "b", 1));
    assert_true(tp_fence_check(fence, after, "a", 1));
    assert_true(tp_fence_check(fence, after, "b", 1));
    tp_fence_write(fence, &marks);
    assert_int_equal(tp_fence_begin(fence), after);
    assert_true(tp_fence_check(fence, after, "a", 1));
    tp_fence_free(fence);
}

/* None is lost when more are noted than wait. */
static void test_many_marks_are_written_in_between(void **state) {
    (void)state;
    tp_fence *fence = fresh(1024);
    tp_fence_marks marks = {.count = 0};
    char keys[3 * TP_FENCE_MARKS][16];
    uint64_t token = tp_fence_begin(fence);
    for (uint32_t i = 0; i < 3 * TP_FENCE_MARKS; i++) {
        size_t length = (size_t)snprintf(keys[i], sizeof keys[i], "key:%u", i);
        tp_fence_note(fence, &marks, tp_fence_slot(fence, keys[i], length));
        assert_true(marks.count <= TP_FENCE_MARKS);
    }
    tp_fence_write(fence, &marks);
    for (uint32_t i = 0; i < 3 * TP_FENCE_MARKS; i++) {
        assert_false(tp_fence_check(fence, token, keys[i], strlen(keys[i])));
    }
    tp_fence_free(fence);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    oom_fail_at(1);
    assert_null(tp_fence_new(16, &key));
    assert_true(oom_reset());
    tp_fence_free(NULL);
}

/* A database with one row, a cache with one entry. The writer changes the row, marks, and deletes
 * the entry; readers fill it through the fence. At the end the entry must not be stale. */
#define ROUNDS 20000

typedef struct world {
    tp_fence *fence;
    atomic_uint row;
    pthread_mutex_t cache_lock;
    unsigned cached; /* 0: nothing */
    atomic_bool stop;
} world;

static void cache_set(world *w, unsigned value) {
    pthread_mutex_lock(&w->cache_lock);
    w->cached = value;
    pthread_mutex_unlock(&w->cache_lock);
}

static void *fill(void *argument) {
    world *w = argument;
    while (!atomic_load(&w->stop)) {
        uint64_t token = tp_fence_begin(w->fence);
        unsigned value = atomic_load(&w->row);
        cache_set(w, value);
        if (!tp_fence_check(w->fence, token, "row", 3)) {
            cache_set(w, 0);
        }
    }
    return NULL;
}

static void test_no_stale_entry_survives(void **state) {
    (void)state;
    world w = {.fence = fresh(64)};
    pthread_t readers[2];
    atomic_init(&w.row, 1);
    pthread_mutex_init(&w.cache_lock, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, fill, &w), 0);
    }
    for (unsigned value = 2; value < ROUNDS; value++) {
        atomic_store(&w.row, value);
        tp_fence_mark(w.fence, "row", 3);
        cache_set(&w, 0);
    }
    atomic_store(&w.stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(readers[i], NULL);
    }
    assert_true(w.cached == 0 || w.cached == atomic_load(&w.row));
    pthread_mutex_destroy(&w.cache_lock);
    tp_fence_free(w.fence);
}

static void *mark_many(void *argument) {
    tp_fence *fence = argument;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t token = tp_fence_begin(fence);
        tp_fence_mark(fence, "row", 3);
        if (tp_fence_check(fence, token, "row", 3)) {
            return argument;
        }
    }
    return NULL;
}

static void test_marks_of_several_threads_only_grow(void **state) {
    (void)state;
    tp_fence *fence = fresh(1);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, mark_many, fence), 0);
    }
    for (int i = 0; i < 3; i++) {
        void *failed = fence;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    tp_fence_free(fence);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mark_after_the_token_fails_the_check),
        cmocka_unit_test(test_a_mark_before_the_token_does_not_matter),
        cmocka_unit_test(test_a_number_that_is_no_token_fails),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_shared_slots_never_pass_wrongly),
        cmocka_unit_test(test_slots_stand_for_keys),
        cmocka_unit_test(test_one_number_for_several_keys),
        cmocka_unit_test(test_many_marks_are_written_in_between),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_no_stale_entry_survives),
        cmocka_unit_test(test_marks_of_several_threads_only_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
