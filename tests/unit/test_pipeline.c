/* What becomes a batch, and when. */
#include "pipeline_bench.h"

static void test_window(void **state) {
    (void)state;
    bench b = start(defaults());
    assert_true(tp_pipeline_idle(b.pipeline));
    assert_int_equal(tp_pipeline_deadline(b.pipeline), UINT64_MAX);
    change(&b, TP_OP_UPDATE, "7", "9");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), 1100);
    pass(&b, 60);
    change(&b, TP_OP_UPDATE, "7", "8");
    change(&b, TP_OP_INSERT, "7", "9");
    pass(&b, 39);
    expect_nothing(&b);
    assert_false(tp_pipeline_idle(b.pipeline));
    pass(&b, 1);
    expect_ack(&b, "window: call:8 call:9 dash:7 | calls/10/2 calls/8/1 |");
    expect_nothing(&b);
    assert_true(tp_pipeline_idle(b.pipeline));
    assert_int_equal(tp_pipeline_deadline(b.pipeline), UINT64_MAX);
    finish(&b);
}

static void test_size(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_keys = 4;
    bench b = start(options);
    change(&b, TP_OP_UPDATE, "7", "1");
    change(&b, TP_OP_UPDATE, "7", "2");
    expect_nothing(&b);
    change(&b, TP_OP_UPDATE, "8", "3");
    expect_ack(&b, "size: call:1 call:2 dash:7 | calls/8/1 calls/8/1 |");
    expect_nothing(&b);
    change(&b, TP_OP_UPDATE, "8", "4");
    change(&b, TP_OP_UPDATE, "8", "5");
    expect_ack(&b, "size: call:3 call:4 call:5 dash:8 | calls/8/1 calls/8/1 calls/8/1 |");
    assert_int_equal(tp_pipeline_deadline(b.pipeline), UINT64_MAX);
    finish(&b);
}

static void test_one_change_is_never_split(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_keys = 1;
    bench b = start(options);
    change(&b, TP_OP_DELETE, "7", "1");
    expect_ack(&b, "size: call:1 dash:7 gone:1 | calls/1/1 |");
    key(&b, "a");
    expect_ack(&b, "size: a | |");
    finish(&b);
}

static void test_changes_without_keys_are_delivered(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_keys = 2;
    bench b = start(options);
    change(&b, TP_OP_UPDATE, NULL, NULL);
    change(&b, TP_OP_INSERT, NULL, NULL);
    assert_int_equal(try_change(&b, b.plain, TP_OP_UPDATE, "7", "1", 0), TRIGPERF_OK);
    expect_ack(&b, "size: | calls/10/2 plain/8/1 |");
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(b.pipeline, &counters);
    assert_int_equal(counters.keyless, 3);
    assert_int_equal(counters.merged, 1);
    assert_int_equal(counters.keys, 0);
    finish(&b);
}

static void test_operations_have_their_own_rules(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    change(&b, TP_OP_DELETE, "7", "1");
    change(&b, TP_OP_DELETE, "7", "1");
    pass(&b, 100);
    expect_ack(&b, "window: call:1 dash:7 gone:1 | calls/9/3 |");
    finish(&b);
}

static void test_a_moved_key_is_two_changes(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    change(&b, TP_OP_UPDATE, "8", "1");
    pass(&b, 100);
    tp_batch *batch = expect(&b, "window: call:1 dash:7 dash:8 | calls/8/1 calls/8/1 |");
    assert_string_equal(tp_batch_change_value(batch, 0, 0, NULL), "7");
    assert_string_equal(tp_batch_change_value(batch, 1, 0, NULL), "8");
    tp_pipeline_ack(b.pipeline, batch);
    finish(&b);
}

static void test_keys_of_the_host(void **state) {
    (void)state;
    bench b = start(defaults());
    trigperf_error *err = NULL;
    key(&b, "dash:7");
    key(&b, "dash:7");
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 100);
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    assert_int_equal(tp_pipeline_key(b.pipeline, b.now, "", 0, &err), TRIGPERF_E_INVALID);
    trigperf_error_free(err);
    finish(&b);
}

static void test_lsn_of_a_batch(void **state) {
    (void)state;
    bench b = start(defaults());
    assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "7", "1", 50), TRIGPERF_OK);
    assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "7", "2", 40), TRIGPERF_OK);
    pass(&b, 100);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    assert_int_equal(tp_batch_lsn(batch), 50);
    tp_pipeline_ack(b.pipeline, batch);
    assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "7", "1", 50), TRIGPERF_OK);
    key(&b, "pushed");
    pass(&b, 100);
    batch = tp_pipeline_next(b.pipeline);
    assert_int_equal(tp_batch_lsn(batch), 0);
    tp_pipeline_ack(b.pipeline, batch);
    finish(&b);
}

