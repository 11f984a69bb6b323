/* One descriptor for sockets, a timer and wake-ups. Nothing here measures time: a deadline is
 * either past or far away. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"
#include "oom.h"

static tp_loop *fresh(void) {
    tp_loop *loop = NULL;
    assert_int_equal(tp_loop_new(&loop, NULL), TRIGPERF_OK);
    return loop;
}

static bool readable(const tp_loop *loop, int timeout_ms) {
    struct pollfd one = {tp_loop_fd(loop), POLLIN, 0};
    return poll(&one, 1, timeout_ms) == 1;
}

static void test_quiet(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    assert_true(tp_loop_fd(loop) >= 0);
    assert_false(readable(loop, 0));
    assert_int_equal(tp_loop_wait(loop, 0, NULL), 0);
    tp_loop_free(loop);
    tp_loop_free(NULL);
}

static void test_wake(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    tp_loop_wake(loop);
    tp_loop_wake(loop);
    assert_true(readable(loop, -1));
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    assert_false(readable(loop, 0));
    assert_int_equal(tp_loop_wait(loop, 0, NULL), 0);
    tp_loop_free(loop);
}

static void *wake(void *loop) {
    tp_loop_wake(loop);
    return NULL;
}

static void test_wake_from_another_thread(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake, loop), 0);
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    pthread_join(thread, NULL);
    tp_loop_free(loop);
}

#define WAKERS 3
#define WAKES 20000

typedef struct work {
    tp_loop *loop;
    atomic_uint done;
} work;

static void *work_and_wake(void *argument) {
    work *w = argument;
    for (int i = 0; i < WAKES; i++) {
        atomic_fetch_add(&w->done, 1);
        tp_loop_wake(w->loop);
    }
    return NULL;
}

/* Whoever waits only while something is missing is always woken for it. */
static void test_no_wake_is_lost(void **state) {
    (void)state;
    work w = {.loop = fresh()};
    pthread_t threads[WAKERS];
    for (int i = 0; i < WAKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work_and_wake, &w), 0);
    }
    while (atomic_load(&w.done) < WAKERS * WAKES) {
        assert_int_equal(tp_loop_wait(w.loop, 60000, NULL), 1);
    }
    for (int i = 0; i < WAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    tp_loop_free(w.loop);
}

static void test_deadline(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    uint64_t now = tp_clock_ms();
    tp_loop_deadline(loop, now, now + 3600000);
    assert_int_equal(tp_loop_wait(loop, 0, NULL), 0);
    tp_loop_deadline(loop, now, now);
    assert_true(readable(loop, -1));
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    assert_false(readable(loop, 0));
    tp_loop_deadline(loop, now, now == 0 ? 0 : now - 1);
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    tp_loop_deadline(loop, now, now + 1);
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    tp_loop_deadline(loop, now, now);
    tp_loop_deadline(loop, now, UINT64_MAX);
    assert_false(readable(loop, 0));
    tp_loop_free(loop);
}

static void test_same_deadline_again_after_it_fired(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    for (int i = 0; i < 3; i++) {
        tp_loop_deadline(loop, 1000, 1000);
        assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    }
    tp_loop_free(loop);
}

static void test_watch(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tp_loop_watch(loop, ends[0], TP_LOOP_READ, NULL), TRIGPERF_OK);
    assert_int_equal(tp_loop_wait(loop, 0, NULL), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    assert_true(readable(loop, 0));
    assert_int_equal(tp_loop_watch(loop, ends[0], 0, NULL), TRIGPERF_OK);
    assert_int_equal(tp_loop_watch(loop, ends[0], 0, NULL), TRIGPERF_OK);
    assert_false(readable(loop, 0));
    assert_int_equal(tp_loop_watch(loop, ends[0], TP_LOOP_READ, NULL), TRIGPERF_OK);
    assert_int_equal(tp_loop_watch(loop, ends[0], TP_LOOP_READ | TP_LOOP_WRITE, NULL), TRIGPERF_OK);
    assert_true(readable(loop, 0));
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(tp_loop_watch(loop, ends[1], TP_LOOP_WRITE, NULL), TRIGPERF_OK);
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    close(ends[0]);
    close(ends[1]);
    assert_false(readable(loop, 0));
    tp_loop_free(loop);
}

static void test_a_closed_descriptor_number_used_again(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    int first[2];
    int second[2];
    assert_int_equal(pipe(first), 0);
    assert_int_equal(tp_loop_watch(loop, first[0], TP_LOOP_READ, NULL), TRIGPERF_OK);
    close(first[0]);
    close(first[1]);
    assert_int_equal(pipe(second), 0);
    assert_int_equal(second[0], first[0]);
    assert_int_equal(tp_loop_watch(loop, second[0], TP_LOOP_READ, NULL), TRIGPERF_OK);
    assert_int_equal(write(second[1], "x", 1), 1);
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    close(second[0]);
    close(second[1]);
    tp_loop_free(loop);
}

static void test_nap(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    assert_false(tp_loop_napping(loop));
    assert_true(tp_loop_nap(loop, 1));
    assert_true(tp_loop_napping(loop));
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    assert_false(tp_loop_napping(loop));
    assert_false(readable(loop, 0));
    assert_true(tp_loop_nap(loop, 3600000000u));
    tp_loop_deadline(loop, 10, 10); /* one does not replace the other */
    assert_int_equal(tp_loop_wait(loop, -1, NULL), 1);
    assert_true(tp_loop_napping(loop));
    assert_false(readable(loop, 0));
    tp_loop_free(loop);
}

static void test_bad_descriptor(void **state) {
    (void)state;
    tp_loop *loop = fresh();
    trigperf_error *err = NULL;
    assert_int_equal(tp_loop_watch(loop, 9999, TP_LOOP_READ, &err), TRIGPERF_E_SYSTEM);
    assert_non_null(strstr(trigperf_error_message(err), "epoll_ctl"));
    trigperf_error_free(err);
    tp_loop_free(loop);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_loop *loop = NULL;
    oom_fail_at(1);
    assert_int_equal(tp_loop_new(&loop, NULL), TRIGPERF_E_NOMEM);
    assert_true(oom_reset());
    assert_null(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_wake),
        cmocka_unit_test(test_wake_from_another_thread),
        cmocka_unit_test(test_no_wake_is_lost),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_same_deadline_again_after_it_fired),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_a_closed_descriptor_number_used_again),
        cmocka_unit_test(test_nap),
        cmocka_unit_test(test_bad_descriptor),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
