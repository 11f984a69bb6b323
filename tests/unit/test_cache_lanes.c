/* Counters of many threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache_lanes.h"
#include "oom.h"

#define THREADS 24
#define ROUNDS 20000u

static tp_lanes lanes;

static void *count(void *argument) {
    uintptr_t thread = (uintptr_t)argument;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (i % 2 == 0) {
            tp_lanes_count(&lanes, thread, TP_LANE_HITS, 1);
        } else {
            tp_lane_add(tp_lanes_of(&lanes, thread), thread, TP_LANE_HITS, 1);
        }
    }
    return NULL;
}

/* More threads than lanes: nothing is lost. */
static void test_nothing_is_lost(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    assert_true(tp_lanes_init(&lanes));
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, count, (void *)((i + 1) * 4096));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(tp_lanes_sum(&lanes, TP_LANE_HITS), THREADS * ROUNDS);
    assert_int_equal(tp_lanes_sum(&lanes, TP_LANE_MISSES), 0);
    tp_lanes_free(&lanes);
}

static void test_a_thread_keeps_its_lane(void **state) {
    (void)state;
    assert_true(tp_lanes_init(&lanes));
    tp_lane *lane = tp_lanes_of(&lanes, 77);
    assert_ptr_equal(tp_lanes_of(&lanes, 77), lane);
    assert_ptr_not_equal(tp_lanes_of(&lanes, 78), lane);
    tp_lanes_free(&lanes);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_false(tp_lanes_init(&lanes));
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_a_thread_keeps_its_lane),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