static void test_flush(void **state) {
    (void)state;
    bench b = start(defaults());
    tp_pipeline_flush(b.pipeline, b.now);
    expect_nothing(&b);
    change(&b, TP_OP_UPDATE, "7", "1");
    tp_pipeline_flush(b.pipeline, b.now);
    expect_ack(&b, "flush: call:1 dash:7 | calls/8/1 |");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static void test_resync_of_everything(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    tp_pipeline_resync(b.pipeline, b.now, b.calls, 0, 7);
    tp_pipeline_resync(b.pipeline, b.now, NULL, 4, 9);
    tp_pipeline_resync(b.pipeline, b.now, NULL, 3, 8);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), 0);
    pass(&b, 0);
    tp_batch *batch = expect(&b, "resync: | | *");
    assert_int_equal(tp_batch_tag(batch), 4);
    assert_int_equal(tp_batch_lsn(batch), 9);
    assert_int_equal(tp_batch_resync_template_count(batch, 0), 3);
    assert_string_equal(tp_batch_resync_template(batch, 0, 0), "dash:{user_id}");
    assert_string_equal(tp_batch_resync_prefix(batch, 0, 0), "call:");
    tp_pipeline_ack(b.pipeline, batch);
    expect_nothing(&b);
    pass(&b, 100);
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    finish(&b);
}

