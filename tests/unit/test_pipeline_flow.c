/* Rate limits, slow hosts, full memory, positions, redelivery. */
#include "pipeline_bench.h"

#include <stdio.h>

static void test_limiter(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.key_interval_ms = 1000;
    bench b = start(options);
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 100); /* 1100 */
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    change(&b, TP_OP_UPDATE, "7", "2");
    checkpoint(&b, "two");
    pass(&b, 100); /* 1200 */
    expect_ack(&b, "window: call:2 | calls/8/1 |");
    change(&b, TP_OP_UPDATE, "7", "2");
    pass(&b, 100); /* 1300 */
    expect_nothing(&b);
    assert_null(tp_pipeline_position(b.pipeline));
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 2);
    assert_false(tp_pipeline_idle(b.pipeline));
    assert_int_equal(tp_pipeline_deadline(b.pipeline), 2100);
    pass(&b, 800); /* 2100: dash:7 is due and enters a window */
    expect_nothing(&b);
    pass(&b, 100);
    expect_ack(&b, "window: call:2 dash:7 | calls/8/2 |");
    assert_string_equal(tp_pipeline_position(b.pipeline), "two");
    assert_true(tp_pipeline_idle(b.pipeline));
    pass(&b, 1000);
    change(&b, TP_OP_UPDATE, "7", "2");
    pass(&b, 100);
    expect_ack(&b, "window: call:2 dash:7 | calls/8/1 |");
    finish(&b);
}

static void test_flush_empties_the_limiter(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.key_interval_ms = 1000;
    bench b = start(options);
    for (int i = 0; i < 2; i++) {
        change(&b, TP_OP_UPDATE, "7", "1");
        pass(&b, 100);
    }
    change(&b, TP_OP_UPDATE, "8", "1");
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    tp_pipeline_flush(b.pipeline, b.now);
    expect_ack(&b, "flush: call:1 dash:7 dash:8 | calls/8/1 calls/8/1 |");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static void test_limiter_forgets_idle_keys(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.key_interval_ms = 1000;
    options.max_bytes = 1 << 24;
    bench b = start(options);
    char id[32];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(id, sizeof id, "%d.%d", round, i);
            key(&b, id);
        }
        pass(&b, 100);
        while (tp_pipeline_has_next(b.pipeline)) {
            tp_pipeline_ack(b.pipeline, tp_pipeline_next(b.pipeline));
        }
        tp_pipeline_counters counters;
        tp_pipeline_counters_get(b.pipeline, &counters);
        assert_true(counters.bytes < 12 * 100 * 400);
    }
    pass(&b, 1000);
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(b.pipeline, &counters);
    assert_int_equal(counters.bytes, 0);
    finish(&b);
}

static void test_positions(void **state) {
    (void)state;
    bench b = start(defaults());
    assert_null(tp_pipeline_position(b.pipeline));
    checkpoint(&b, "start");
    assert_string_equal(tp_pipeline_position(b.pipeline), "start");
    assert_int_equal(tp_pipeline_position_lsn(b.pipeline), 5);
    assert_null(tp_pipeline_position(b.pipeline));
    change(&b, TP_OP_UPDATE, "7", "1");
    checkpoint(&b, "one");
    pass(&b, 100);
    change(&b, TP_OP_UPDATE, "7", "2");
    checkpoint(&b, "two");
    pass(&b, 100);
    checkpoint(&b, "idle");
    tp_batch *first = tp_pipeline_next(b.pipeline);
    tp_batch *second = tp_pipeline_next(b.pipeline);
    assert_string_equal(tp_batch_position(first), "one");
    assert_string_equal(tp_batch_position(second), "two");
    assert_null(tp_pipeline_position(b.pipeline));
    tp_pipeline_ack(b.pipeline, second);
    assert_null(tp_pipeline_position(b.pipeline));
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 1);
    tp_pipeline_ack(b.pipeline, first);
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 3);
    assert_string_equal(tp_pipeline_position(b.pipeline), "idle");
    finish(&b);
}

static void test_nack(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    checkpoint(&b, "one");
    pass(&b, 100);
    tp_batch *batch = expect(&b, "window: call:1 dash:7 | calls/8/1 |");
    tp_pipeline_nack(b.pipeline, b.now, batch);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 1000);
    assert_false(tp_pipeline_idle(b.pipeline));
    pass(&b, 999);
    expect_nothing(&b);
    assert_null(tp_pipeline_position(b.pipeline));
    pass(&b, 1);
    batch = expect(&b, "window: call:1 dash:7 | calls/8/1 |");
    assert_int_equal(tp_batch_number(batch), 1);
    assert_int_equal(tp_batch_attempt(batch), 2);
    tp_pipeline_ack(b.pipeline, batch);
    assert_string_equal(tp_pipeline_position(b.pipeline), "one");
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(b.pipeline, &counters);
    assert_int_equal(counters.redelivered, 1);
    assert_int_equal(counters.keys, 2);
    assert_int_equal(counters.batches, 1);
    finish(&b);
}

static void test_drop(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    checkpoint(&b, "one");
    pass(&b, 100);
    tp_pipeline_drop(b.pipeline, tp_pipeline_next(b.pipeline));
    assert_null(tp_pipeline_position(b.pipeline));
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 1);
    tp_pipeline_rewind(b.pipeline);
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 2);
    finish(&b);
}

