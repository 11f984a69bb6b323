/* The pipeline while allocations fail. */
#include "pipeline_bench.h"

/* Pushes, has it held back, resyncs, truncates, closes; whatever fails, nothing may be lost. */
static void storm(bench *b, bool *refused) {
    *refused = false;
    for (int i = 0; i < 3; i++) {
        const tp_value values[] = {text("7"), text(i == 0 ? "1" : "2")};
        tp_change update = {b->calls, TP_OP_UPDATE, values, 9};
        *refused |= tp_pipeline_change(b->pipeline, b->now, &update, NULL) != TRIGPERF_OK;
        update.op = TP_OP_DELETE;
        *refused |= tp_pipeline_change(b->pipeline, b->now, &update, NULL) != TRIGPERF_OK;
        *refused |= tp_pipeline_key(b->pipeline, b->now, "own", 3, NULL) != TRIGPERF_OK;
        if (i == 1) {
            tp_pipeline_resync(b->pipeline, b->now, b->calls, 0, 0);
        }
        pass(b, 100);
    }
    const tp_value nulls[] = {text(NULL), text(NULL)};
    const tp_change truncate = {b->plain, TP_OP_TRUNCATE, nulls, 9};
    *refused |= tp_pipeline_change(b->pipeline, b->now, &truncate, NULL) != TRIGPERF_OK;
    *refused |= tp_pipeline_checkpoint(b->pipeline, "end", 1, NULL) != TRIGPERF_OK;
}

typedef struct seen {
    uint32_t keys;  /* bits: dash:7 call:1 call:2 gone:1 gone:2 own */
    bool calls;     /* resynced, or everything */
    bool truncated; /* plain */
    uint64_t merged;
} seen;

static void look(const tp_batch *batch, seen *out) {
    static const char *const keys[] = {"dash:7", "call:1", "call:2", "gone:1", "gone:2", "own"};
    for (uint32_t i = 0; i < tp_batch_key_count(batch); i++) {
        for (uint32_t k = 0; k < 6; k++) {
            out->keys |= strcmp(tp_batch_key(batch, i, NULL), keys[k]) == 0 ? 1u << k : 0;
        }
    }
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        const char *table = tp_batch_resync_table(batch, i);
        out->calls |= strcmp(table, "calls") == 0 || strcmp(table, "*") == 0;
    }
    for (uint32_t i = 0; i < tp_batch_change_count(batch); i++) {
        out->truncated |= tp_batch_change_ops(batch, i) == TP_OP_TRUNCATE;
        out->merged += tp_batch_change_merged(batch, i);
    }
}

static seen drain(bench *b) {
    seen all = {0, false, false, 0};
    for (int turn = 0; turn < 100 && !tp_pipeline_idle(b->pipeline); turn++) {
        pass(b, 100);
        for (tp_batch *batch; (batch = tp_pipeline_next(b->pipeline)) != NULL;) {
            look(batch, &all);
            tp_pipeline_ack(b->pipeline, batch);
        }
    }
    return all;
}

static void test_failing_allocations_lose_nothing(void **state) {
    (void)state;
    unsigned n = 1;
    for (;; n++) {
        tp_pipeline_options options = defaults();
        options.key_interval_ms = 250;
        options.max_keys = 3;
        bench b = start(options);
        bool refused = false;
        oom_fail_at(n);
        storm(&b, &refused);
        bool failed = oom_reset();
        seen all = drain(&b);
        assert_true(tp_pipeline_idle(b.pipeline));
        assert_int_equal(tp_pipeline_low_water(b.pipeline), tp_pipeline_arrived(b.pipeline) + 1);
        assert_true(all.calls);
        if (!refused) {
            assert_int_equal(all.keys, 63);
            assert_true(all.truncated);
            assert_string_equal(tp_pipeline_position(b.pipeline), "end");
        }
        finish(&b);
        if (!failed) {
            assert_false(refused);
            break;
        }
    }
    assert_true(n > 50);
}

static void test_no_memory_at_all(void **state) {
    (void)state;
    bench b = start(defaults());
    change(&b, TP_OP_UPDATE, "7", "1");
    oom_fail_from(1);
    assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "8", "2", 0), TRIGPERF_E_NOMEM);
    assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "7", "1", 0), TRIGPERF_OK);
    tp_pipeline_resync(b.pipeline, b.now, b.calls, 5, 0);
    for (int i = 0; i < 20; i++) {
        pass(&b, 100);
        assert_true(tp_pipeline_deadline(b.pipeline) > b.now);
        tp_pipeline_flush(b.pipeline, b.now);
    }
    assert_null(tp_pipeline_next(b.pipeline));
    assert_true(oom_reset());
    pass(&b, 100);
    tp_batch *batch = expect(&b, "resync: | | *");
    assert_int_equal(tp_batch_tag(batch), 5);
    tp_pipeline_ack(b.pipeline, batch);
    expect_ack(&b, "flush: call:1 dash:7 | calls/8/2 |");
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static void test_new_out_of_memory(void **state) {
    (void)state;
    tp_pipeline_options options = defaults();
    tp_cascade *cascade = make_cascade();
    for (unsigned n = 1;; n++) {
        tp_pipeline *pipeline = NULL;
        oom_fail_at(n);
        int32_t status = tp_pipeline_new(&options, cascade, NULL, &pipeline, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(pipeline == NULL, failed);
        if (!failed) {
            oom_fail_at(1);
            assert_int_equal(tp_pipeline_set_cascade(pipeline, cascade, NULL), TRIGPERF_OK);
            oom_reset();
        }
        tp_pipeline_free(pipeline);
        if (!failed) {
            break;
        }
    }
    tp_cascade_free(cascade);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_allocations_lose_nothing),
        cmocka_unit_test(test_no_memory_at_all),
        cmocka_unit_test(test_new_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