static void test_resync_swallows_until_handed_out(void **state) {
    (void)state;
    bench b = start(defaults());
    tp_pipeline_resync(b.pipeline, b.now, NULL, 1, 0);
    pass(&b, 0);
    tp_pipeline_resync(b.pipeline, b.now, NULL, 2, 0);
    tp_pipeline_resync(b.pipeline, b.now, b.calls, 0, 0);
    pass(&b, 100);
    tp_batch *batch = expect(&b, "resync: | | *");
    assert_int_equal(tp_batch_tag(batch), 2);
    expect_nothing(&b);
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 1);
    tp_pipeline_resync(b.pipeline, b.now, NULL, 3, 0);
    pass(&b, 0);
    tp_pipeline_ack(b.pipeline, batch);
    assert_int_equal(tp_pipeline_low_water(b.pipeline), 4);
    expect_ack(&b, "resync: | | *");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static void test_resync_of_a_table_comes_before_the_keys(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 50);
    tp_pipeline_resync(b.pipeline, b.now, b.calls, 0, 0);
    tp_pipeline_resync(b.pipeline, b.now, b.plain, 0, 0);
    tp_pipeline_resync(b.pipeline, b.now, b.calls, 0, 0);
    pass(&b, 49);
    expect_nothing(&b);
    pass(&b, 1);
    expect_ack(&b, "resync: | | calls plain");
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    expect_nothing(&b);
    tp_pipeline_resync(b.pipeline, b.now, b.plain, 0, 0);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), b.now + 100);
    assert_false(tp_pipeline_idle(b.pipeline));
    pass(&b, 100);
    expect_ack(&b, "resync: | | plain");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static void test_truncate(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    change(&b, TP_OP_TRUNCATE, NULL, NULL);
    change(&b, TP_OP_TRUNCATE, NULL, NULL);
    assert_int_equal(tp_pipeline_arrived(b.pipeline), 3);
    pass(&b, 100);
    tp_batch *batch = expect(&b, "resync: | calls/4/2 | calls");
    assert_non_null(strstr(tp_batch_json(batch, NULL),
                           "\"keys\":[],\"changes\":[{\"table\":\"calls\",\"ops\":[\"truncate\"],"
                           "\"keys\":{\"user_id\":null,\"id\":null},\"count\":2}],\"resync\":[{"
                           "\"table\":\"calls\""));
    tp_pipeline_ack(b.pipeline, batch);
    expect_ack(&b, "window: call:1 dash:7 | calls/8/1 |");
    tp_pipeline_resync(b.pipeline, b.now, NULL, 0, 0);
    change(&b, TP_OP_TRUNCATE, NULL, NULL);
    pass(&b, 0);
    change(&b, TP_OP_TRUNCATE, NULL, NULL);
    expect_ack(&b, "resync: | calls/4/1 | *");
    pass(&b, 100);
    expect_ack(&b, "resync: | calls/4/1 | calls");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static tp_pipeline_counters counted(const bench *b) {
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(b->pipeline, &counters);
    return counters;
}

static void test_a_key_that_is_no_text_resyncs_its_table(void **state) {
    (void)state;
    bench b = start(defaults());
    uint64_t token = tp_fence_begin(b.fence);
    change(&b, TP_OP_UPDATE, "7",
           "Stra\xC3\x9F"
           "e");
    change(&b, TP_OP_UPDATE, "7",
           "Stra\xDF"
           "e");
    change(&b, TP_OP_UPDATE, "7",
           "Stra\xDF"
           "e");
    assert_int_equal(try_change(&b, b.plain, TP_OP_DELETE, "\xED\xA0\x80", NULL, 0), TRIGPERF_OK);
    assert_false(tp_fence_check(b.fence, token, "call:anything", 13));
    pass(&b, 100);
    expect_ack(&b, "resync: | | calls plain");
    expect_ack(&b, "window: call:Stra\xC3\x9F"
                   "e dash:7 | calls/8/1 |");
    assert_true(tp_pipeline_idle(b.pipeline));
    assert_int_equal(counted(&b).unreadable, 3);
    assert_int_equal(counted(&b).changes, 4);
    assert_int_equal(counted(&b).collapsed, 0);
    const tp_samples *samples = tp_pipeline_unreadable_samples(b.pipeline);
    assert_int_equal(samples->count, 3);
    assert_string_equal(tp_samples_at(samples, 0)->origin, "calls");
    assert_string_equal(tp_samples_at(samples, 0)->text, "Stra\xDF"
                                                         "e");
    assert_string_equal(tp_samples_at(samples, 2)->origin, "plain");
    finish(&b);
}

static void test_what_a_source_cannot_read(void **state) {
    (void)state;
    bench b = start(defaults());
    tp_value nothing = {"", 0};
    tp_pipeline_unreadable(b.pipeline, b.now, b.calls, &nothing, 9);
    pass(&b, 100);
    tp_batch *batch = expect(&b, "resync: | | calls");
    assert_int_equal(tp_batch_lsn(batch), 9);
    tp_pipeline_ack(b.pipeline, batch);
    assert_int_equal(counted(&b).unreadable, 1);
    finish(&b);
}

/* Without memory it is told as everything: never not at all. */
static void test_unreadable_without_memory(void **state) {
    (void)state;
    for (unsigned fail = 1;; fail++) {
        bench b = start(defaults());
        oom_fail_at(fail);
        int32_t status = try_change(&b, b.calls, TP_OP_UPDATE, "7", "\xFF", 0);
        bool failed = oom_reset();
        assert_int_equal(status, status == TRIGPERF_OK ? TRIGPERF_OK : TRIGPERF_E_NOMEM);
        pass(&b, 100);
        if (status == TRIGPERF_OK) {
            tp_batch *batch = tp_pipeline_next(b.pipeline);
            assert_non_null(batch);
            assert_int_equal(tp_batch_resync_count(batch), 1);
            tp_pipeline_ack(b.pipeline, batch);
            assert_int_equal(counted(&b).unreadable, 1);
        } else {
            expect_nothing(&b);
            assert_int_equal(counted(&b).unreadable, 0);
        }
        finish(&b);
        if (!failed) {
            return;
        }
    }
}

static void test_generations(void **state) {
    (void)state;
    bench b = start(defaults());
    assert_int_equal(tp_pipeline_generation(b.pipeline, "dash:{user_id}"), 1);
    assert_int_equal(tp_pipeline_generation(b.pipeline, "none:{id}"), 0);
    tp_pipeline_resync(b.pipeline, b.now, b.plain, 0, 0);
    assert_int_equal(tp_pipeline_generation(b.pipeline, "dash:{user_id}"), 1);
    tp_pipeline_resync(b.pipeline, b.now, b.calls, 0, 0);
    tp_pipeline_resync(b.pipeline, b.now, NULL, 0, 0);
    assert_int_equal(tp_pipeline_generation(b.pipeline, "dash:{user_id}"), 3);
    finish(&b);
}

static void test_fence_is_marked_at_arrival(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.key_interval_ms = 100000;
    bench b = start(options);
    for (int i = 0; i < 4; i++) {
        uint64_t token = tp_fence_begin(b.fence);
        assert_true(tp_fence_check(b.fence, token, "dash:7", 6));
        change(&b, TP_OP_UPDATE, "7", "1"); /* new, merged, held back, held back and merged */
        tp_pipeline_settle(b.pipeline);
        assert_false(tp_fence_check(b.fence, token, "dash:7", 6));
        assert_false(tp_fence_check(b.fence, token, "call:1", 6));
        pass(&b, i % 2 == 1 ? 100 : 0);
    }
    uint64_t token = tp_fence_begin(b.fence);
    key(&b, "own");
    tp_pipeline_settle(b.pipeline);
    assert_false(tp_fence_check(b.fence, token, "own", 3));
    assert_true(tp_fence_check(b.fence, token, "dash:7", 6));
    tp_pipeline_resync(b.pipeline, b.now, b.plain, 0, 0);
    assert_false(tp_fence_check(b.fence, token, "dash:7", 6));
    finish(&b);
}

static void test_works_without_a_fence(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.key_interval_ms = 100;
    tp_cascade *cascade = make_cascade();
    bench b = {.cascade = cascade, .now = 1000, .calls = tp_cascade_find(cascade, "calls")};
    assert_int_equal(tp_pipeline_new(&options, cascade, NULL, &b.pipeline, NULL), TRIGPERF_OK);
    for (int i = 0; i < 5; i++) {
        change(&b, TP_OP_UPDATE, "7", "1");
        change(&b, TP_OP_UPDATE, "7", "1");
        key(&b, "own");
        pass(&b, 100);
    }
    tp_pipeline_resync(b.pipeline, b.now, NULL, 0, 0);
    finish(&b);
}

static void test_rules_change_while_changes_wait(void **state) {
    (void)state;
    bench b = start(defaults());
    tp_cascade *fresh = NULL;
    change(&b, TP_OP_UPDATE, "7", "1");
    assert_int_equal(tp_cascade_new(&fresh, NULL), TRIGPERF_OK);
    assert_int_equal(tp_cascade_rule(fresh, "calls", NULL, 0, "fresh:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_table(fresh, "calls", 1, names, 2, &b.calls, NULL), 0);
    assert_int_equal(tp_cascade_prepare(fresh, NULL), TRIGPERF_OK);
    assert_int_equal(tp_pipeline_set_cascade(b.pipeline, fresh, NULL), TRIGPERF_OK);
    tp_cascade_free(b.cascade);
    b.cascade = fresh;
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 100);
    expect_ack(&b, "window: call:1 dash:7 fresh:1 | calls/8/2 |");
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 100);
    expect_ack(&b, "window: fresh:1 | calls/8/1 |");
    assert_int_equal(tp_pipeline_generation(b.pipeline, "fresh:{id}"), 1);
    finish(&b);
}

static void test_batches_outlive_the_pipeline(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    pass(&b, 100);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    finish(&b);
    assert_string_equal(tp_batch_key(batch, 0, NULL), "call:1");
    assert_string_equal(tp_batch_change_name(batch, 0, 1), "id");
    assert_non_null(tp_batch_json(batch, NULL));
    tp_batch_free(batch);
}

static void test_clock_that_goes_back(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    b.now = 10;
    change(&b, TP_OP_UPDATE, "7", "2");
    pass(&b, 0);
    expect_nothing(&b);
    assert_int_equal(tp_pipeline_deadline(b.pipeline), 1100);
    b.now = UINT64_MAX;
    pass(&b, 0);
    expect_ack(&b, "window: call:1 call:2 dash:7 | calls/8/1 calls/8/1 |");
    change(&b, TP_OP_UPDATE, "7", "2");
    pass(&b, 0);
    tp_pipeline_flush(b.pipeline, b.now);
    assert_true(tp_pipeline_has_next(b.pipeline));
    finish(&b);
}

static void test_values_of_a_megabyte(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    options.max_bytes = 1 << 24;
    bench b = start(options);
    char *value = malloc((1 << 20) + 1);
    memset(value, '{', 1 << 20);
    value[1 << 20] = '\0';
    change(&b, TP_OP_UPDATE, value, "1");
    pass(&b, 100);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    size_t length = 0;
    assert_string_equal(tp_batch_change_value(batch, 0, 0, &length), value);
    assert_int_equal(length, 1 << 20);
    assert_string_equal(tp_batch_key(batch, 1, &length) + 5, value);
    assert_int_equal(length, (1 << 20) + 5);
    tp_pipeline_ack(b.pipeline, batch);
    free(value);
    finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_one_change_is_never_split),
        cmocka_unit_test(test_changes_without_keys_are_delivered),
        cmocka_unit_test(test_operations_have_their_own_rules),
        cmocka_unit_test(test_a_moved_key_is_two_changes),
        cmocka_unit_test(test_keys_of_the_host),
        cmocka_unit_test(test_lsn_of_a_batch),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_resync_of_everything),
        cmocka_unit_test(test_resync_swallows_until_handed_out),
        cmocka_unit_test(test_resync_of_a_table_comes_before_the_keys),
        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_a_key_that_is_no_text_resyncs_its_table),
        cmocka_unit_test(test_what_a_source_cannot_read),
        cmocka_unit_test(test_unreadable_without_memory),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_fence_is_marked_at_arrival),
        cmocka_unit_test(test_works_without_a_fence),
        cmocka_unit_test(test_rules_change_while_changes_wait),
        cmocka_unit_test(test_batches_outlive_the_pipeline),
        cmocka_unit_test(test_clock_that_goes_back),
        cmocka_unit_test(test_values_of_a_megabyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
