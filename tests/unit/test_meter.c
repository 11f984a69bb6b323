/* Recording through a context: threads that come and go, beside readings and resets; other
 * contexts; a forked child. */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <trigperf.h>

#include "effort.h"
#include "oom.h"

static trigperf_context *offline(void) {
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "source", "none", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "metrics.max_series", "500", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_context_new(config, &context, NULL), TRIGPERF_OK);
    trigperf_config_free(config);
    return context;
}

static trigperf_series *resolve(trigperf_context *context, uint32_t type, const char *name) {
    trigperf_series *series = NULL;
    assert_int_equal(
        trigperf_series_resolve(context, type, name, "Help.", NULL, NULL, 0, &series, NULL),
        TRIGPERF_OK);
    return series;
}

static uint64_t total(trigperf_context *context, const char *name, int32_t reset) {
    trigperf_reading *reading = NULL;
    uint32_t index = 0;
    assert_int_equal(trigperf_series_read(context, reset, &reading, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_reading_find(reading, name, NULL, NULL, 0, &index), TRIGPERF_OK);
    uint64_t count = trigperf_reading_total(reading, index);
    trigperf_reading_free(reading);
    return count;
}

#define RECORDS 20000u

typedef struct work {
    trigperf_context *context;
    trigperf_series *counter;
    trigperf_series *histogram;
    bool own_recorder;
} work;

static void *record_many(void *argument) {
    const work *todo = argument;
    trigperf_recorder *recorder = NULL;
    trigperf_timer *timer = NULL;
    if (todo->own_recorder) {
        trigperf_recorder_new(todo->context, &recorder, NULL);
        trigperf_recorder_timer(recorder, todo->histogram, &timer, NULL);
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        if (recorder != NULL) {
            trigperf_recorder_add(recorder, todo->counter, 1);
            trigperf_recorder_record(recorder, todo->histogram, 1000 * (int64_t)i);
            trigperf_timer_record(timer, 2000 * (int64_t)i);
        } else {
            trigperf_series_add(todo->counter, 1);
            trigperf_series_record(todo->histogram, 1000 * (int64_t)i);
        }
    }
    trigperf_recorder_free(recorder);
    return NULL;
}

/* Totals are exact whatever threads do: come, go, read and reset at the same time. */
static void test_threads_come_and_go_beside_resets(void **state) {
    (void)state;
    trigperf_context *context = offline();
    work todo[] = {{context, resolve(context, TRIGPERF_SERIES_COUNTER, "c_total"),
                    resolve(context, TRIGPERF_SERIES_HISTOGRAM, "h_seconds"), false},
                   {context, resolve(context, TRIGPERF_SERIES_COUNTER, "c_total"),
                    resolve(context, TRIGPERF_SERIES_HISTOGRAM, "h_seconds"), true}};
    uint64_t counted = 0;
    uint64_t rounds = 12;
    for (uint64_t round = 0; round < rounds; round++) {
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, record_many, &todo[i]), 0);
        }
        for (int i = 0; i < 5; i++) {
            trigperf_reading *reading = NULL;
            uint32_t c = 0;
            assert_int_equal(trigperf_series_read(context, 1, &reading, NULL), TRIGPERF_OK);
            assert_int_equal(trigperf_reading_find(reading, "c_total", NULL, NULL, 0, &c), 0);
            counted += trigperf_reading_total(reading, c);
            assert_int_equal(trigperf_reading_find(reading, "h_seconds", NULL, NULL, 0, &c), 0);
            counted += trigperf_reading_total(reading, c);
            trigperf_reading_free(reading);
        }
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    counted += total(context, "c_total", 0) + total(context, "h_seconds", 0);
    assert_int_equal(counted, rounds * 5 * RECORDS);
    trigperf_reading *reading = NULL;
    uint32_t index = 0;
    assert_int_equal(trigperf_series_read(context, 0, &reading, NULL), TRIGPERF_OK);
    assert_int_equal(
        trigperf_reading_find(reading, "trigperf_series_recorders", NULL, NULL, 0, &index), 0);
    /* Threads of former rounds are gone; two are the library's own. */
    assert_true(trigperf_reading_value(reading, index) <= 5);
    trigperf_reading_free(reading);
    trigperf_context_free(context);
}

static void test_gauges_of_many_threads_add_up(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_series *gauge = resolve(context, TRIGPERF_SERIES_GAUGE, "g");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(trigperf_series_change(gauge, 2), TRIGPERF_OK);
        assert_int_equal(trigperf_series_change(gauge, -1), TRIGPERF_OK);
    }
    trigperf_reading *reading = NULL;
    uint32_t index = 0;
    assert_int_equal(trigperf_series_read(context, 0, &reading, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_reading_find(reading, "g", NULL, NULL, 0, &index), TRIGPERF_OK);
    assert_true(trigperf_reading_value(reading, index) == 1000);
    trigperf_reading_free(reading);
    trigperf_context_free(context);
}

