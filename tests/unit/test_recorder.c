/* Cells of a thread: what goes in comes out, also while it goes in, and when counts wrap around. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/recorder.h"
#include "oom.h"
#include "prng.h"

#define SLOTS 1000u

static void record(tp_recorder *recorder, uint32_t slot, uint64_t ns) {
    tp_shard *shard = tp_recorder_cell(recorder, slot);
    shard = shard == NULL ? tp_recorder_add_shard(recorder, slot) : shard;
    assert_non_null(shard);
    tp_recorder_record(recorder, shard, ns);
}

static void add(tp_recorder *recorder, uint32_t slot, uint64_t amount) {
    tp_tally *tally = tp_recorder_cell(recorder, slot);
    tally = tally == NULL ? tp_recorder_add_tally(recorder, slot) : tally;
    assert_non_null(tally);
    tp_tally_add(tally, amount);
}

static void test_sums_are_those_of_a_plain_histogram(void **state) {
    (void)state;
    static tp_histogram wanted[7];
    static tp_histogram got;
    tp_recorder *recorder = tp_recorder_new(1, SLOTS);
    uint64_t random = 5;
    assert_non_null(recorder);
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t which = prng_below(&random, 7);
        uint64_t ns = prng_next(&random) >> (20 + prng_below(&random, 44));
        record(recorder, which * 142, ns);
        tp_histogram_add(&wanted[which], ns, 1);
    }
    for (uint32_t i = 0; i < 7; i++) {
        memset(&got, 0, sizeof got);
        tp_recorder_sum(recorder, i * 142, &got);
        assert_memory_equal(&got, &wanted[i], sizeof got);
    }
    memset(&got, 0, sizeof got);
    tp_recorder_sum(recorder, 999, &got);
    assert_int_equal(tp_histogram_count(&got), 0);
    tp_recorder_free(recorder);
}

static void test_tallies(void **state) {
    (void)state;
    tp_recorder *recorder = tp_recorder_new(1, SLOTS);
    assert_non_null(recorder);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            add(recorder, slot, slot);
        }
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        assert_int_equal(tp_recorder_tally(recorder, slot), 3 * slot);
    }
    add(recorder, 5, UINT64_MAX - 3);
    assert_true(tp_recorder_tally(recorder, 5) == UINT64_MAX);
    tp_recorder_free(recorder);
}

/* 3,480 bytes a histogram: with eight of the allocator, and as many of the page. */
static void test_memory_of_a_shard(void **state) {
    (void)state;
    assert_int_equal(sizeof(tp_shard), 3480);
    assert_int_equal(sizeof(tp_tally), 8);
}

/* A count that is full is carried, and goes on. */
static void test_counts_wrap_around(void **state) {
    (void)state;
    static tp_histogram got;
    tp_recorder *recorder = tp_recorder_new(1, SLOTS);
    record(recorder, 3, 5000);
    tp_shard *shard = tp_recorder_cell(recorder, 3);
    uint32_t bucket = tp_histogram_bucket(5000);
    for (uint32_t round = 1; round <= 3; round++) {
        atomic_store(&shard->counts[bucket], UINT32_MAX - 1);
        for (int i = 0; i < 4; i++) {
            record(recorder, 3, 5000);
        }
        memset(&got, 0, sizeof got);
        tp_recorder_sum(recorder, 3, &got);
        assert_int_equal(got.counts[bucket], ((uint64_t)round << 32) + 2);
    }
    tp_recorder_free(recorder);
}

static void test_a_place_leads_to_its_recorder(void **state) {
    (void)state;
    tp_recorder *recorder = tp_recorder_new(1, SLOTS);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (slot % 3 == 0) {
            record(recorder, slot, slot);
        } else if (slot % 3 == 1) {
            add(recorder, slot, 1);
        }
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        tp_place *place = tp_recorder_place(recorder, slot);
        assert_ptr_equal(atomic_load(place), tp_recorder_cell(recorder, slot));
        assert_ptr_equal(tp_recorder_of(place), recorder);
    }
    tp_recorder_free(recorder);
}

