/* Resyncs that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/resyncs.h"
#include "oom.h"

static const char *const names[] = {"user_id", "id"};

static const tp_hash_key hash_key;

static tp_resyncs *make_resyncs(void) {
    return tp_resyncs_new(&hash_key, 2);
}

static tp_cascade *make_cascade(void) {
    tp_cascade *cascade = NULL;
    assert_int_equal(tp_cascade_new(&cascade, NULL), TRIGPERF_OK);
    assert_int_equal(tp_cascade_rule(cascade, "a", NULL, 0, "x:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "b", NULL, 0, "y:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "a", 1, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "b", 2, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_prepare(cascade, NULL), TRIGPERF_OK);
    return cascade;
}

static void assert_tables(tp_resyncs *resyncs, const tp_cascade *cascade, const char *expected) {
    char text[64] = "";
    tp_batch *batch = tp_resyncs_take(resyncs, cascade, "p");
    assert_non_null(batch);
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        strcat(text, tp_batch_resync_table(batch, i));
    }
    assert_string_equal(text, expected);
    assert_string_equal(tp_batch_position(batch), "p");
    assert_int_equal(tp_batch_reason_of(batch), TP_BATCH_RESYNC);
    tp_batch_free(batch);
    assert_false(tp_resyncs_has_tables(resyncs));
    assert_false(tp_resyncs_has_all(resyncs));
    assert_int_equal(tp_resyncs_arrival(resyncs), UINT64_MAX);
    assert_int_equal(tp_resyncs_bytes(resyncs), 0);
}

static void add(tp_resyncs *resyncs, const tp_cascade *cascade, const char *table,
                uint64_t arrival) {
    tp_resync_mark mark = {arrival, arrival, arrival};
    tp_resyncs_add(resyncs, cascade, tp_cascade_find(cascade, table), &mark);
}

static void test_a_burst_is_one_entry(void **state) {
    (void)state;
    tp_resyncs *resyncs = make_resyncs();
    tp_cascade *cascade = make_cascade();
    assert_int_equal(tp_resyncs_arrival(resyncs), UINT64_MAX);
    add(resyncs, cascade, "b", 4);
    add(resyncs, cascade, "a", 5);
    add(resyncs, cascade, "b", 6);
    assert_true(tp_resyncs_has_tables(resyncs));
    assert_int_equal(tp_resyncs_arrival(resyncs), 4);
    assert_true(tp_resyncs_bytes(resyncs) > 0);
    assert_tables(resyncs, cascade, "ba");
    tp_cascade_free(cascade);
    tp_resyncs_free(resyncs);
    tp_resyncs_free(NULL);
}

static void test_everything_swallows_tables(void **state) {
    (void)state;
    tp_resyncs *resyncs = make_resyncs();
    tp_cascade *cascade = make_cascade();
    add(resyncs, cascade, "b", 4);
    tp_resyncs_add_all(resyncs, &(tp_resync_mark){5, 50, 7});
    add(resyncs, cascade, "a", 6);
    assert_false(tp_resyncs_has_tables(resyncs));
    assert_true(tp_resyncs_has_all(resyncs));
    assert_int_equal(tp_resyncs_arrival(resyncs), 4);
    tp_batch *batch = tp_resyncs_take(resyncs, cascade, "");
    assert_int_equal(tp_batch_resync_count(batch), 1);
    assert_string_equal(tp_batch_resync_table(batch, 0), "*");
    assert_int_equal(tp_batch_resync_template_count(batch, 0), 2);
    assert_string_equal(tp_batch_resync_prefix(batch, 0, 1), "y:");
    assert_int_equal(tp_batch_lsn(batch), 50);
    assert_int_equal(tp_batch_tag(batch), 7);
    tp_batch_free(batch);
    tp_cascade_free(cascade);
    tp_resyncs_free(resyncs);
}

static void test_truncates_are_shown(void **state) {
    (void)state;
    tp_resyncs *resyncs = make_resyncs();
    tp_cascade *cascade = make_cascade();
    const tp_table *a = tp_cascade_find(cascade, "a");
    for (uint64_t i = 1; i <= 2; i++) {
        tp_addition addition = {1, i, i, TP_OP_TRUNCATE};
        assert_true(tp_resyncs_add_truncate(resyncs, a, &addition));
        add(resyncs, cascade, "a", i);
    }
    tp_batch *batch = tp_resyncs_take(resyncs, cascade, "");
    assert_int_equal(tp_batch_change_count(batch), 1);
    assert_int_equal(tp_batch_change_merged(batch, 0), 2);
    assert_int_equal(tp_batch_change_ops(batch, 0), TP_OP_TRUNCATE);
    assert_int_equal(tp_batch_change_value_count(batch, 0), 2);
    assert_null(tp_batch_change_value(batch, 0, 0, NULL));
    assert_null(tp_batch_change_value(batch, 0, 1, NULL));
    tp_batch_free(batch);
    add(resyncs, cascade, "a", 3);
    assert_tables(resyncs, cascade, "a");
    tp_cascade_free(cascade);
    tp_resyncs_free(resyncs);
}

static void test_rules_changed_in_between(void **state) {
    (void)state;
    tp_resyncs *resyncs = make_resyncs();
    tp_cascade *cascade = make_cascade();
    add(resyncs, cascade, "a", 1);
    tp_resyncs_rules_changed(resyncs);
    tp_cascade_free(cascade);
    cascade = make_cascade();
    add(resyncs, cascade, "a", 2);
    add(resyncs, cascade, "a", 3);
    assert_tables(resyncs, cascade, "aa");
    tp_cascade_free(cascade);
    tp_resyncs_free(resyncs);
}

static void test_out_of_memory_becomes_everything(void **state) {
    (void)state;
    tp_cascade *cascade = make_cascade();
    for (unsigned n = 1;; n++) {
        tp_resyncs *resyncs = make_resyncs();
        oom_fail_at(n);
        add(resyncs, cascade, "a", 1);
        add(resyncs, cascade, "b", 2);
        bool failed = oom_reset();
        assert_int_equal(tp_resyncs_has_all(resyncs), failed);
        assert_tables(resyncs, cascade, failed ? "*" : "ab");
        tp_resyncs_free(resyncs);
        if (!failed) {
            assert_true(n > 4);
            break;
        }
    }
    tp_cascade_free(cascade);
}

static void test_taking_without_memory_loses_nothing(void **state) {
    (void)state;
    tp_cascade *cascade = make_cascade();
    tp_resyncs *resyncs = make_resyncs();
    tp_addition addition = {1, 1, 1, TP_OP_TRUNCATE};
    assert_true(tp_resyncs_add_truncate(resyncs, tp_cascade_find(cascade, "a"), &addition));
    add(resyncs, cascade, "a", 1);
    unsigned failures = 0;
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        tp_batch *batch = tp_resyncs_take(resyncs, cascade, "");
        bool failed = oom_reset();
        assert_int_equal(batch == NULL, failed);
        if (batch != NULL) {
            assert_int_equal(tp_batch_change_count(batch), 1);
            assert_string_equal(tp_batch_resync_table(batch, 0), failures > 0 ? "*" : "a");
            tp_batch_free(batch);
            break;
        }
        failures++;
        assert_int_equal(tp_resyncs_arrival(resyncs), 1);
    }
    assert_true(failures > 2);
    tp_resyncs_free(resyncs);
    tp_cascade_free(cascade);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_one_entry),
        cmocka_unit_test(test_everything_swallows_tables),
        cmocka_unit_test(test_truncates_are_shown),
        cmocka_unit_test(test_rules_changed_in_between),
        cmocka_unit_test(test_out_of_memory_becomes_everything),
        cmocka_unit_test(test_taking_without_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
