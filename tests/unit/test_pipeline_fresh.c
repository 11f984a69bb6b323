/* Windows that end early because nothing in them recurs. */
#include "pipeline_bench.h"

static tp_pipeline_options fresh(void) {
    tp_pipeline_options options = defaults();
    options.fresh_ms = 5;
    return options;
}

static void test_fresh_keys_hardly_wait(void **state) {
    (void)state;
    bench b = start(fresh());
    change(&b, TP_OP_UPDATE, "7", "1");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 5);
    pass(&b, 3);
    change(&b, TP_OP_UPDATE, "8", "2");
    pass(&b, 1);
    expect_nothing(&b);
    pass(&b, 1);
    expect_ack(&b, "window: call:1 call:2 dash:7 dash:8 | calls/8/1 calls/8/1 |");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

/* The window counts from its first change, also when it is lengthened later. */
static void test_a_key_that_comes_twice(void **state) {
    (void)state;
    bench b = start(fresh());
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 4);
    change(&b, TP_OP_UPDATE, "7", "1");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), 1100);
    pass(&b, 95);
    expect_nothing(&b);
    pass(&b, 1);
    expect_ack(&b, "window: call:1 dash:7 | calls/8/2 |");
    finish(&b);
}

static void test_a_key_shared_by_two_changes(void **state) {
    (void)state;
    bench b = start(fresh());
    change(&b, TP_OP_UPDATE, "7", "1");
    change(&b, TP_OP_UPDATE, "7", "2");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), 1100);
    pass(&b, 100);
    expect_ack(&b, "window: call:1 call:2 dash:7 | calls/8/1 calls/8/1 |");
    finish(&b);
}

/* A key that changes every 10 ms: at once, and then once in a window. */
static void test_a_hot_key_is_delivered_once_a_window(void **state) {
    (void)state;
    bench b = start(fresh());
    uint64_t changes = 0;
    uint32_t batches = 0;
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        change(&b, TP_OP_UPDATE, "7", "1");
        for (int ms = 0; ms < 10; ms++) {
            pass(&b, 1);
            tp_batch *batch = tp_pipeline_next(b.pipeline);
            if (batch != NULL) {
                assert_true(batches < 1 || b.now - last >= 100);
                last = b.now;
                batches++;
                changes += tp_batch_change_merged(batch, 0);
                tp_pipeline_ack(b.pipeline, batch);
            }
        }
    }
    assert_in_range(batches, 9, 10);
    pass(&b, 100);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    if (batch != NULL) {
        changes += tp_batch_change_merged(batch, 0);
        tp_pipeline_ack(b.pipeline, batch);
    }
    assert_int_equal(changes, 100);
    finish(&b);
}

static void test_what_was_delivered_is_forgotten(void **state) {
    (void)state;
    bench b = start(fresh());
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 5);
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    pass(&b, 99);
    change(&b, TP_OP_UPDATE, "7", "2"); /* dash:7 was delivered 99 ms ago */
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 100);
    pass(&b, 100);
    expect_ack(&b, "window: call:2 dash:7 | calls/8/1 |");
    pass(&b, 100);
    change(&b, TP_OP_UPDATE, "7", "3");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 5);
    finish(&b);
}

static void test_fresh_ones_wait_beside_a_recurring_one(void **state) {
    (void)state;
    bench b = start(fresh());
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 5);
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    change(&b, TP_OP_UPDATE, "8", "2");
    change(&b, TP_OP_UPDATE, "7", "1");
    change(&b, TP_OP_UPDATE, "9", "3");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 100);
    finish(&b);
}

static void test_keys_of_the_host(void **state) {
    (void)state;
    bench b = start(fresh());
    key(&b, "own");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 5);
    pass(&b, 5);
    expect_ack(&b, "window: own | |");
    key(&b, "own");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 100);
    pass(&b, 100);
    expect_ack(&b, "window: own | |");
    key(&b, "other");
    key(&b, "other");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 100);
    finish(&b);
}

/* Without a key the change itself is what recurs. */
static void test_changes_without_keys(void **state) {
    (void)state;
    bench b = start(fresh());
    assert_int_equal(try_change(&b, b.plain, TP_OP_UPDATE, "7", "1", 0), TRIGPERF_OK);
    pass(&b, 5);
    expect_ack(&b, "window: | plain/8/1 |");
    assert_int_equal(try_change(&b, b.plain, TP_OP_UPDATE, "7", "2", 0), TRIGPERF_OK);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 5);
    assert_int_equal(try_change(&b, b.plain, TP_OP_UPDATE, "7", "1", 0), TRIGPERF_OK);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 100);
    finish(&b);
}

static void test_resyncs_of_tables_wait(void **state) {
    (void)state;
    bench b = start(fresh());
    change(&b, TP_OP_UPDATE, "7", "1");
    tp_pipeline_resync(b.pipeline, b.now, b.plain, 0, 0);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 100);
    pass(&b, 100);
    expect_ack(&b, "resync: | | plain");
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    finish(&b);
}

/* Held back by its rate limit, a key is not delivered, and does not make others wait. */
static void test_rate_limited_keys(void **state) {
    (void)state;
    tp_pipeline_options options = fresh();
    options.key_interval_ms = 1000;
    bench b = start(options);
    key(&b, "own");
    pass(&b, 5);
    expect_ack(&b, "window: own | |");
    pass(&b, 200);
    key(&b, "own");
    pass(&b, 5);
    expect_nothing(&b);
    key(&b, "own");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 5);
    pass(&b, 5);
    pass(&b, 790);
    expect_nothing(&b); /* its interval has passed: a window of its own */
    pass(&b, 5);
    expect_ack(&b, "window: own | |");
    finish(&b);
}

static void test_size_and_room_count_as_before(void **state) {
    (void)state;
    tp_pipeline_options options = fresh();
    options.max_keys = 3;
    options.max_pending = 1;
    bench b = start(options);
    change(&b, TP_OP_UPDATE, "7", "1");
    change(&b, TP_OP_UPDATE, "7", "2");
    tp_batch *first = expect(&b, "size: call:1 call:2 dash:7 | calls/8/1 calls/8/1 |");
    change(&b, TP_OP_UPDATE, "8", "3");
    pass(&b, 50);
    expect_nothing(&b);
    tp_pipeline_ack(b.pipeline, first);
    pass(&b, 0);
    expect_ack(&b, "window: call:3 dash:8 | calls/8/1 |");
    finish(&b);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_pipeline_options options = fresh();
    tp_cascade *cascade = make_cascade();
    for (unsigned n = 1;; n++) {
        tp_pipeline *pipeline = NULL;
        oom_fail_at(n);
        int32_t status = tp_pipeline_new(&options, cascade, NULL, &pipeline, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        tp_pipeline_free(pipeline);
        if (!failed) {
            break;
        }
    }
    tp_cascade_free(cascade);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_keys_hardly_wait),
        cmocka_unit_test(test_a_key_that_comes_twice),
        cmocka_unit_test(test_a_key_shared_by_two_changes),
        cmocka_unit_test(test_a_hot_key_is_delivered_once_a_window),
        cmocka_unit_test(test_what_was_delivered_is_forgotten),
        cmocka_unit_test(test_fresh_ones_wait_beside_a_recurring_one),
        cmocka_unit_test(test_keys_of_the_host),
        cmocka_unit_test(test_changes_without_keys),
        cmocka_unit_test(test_resyncs_of_tables_wait),
        cmocka_unit_test(test_rate_limited_keys),
        cmocka_unit_test(test_size_and_room_count_as_before),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