static void test_what_is_not_recorded(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_context *other = offline();
    trigperf_series *counter = resolve(context, TRIGPERF_SERIES_COUNTER, "c_total");
    trigperf_series *histogram = resolve(context, TRIGPERF_SERIES_HISTOGRAM, "h_seconds");
    trigperf_recorder *recorder = NULL;
    trigperf_recorder *foreign = NULL;
    assert_int_equal(trigperf_recorder_new(context, &recorder, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_recorder_new(other, &foreign, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_series_add(NULL, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_series_add(histogram, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_series_record(NULL, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_series_record(counter, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_series_set(counter, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_series_change(NULL, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_series_record_seconds(histogram, (double)NAN), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_recorder_add(foreign, counter, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_recorder_record(foreign, histogram, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_recorder_record(recorder, counter, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_recorder_add(recorder, NULL, 1), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_recorder_add(NULL, counter, 1), TRIGPERF_E_INVALID);
    trigperf_timer *timer = NULL;
    assert_int_equal(trigperf_recorder_timer(foreign, histogram, &timer, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_recorder_timer(recorder, counter, &timer, NULL), TRIGPERF_E_INVALID);
    assert_null(timer);
    assert_int_equal(total(context, "c_total", 0) + total(context, "h_seconds", 0), 0);
    trigperf_recorder_free(recorder);
    trigperf_recorder_free(foreign);
    trigperf_recorder_free(NULL);
    trigperf_context_free(other);
    trigperf_context_free(context);
}

static void test_durations_at_the_edges(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_series *histogram = resolve(context, TRIGPERF_SERIES_HISTOGRAM, "h_seconds");
    trigperf_histogram *values = NULL;
    trigperf_reading *reading = NULL;
    uint32_t index = 0;
    assert_int_equal(trigperf_series_record(histogram, -5), TRIGPERF_OK);
    assert_int_equal(trigperf_series_record_seconds(histogram, -1e300), TRIGPERF_OK);
    assert_int_equal(trigperf_series_record_seconds(histogram, -0.0), TRIGPERF_OK);
    assert_int_equal(trigperf_series_record_seconds(histogram, 0.25), TRIGPERF_OK);
    assert_int_equal(trigperf_series_record_seconds(histogram, (double)INFINITY), TRIGPERF_OK);
    assert_int_equal(trigperf_series_record(histogram, INT64_MAX), TRIGPERF_OK);
    assert_int_equal(total(context, "trigperf_series_negative_total", 0), 2);
    assert_int_equal(trigperf_histogram_new(&values, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_series_read(context, 0, &reading, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_reading_find(reading, "h_seconds", NULL, NULL, 0, &index), 0);
    assert_int_equal(trigperf_reading_histogram(reading, index, values, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_histogram_bucket_count(values, 0), 3);
    assert_int_equal(trigperf_histogram_bucket_count(values, 865), 2);
    assert_true(trigperf_histogram_max(values) == INT64_MAX);
    trigperf_histogram_free(values);
    trigperf_reading_free(reading);
    trigperf_context_free(context);
}

static void test_names_of_the_library(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_series *series = NULL;
    trigperf_error *error = NULL;
    assert_int_equal(trigperf_series_resolve(context, TRIGPERF_SERIES_GAUGE, "trigperf_mine", "X.",
                                             NULL, NULL, 0, &series, &error),
                     TRIGPERF_E_INVALID);
    assert_non_null(strstr(trigperf_error_message(error), "trigperf_"));
    trigperf_error_free(error);
    assert_int_equal(total(context, "trigperf_batches_total", 0), 0);
    trigperf_push_key(context, "k", 1, NULL);
    trigperf_flush(context, NULL);
    trigperf_process(context, NULL);
    assert_int_equal(total(context, "trigperf_batches_total", 0), 1);
    assert_int_equal(total(context, "trigperf_keys_delivered_total", 1), 1);
    assert_int_equal(total(context, "trigperf_keys_delivered_total", 0), 1);
    assert_int_equal(total(context, "trigperf_turn_seconds", 0), 0); /* since the reset */
    trigperf_batch *batch = NULL;
    assert_int_equal(trigperf_batch_next(context, &batch, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_batch_ack(batch, NULL), TRIGPERF_OK);
    assert_int_equal(total(context, "trigperf_batch_apply_seconds", 0), 1);
    trigperf_process(context, NULL);
    assert_int_equal(total(context, "trigperf_turn_seconds", 0), 1);
    trigperf_context_free(context);
}

/* A thread that recorded may outlive the context. */
static void *record_and_wait(void *argument) {
    work *todo = argument;
    trigperf_series_add(todo->counter, 1);
    pthread_barrier_wait((pthread_barrier_t *)(void *)todo->histogram);
    pthread_barrier_wait((pthread_barrier_t *)(void *)todo->histogram);
    return NULL;
}

static void test_a_thread_that_ends_after_the_context(void **state) {
    (void)state;
    pthread_barrier_t barrier;
    pthread_t thread;
    trigperf_context *context = offline();
    work todo = {context, resolve(context, TRIGPERF_SERIES_COUNTER, "c_total"),
                 (trigperf_series *)(void *)&barrier, false};
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, record_and_wait, &todo), 0);
    pthread_barrier_wait(&barrier);
    assert_int_equal(total(context, "c_total", 0), 1);
    trigperf_context_free(context);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
}

/* Without a thread-specific key recorders still work. */
static void test_a_process_without_keys(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_series *counter = resolve(context, TRIGPERF_SERIES_COUNTER, "c_total");
    trigperf_recorder *recorder = NULL;
    pthread_key_t keys[PTHREAD_KEYS_MAX];
    uint32_t taken = 0;
    while (taken < PTHREAD_KEYS_MAX && pthread_key_create(&keys[taken], NULL) == 0) {
        taken++;
    }
    assert_int_equal(trigperf_series_add(counter, 1), TRIGPERF_E_LIMIT);
    assert_int_equal(trigperf_recorder_new(context, &recorder, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_recorder_add(recorder, counter, 1), TRIGPERF_OK);
    while (taken > 0) {
        pthread_key_delete(keys[--taken]);
    }
    assert_int_equal(trigperf_series_add(counter, 1), TRIGPERF_OK);
    assert_int_equal(total(context, "c_total", 0), 2);
    trigperf_context_free(context);
}

/* Labels that are missing are refused, whichever half of them is. */
static void test_missing_labels(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_series *series = NULL;
    const char *none[] = {NULL};
    const char *some[] = {"a"};
    const char *const *names[] = {NULL, some, NULL, none, some};
    const char *const *values[] = {NULL, NULL, some, some, none};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(trigperf_series_resolve(context, TRIGPERF_SERIES_COUNTER, "c_total", "C.",
                                                 names[i], values[i], 1, &series, NULL),
                         TRIGPERF_E_INVALID);
        assert_null(series);
    }
    assert_int_equal(trigperf_series_resolve(context, TRIGPERF_SERIES_COUNTER, "c_total", "C.",
                                             NULL, NULL, 0, &series, NULL),
                     TRIGPERF_OK);
    trigperf_context_free(context);
}

/* More threads at a time than have seats; then as many again, which begin where those ended. */
#define CROWD 150u

typedef struct crowd {
    trigperf_series *counter;
    pthread_barrier_t all_here;
    pthread_barrier_t all_done;
} crowd;

static void *stay_a_while(void *argument) {
    crowd *c = argument;
    int32_t status = trigperf_series_add(c->counter, 1);
    pthread_barrier_wait(&c->all_here);
    status |= trigperf_series_add(c->counter, 1);
    pthread_barrier_wait(&c->all_done);
    return status == TRIGPERF_OK ? NULL : c;
}

static void begin_crowd(crowd *c, pthread_t *threads) {
    pthread_barrier_init(&c->all_here, NULL, CROWD + 1);
    pthread_barrier_init(&c->all_done, NULL, CROWD + 1);
    for (uint32_t i = 0; i < CROWD; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, stay_a_while, c), 0);
    }
    pthread_barrier_wait(&c->all_here);
}

static void end_crowd(crowd *c, const pthread_t *threads) {
    pthread_barrier_wait(&c->all_done);
    for (uint32_t i = 0; i < CROWD; i++) {
        void *bad = c;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
    pthread_barrier_destroy(&c->all_here);
    pthread_barrier_destroy(&c->all_done);
}

static void test_more_threads_than_seats(void **state) {
    (void)state;
    trigperf_context *context = offline();
    crowd c = {.counter = resolve(context, TRIGPERF_SERIES_COUNTER, "c_total")};
    pthread_t threads[CROWD];
    for (uint32_t round = 1; round <= 2; round++) {
        begin_crowd(&c, threads);
        end_crowd(&c, threads);
        assert_int_equal(total(context, "c_total", 0), round * 2 * CROWD);
    }
    trigperf_context_free(context);
}

#if !EFFORT_SANITIZED /* sanitizers cannot begin threads in a child of many */
/* Threads of the child have the addresses of the parent's, which have seats. */
static void *add_in_child(void *counter) {
    return trigperf_series_add(counter, 1) == TRIGPERF_E_FORKED ? NULL : counter;
}

static int threads_of_child(trigperf_series *counter) {
    int bad = 0;
    for (uint32_t i = 0; i < CROWD; i++) {
        pthread_t thread;
        void *result = NULL;
        bad += pthread_create(&thread, NULL, add_in_child, counter) != 0 ||
               pthread_join(thread, &result) != 0 || result != NULL;
    }
    return bad == 0 ? 0 : 1;
}

static void test_threads_of_a_forked_child(void **state) {
    (void)state;
    trigperf_context *context = offline();
    crowd c = {.counter = resolve(context, TRIGPERF_SERIES_COUNTER, "c_total")};
    pthread_t threads[CROWD];
    int status = 1;
    begin_crowd(&c, threads);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(threads_of_child(c.counter));
    }
    end_crowd(&c, threads);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(total(context, "c_total", 0), 2 * CROWD);
    trigperf_context_free(context);
}
#endif

static int child_of(trigperf_context *context, trigperf_series *counter) {
    trigperf_series *series = NULL;
    trigperf_reading *reading = NULL;
    trigperf_recorder *recorder = NULL;
    char *text = NULL;
    int bad = trigperf_series_resolve(context, TRIGPERF_SERIES_GAUGE, "g", "G.", NULL, NULL, 0,
                                      &series, NULL) != TRIGPERF_E_FORKED;
    bad += trigperf_series_read(context, 0, &reading, NULL) != TRIGPERF_E_FORKED;
    bad += trigperf_series_text(context, "json", &text, NULL) != TRIGPERF_E_FORKED;
    bad += trigperf_series_reset(context, NULL) != TRIGPERF_E_FORKED;
    bad += trigperf_recorder_new(context, &recorder, NULL) != TRIGPERF_E_FORKED;
    bad += trigperf_series_add(counter, 1) != TRIGPERF_OK; /* goes nowhere, harms nobody */
    trigperf_context_free(context);
    return bad;
}

static void test_a_forked_child(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_series *counter = resolve(context, TRIGPERF_SERIES_COUNTER, "c_total");
    int status = 1;
    assert_int_equal(trigperf_series_add(counter, 1), TRIGPERF_OK);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(child_of(context, counter));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(total(context, "c_total", 0), 1);
    trigperf_context_free(context);
}

static void test_out_of_memory(void **state) {
    (void)state;
    trigperf_context *context = offline();
    trigperf_series *counter = resolve(context, TRIGPERF_SERIES_COUNTER, "c_total");
    trigperf_series *histogram = resolve(context, TRIGPERF_SERIES_HISTOGRAM, "h_seconds");
    unsigned failures = 0;
    for (unsigned n = 1;; n++) {
        trigperf_recorder *recorder = NULL;
        oom_fail_at(n);
        int32_t status = trigperf_series_add(counter, 1);
        status = status == TRIGPERF_OK ? trigperf_series_record(histogram, 1) : status;
        status = status == TRIGPERF_OK ? trigperf_recorder_new(context, &recorder, NULL) : status;
        status = status == TRIGPERF_OK ? trigperf_recorder_add(recorder, counter, 1) : status;
        bool failed = oom_reset();
        trigperf_recorder_free(recorder);
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (!failed) {
            break;
        }
        failures++;
    }
    assert_true(failures >= 4);
    for (unsigned n = 1;; n++) {
        char *text = NULL;
        oom_fail_at(n);
        int32_t status = trigperf_series_text(context, "prometheus", &text, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        trigperf_string_free(text);
        if (!failed) {
            break;
        }
    }
    trigperf_context_free(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_come_and_go_beside_resets),
        cmocka_unit_test(test_gauges_of_many_threads_add_up),
        cmocka_unit_test(test_what_is_not_recorded),
        cmocka_unit_test(test_durations_at_the_edges),
        cmocka_unit_test(test_names_of_the_library),
        cmocka_unit_test(test_a_thread_that_ends_after_the_context),
        cmocka_unit_test(test_a_process_without_keys),
        cmocka_unit_test(test_missing_labels),
        cmocka_unit_test(test_more_threads_than_seats),
        cmocka_unit_test(test_a_forked_child),
#if !EFFORT_SANITIZED
        cmocka_unit_test(test_threads_of_a_forked_child),
#endif
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