static void test_a_full_count_stays_full_without_memory(void **state) {
    (void)state;
    static tp_histogram got;
    tp_recorder *recorder = tp_recorder_new(1, SLOTS);
    record(recorder, 3, 5000);
    tp_shard *shard = tp_recorder_cell(recorder, 3);
    uint32_t bucket = tp_histogram_bucket(5000);
    atomic_store(&shard->counts[bucket], UINT32_MAX);
    oom_fail_at(1);
    record(recorder, 3, 5000);
    assert_true(oom_reset());
    tp_recorder_sum(recorder, 3, &got);
    assert_int_equal(got.counts[bucket], UINT32_MAX);
    assert_int_equal(recorder->lost, 1);
    record(recorder, 3, 5000);
    memset(&got, 0, sizeof got);
    tp_recorder_sum(recorder, 3, &got);
    assert_int_equal(got.counts[bucket], UINT64_C(1) << 32);
    tp_recorder_free(recorder);
}

static void test_sums_do_not_wrap_around(void **state) {
    (void)state;
    static tp_histogram got;
    tp_recorder *recorder = tp_recorder_new(1, SLOTS);
    for (int i = 0; i < 3; i++) {
        record(recorder, 0, INT64_MAX);
    }
    tp_recorder_sum(recorder, 0, &got);
    assert_true(got.sum == UINT64_MAX);
    assert_true(got.max == INT64_MAX);
    assert_int_equal(got.counts[865], 3);
    tp_recorder_free(recorder);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_null(tp_recorder_new(1, SLOTS));
    assert_true(oom_reset());
    tp_recorder *recorder = tp_recorder_new(1, SLOTS);
    for (unsigned n = 1; n <= 2; n++) {
        oom_fail_at(n);
        assert_null(tp_recorder_add_shard(recorder, 70));
        assert_true(oom_reset());
        assert_null(tp_recorder_cell(recorder, 70));
    }
    oom_fail_at(1);
    assert_null(tp_recorder_add_tally(recorder, 200));
    assert_true(oom_reset());
    assert_int_equal(recorder->lost, 3);
    record(recorder, 70, 1);
    tp_recorder_free(recorder);
    tp_recorder_free(NULL);
}

/* A reader beside the writer: values only grow, and carrying never shows. */
#define RECORDS 300000u

typedef struct shared {
    tp_recorder *recorder;
    atomic_bool done;
} shared;

static void *write_on(void *argument) {
    shared *both = argument;
    uint32_t bucket = tp_histogram_bucket(2000);
    for (uint32_t i = 0; i < RECORDS; i++) {
        record(both->recorder, i % 128, 2000);
        add(both->recorder, 500 + i % 64, 1);
        if (i % 1000 == 0) { /* as if four billion records had been */
            tp_shard *shard = tp_recorder_cell(both->recorder, i % 128);
            atomic_store(&shard->counts[bucket], UINT32_MAX);
        }
    }
    atomic_store(&both->done, true);
    return NULL;
}

static void test_reading_while_recording(void **state) {
    (void)state;
    static tp_histogram got;
    shared both = {.recorder = tp_recorder_new(1, SLOTS)};
    pthread_t writer;
    uint64_t before = 0;
    uint64_t tally = 0;
    assert_int_equal(pthread_create(&writer, NULL, write_on, &both), 0);
    while (!atomic_load(&both.done)) {
        memset(&got, 0, sizeof got);
        tp_recorder_sum(both.recorder, 1, &got);
        assert_true(tp_histogram_count(&got) >= before);
        before = tp_histogram_count(&got);
        assert_true(tp_recorder_tally(both.recorder, 501) >= tally);
        tally = tp_recorder_tally(both.recorder, 501);
    }
    pthread_join(writer, NULL);
    memset(&got, 0, sizeof got);
    for (uint32_t slot = 0; slot < 128; slot++) {
        tp_recorder_sum(both.recorder, slot, &got);
    }
    assert_int_equal(got.sum, (uint64_t)RECORDS * 2000);
    tp_recorder_free(both.recorder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_those_of_a_plain_histogram),
        cmocka_unit_test(test_tallies),
        cmocka_unit_test(test_memory_of_a_shard),
        cmocka_unit_test(test_counts_wrap_around),
        cmocka_unit_test(test_a_place_leads_to_its_recorder),
        cmocka_unit_test(test_a_full_count_stays_full_without_memory),
        cmocka_unit_test(test_sums_do_not_wrap_around),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_reading_while_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