static void test_resyncs_are_bounded_while_the_host_sleeps(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_pending = 3;
    bench b = start(options);
    tp_pipeline_counters counters;
    for (int i = 0; i < 1000; i++) {
        tp_pipeline_resync(b.pipeline, b.now, NULL, 0, 0);
        change(&b, TP_OP_TRUNCATE, NULL, NULL);
        tp_pipeline_resync(b.pipeline, b.now, b.calls, 0, 0);
        change(&b, TP_OP_UPDATE, "7", "1");
        pass(&b, 100);
        tp_pipeline_counters_get(b.pipeline, &counters);
        assert_true(counters.pending_batches <= 4);
        assert_true(counters.bytes < 10000);
    }
    while (!tp_pipeline_idle(b.pipeline)) {
        pass(&b, 100);
        while (tp_pipeline_has_next(b.pipeline)) {
            tp_pipeline_ack(b.pipeline, tp_pipeline_next(b.pipeline));
        }
    }
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 4001);
    finish(&b);
}

static void test_rewind(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    bench b = start(options);
    change(&b, TP_OP_UPDATE, "7", "1");
    checkpoint(&b, "one");
    pass(&b, 100);
    change(&b, TP_OP_UPDATE, "7", "2");
    pass(&b, 100);
    change(&b, TP_OP_UPDATE, "7", "3");
    tp_batch *out = expect(&b, "window: call:1 dash:7 | calls/8/1 |");
    tp_pipeline_rewind(b.pipeline);
    assert_null(tp_pipeline_position(b.pipeline));
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 2);
    change(&b, TP_OP_UPDATE, "7", "1"); /* replayed */
    change(&b, TP_OP_UPDATE, "7", "3");
    checkpoint(&b, "replayed");
    tp_pipeline_ack(b.pipeline, out);
    expect_ack(&b, "window: call:2 dash:7 | calls/8/1 |");
    assert_null(tp_pipeline_position(b.pipeline));
    pass(&b, 100);
    expect_ack(&b, "window: call:1 call:3 dash:7 | calls/8/2 calls/8/1 |");
    assert_string_equal(tp_pipeline_position(b.pipeline), "replayed");
    finish(&b);
}

static void test_pending_batches_keep_the_window_open(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_pending = 1;
    options.max_keys = 2;
    bench b = start(options);
    key(&b, "a");
    pass(&b, 100);
    assert_true(tp_pipeline_full(b.pipeline));
    for (int i = 0; i < 5; i++) {
        static const char *const keys[] = {"b", "c", "d", "e", "f"};
        key(&b, keys[i]);
        pass(&b, 100);
        assert_int_equal(tp_pipeline_deadline(b.pipeline), UINT64_MAX);
    }
    expect_ack(&b, "window: a | |");
    assert_false(tp_pipeline_full(b.pipeline));
    assert_true(tp_pipeline_deadline(b.pipeline) <= b.now);
    pass(&b, 0);
    expect_ack(&b, "size: b c | |");
    expect_ack(&b, "size: d e | |");
    expect_ack(&b, "size: f | |");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static void test_limiter_wakes_while_pending_is_full(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_pending = 1;
    options.key_interval_ms = 1000;
    bench b = start(options);
    key(&b, "a");
    pass(&b, 100); /* 1100 */
    expect_ack(&b, "window: a | |");
    key(&b, "a");
    pass(&b, 100); /* 1200: held */
    key(&b, "b");
    pass(&b, 100);
    assert_true(tp_pipeline_full(b.pipeline));
    assert_int_equal(tp_pipeline_deadline(b.pipeline), 2100);
    pass(&b, 1000);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), UINT64_MAX);
    expect_ack(&b, "window: b | |");
    pass(&b, 100);
    expect_ack(&b, "window: a | |");
    finish(&b);
}

static void test_memory_full_collapses_to_a_resync(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_bytes = 20000;
    options.max_keys = 1000000;
    bench b = start(options);
    char id[16];
    uint64_t worst = 0;
    tp_pipeline_counters counters;
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "%d", i);
        change(&b, TP_OP_UPDATE, "7", id);
        tp_pipeline_counters_get(b.pipeline, &counters);
        worst = counters.bytes > worst ? counters.bytes : worst;
    }
    assert_true(tp_pipeline_full(b.pipeline));
    assert_true(worst < 30000);
    assert_true(counters.collapsed > 19000);
    assert_int_equal(counters.changes, 20000);
    change(&b, TP_OP_UPDATE, "7", "0");
    tp_pipeline_counters_get(b.pipeline, &counters);
    assert_int_equal(counters.merged, 1);
    pass(&b, 100);
    expect_ack(&b, "resync: | | calls");
    tp_pipeline_ack(b.pipeline, tp_pipeline_next(b.pipeline));
    expect_nothing(&b);
    assert_false(tp_pipeline_full(b.pipeline));
    finish(&b);
}

static void test_memory_full_of_keys_collapses_to_everything(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_bytes = 1;
    bench b = start(options);
    key(&b, "a");
    key(&b, "a");
    expect_nothing(&b);
    key(&b, "b");
    pass(&b, 0);
    expect_ack(&b, "resync: | | *");
    pass(&b, 100);
    expect_ack(&b, "window: a | |");
    finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limiter),
        cmocka_unit_test(test_flush_empties_the_limiter),
        cmocka_unit_test(test_limiter_forgets_idle_keys),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_nack),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_resyncs_are_bounded_while_the_host_sleeps),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_pending_batches_keep_the_window_open),
        cmocka_unit_test(test_limiter_wakes_while_pending_is_full),
        cmocka_unit_test(test_memory_full_collapses_to_a_resync),
        cmocka_unit_test(test_memory_full_of_keys_collapses_to_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
