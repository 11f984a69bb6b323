/* Making and reading batches. */
#include "batch_bench.h"
#include "oom.h"

static void test_keys_are_sorted_bytewise(void **state) {
    (void)state;
    tp_batch *batch = tp_batch_new(TP_BATCH_SIZE);
    tp_batch_add_key(batch, "b", 1);
    tp_batch_add_key(batch, "a:10", 4);
    tp_batch_add_key(batch, "a:9", 3);
    tp_batch_add_key(batch, "\xC3\xA9", 2);
    tp_batch_add_key(batch, "a", 1);
    tp_batch_add_key(batch, "a\0z", 3);
    assert_true(tp_batch_seal(batch, "position"));
    static const char *const order[] = {"a", "a\0z", "a:10", "a:9", "b", "\xC3\xA9"};
    static const size_t lengths[] = {1, 3, 4, 3, 1, 2};
    assert_int_equal(tp_batch_key_count(batch), 6);
    for (uint32_t i = 0; i < 6; i++) {
        size_t length = 0;
        const char *key = tp_batch_key(batch, i, &length);
        assert_int_equal(length, lengths[i]);
        assert_memory_equal(key, order[i], length + 1);
    }
    assert_null(tp_batch_key(batch, 6, NULL));
    assert_int_equal(tp_batch_reason_of(batch), TP_BATCH_SIZE);
    assert_string_equal(tp_batch_position(batch), "position");
    assert_int_equal(tp_batch_attempt(batch), 1);
    tp_batch_free(batch);
    tp_batch_free(NULL);
}

static void test_keys_in_order_stay(void **state) {
    (void)state;
    static const char *const order[] = {"a", "a", "a:1", "a:10", "b"};
    for (uint32_t swapped = 0; swapped < 5; swapped++) { /* with the one before; 0: none */
        tp_batch *batch = tp_batch_new(TP_BATCH_SIZE);
        for (uint32_t i = 0; i < 5; i++) {
            uint32_t at = i == swapped && i > 0 ? i - 1 : i + (i + 1 == swapped ? 1 : 0);
            tp_batch_add_key(batch, order[at], strlen(order[at]));
        }
        assert_true(tp_batch_seal(batch, ""));
        for (uint32_t i = 0; i < 5; i++) {
            assert_string_equal(tp_batch_key(batch, i, NULL), order[i]);
        }
        tp_batch_free(batch);
    }
}

static void test_expected(void **state) {
    (void)state;
    tp_batch *batch = tp_batch_new(TP_BATCH_WINDOW);
    tp_batch_expect(batch, 0, 0);
    uint64_t before = tp_batch_bytes(batch);
    tp_batch_expect(batch, 50, 20);
    uint64_t expected = tp_batch_bytes(batch);
    assert_true(expected > before);
    tp_batch_expect(batch, 5, 2);
    assert_true(tp_batch_bytes(batch) == expected);
    for (int i = 0; i < 100; i++) {
        tp_batch_add_key(batch, "k", 1);
    }
    assert_true(tp_batch_seal(batch, ""));
    assert_int_equal(tp_batch_key_count(batch), 100);
    tp_batch_free(batch);
    for (unsigned n = 1; n <= 2; n++) {
        batch = tp_batch_new(TP_BATCH_WINDOW);
        oom_fail_at(n);
        tp_batch_expect(batch, 50, 20);
        assert_true(oom_reset());
        assert_true(tp_batch_failed(batch));
        assert_false(tp_batch_seal(batch, ""));
        tp_batch_free(batch);
    }
}

static void test_changes(void **state) {
    (void)state;
    tp_coalescer from = {0};
    tp_batch *batch = tp_batch_new(TP_BATCH_WINDOW);
    tp_delta *delta = make_delta(&from, &calls, "7", NULL, (tp_addition){3, 1, 80, TP_OP_UPDATE});
    tp_batch_add_delta(batch, delta);
    delta = make_delta(&from, &plain, "", "x", (tp_addition){1, 1, 90, TP_OP_INSERT});
    tp_batch_add_delta(batch, delta);
    delta = make_delta(&from, &calls, "8", "1", (tp_addition){1, 1, 70, TP_OP_DELETE});
    tp_batch_add_delta(batch, delta);
    tp_coalescer_free(&from);
    assert_true(tp_batch_seal(batch, ""));
    assert_int_equal(tp_batch_change_count(batch), 3);
    assert_string_equal(tp_batch_change_table(batch, 0), "public.calls");
    assert_string_equal(tp_batch_change_table(batch, 1), "plain");
    assert_string_equal(tp_batch_change_table(batch, 2), "public.calls");
    assert_int_equal(tp_batch_change_ops(batch, 2), TP_OP_DELETE);
    assert_int_equal(tp_batch_change_merged(batch, 0), 3);
    assert_int_equal(tp_batch_change_value_count(batch, 0), 2);
    assert_string_equal(tp_batch_change_name(batch, 1, 0), "user_id");
    assert_string_equal(tp_batch_change_name(batch, 1, 1), "id");
    size_t length = 9;
    assert_string_equal(tp_batch_change_value(batch, 0, 0, &length), "7");
    assert_int_equal(length, 1);
    assert_null(tp_batch_change_value(batch, 0, 1, &length));
    assert_int_equal(length, 0);
    assert_string_equal(tp_batch_change_value(batch, 1, 0, NULL), "");
    assert_int_equal(tp_batch_lsn(batch), 90);
    tp_batch_free(batch);
}

static void test_out_of_range(void **state) {
    (void)state;
    tp_coalescer from = {0};
    tp_batch *batch = tp_batch_new(TP_BATCH_WINDOW);
    tp_batch_add_delta(batch, make_delta(&from, &calls, "7", "1", (tp_addition){1, 1, 1, 1}));
    tp_coalescer_free(&from);
    assert_true(tp_batch_seal(batch, ""));
    assert_null(tp_batch_change_table(batch, 1));
    assert_int_equal(tp_batch_change_ops(batch, 1), 0);
    assert_int_equal(tp_batch_change_merged(batch, 1), 0);
    assert_int_equal(tp_batch_change_value_count(batch, 1), 0);
    assert_null(tp_batch_change_name(batch, 0, 2));
    assert_null(tp_batch_change_value(batch, 0, 2, NULL));
    assert_null(tp_batch_change_value(batch, 1, 0, NULL));
    assert_null(tp_batch_resync_table(batch, 0));
    assert_int_equal(tp_batch_resync_template_count(batch, 0), 0);
    assert_int_equal(tp_batch_resync_prefix_count(batch, 0), 0);
    assert_null(tp_batch_resync_template(batch, 0, 0));
    assert_null(tp_batch_resync_prefix(batch, 0, 0));
    tp_batch_free(batch);
}

static void add_resync(tp_batch *batch, const char *table, tp_resync_level level,
                       const char *const *templates, uint32_t template_count,
                       const char *const *prefixes, uint32_t prefix_count) {
    tp_batch_add_resync(
        batch, &(tp_batch_entry){table, level, templates, template_count, prefixes, prefix_count});
}

static void test_resyncs(void **state) {
    (void)state;
    static const char *const templates[] = {"d:{a}", "c:{a}", "d:{b}", "{a}"};
    static const char *const prefixes[] = {"d:", "c:", "d:", ""};
    tp_batch *batch = tp_batch_new(TP_BATCH_RESYNC);
    add_resync(batch, "t", TP_RESYNC_TABLE, templates, 4, prefixes, 4);
    add_resync(batch, "none", TP_RESYNC_ALL, templates, 0, prefixes, 0);
    add_resync(batch, "u", TP_RESYNC_GROUP, templates, 1, prefixes, 2);
    assert_true(tp_batch_seal(batch, ""));
    assert_int_equal(tp_batch_resync_count(batch), 3);
    assert_string_equal(tp_batch_resync_table(batch, 0), "t");
    assert_int_equal(tp_batch_resync_template_count(batch, 0), 4);
    assert_string_equal(tp_batch_resync_template(batch, 0, 2), "d:{b}");
    assert_int_equal(tp_batch_resync_prefix_count(batch, 0), 3);
    assert_string_equal(tp_batch_resync_prefix(batch, 0, 0), "");
    assert_string_equal(tp_batch_resync_prefix(batch, 0, 1), "c:");
    assert_string_equal(tp_batch_resync_prefix(batch, 0, 2), "d:");
    assert_int_equal(tp_batch_resync_template_count(batch, 1), 0);
    assert_int_equal(tp_batch_resync_prefix_count(batch, 1), 0);
    assert_string_equal(tp_batch_resync_template(batch, 2, 0), "d:{a}");
    assert_int_equal(tp_batch_resync_template_count(batch, 2), 1);
    assert_int_equal(tp_batch_resync_prefix_count(batch, 2), 2);
    assert_string_equal(tp_batch_resync_prefix(batch, 2, 0), "c:");
    assert_string_equal(tp_batch_resync_prefix(batch, 2, 1), "d:");
    assert_int_equal(tp_batch_resync_level(batch, 0), TP_RESYNC_TABLE);
    assert_int_equal(tp_batch_resync_level(batch, 1), TP_RESYNC_ALL);
    assert_int_equal(tp_batch_resync_level(batch, 2), TP_RESYNC_GROUP);
    assert_int_equal(tp_batch_resync_level(batch, 3), TP_RESYNC_NONE);
    tp_batch_free(batch);
}

static void test_raising(void **state) {
    (void)state;
    tp_batch *batch = tp_batch_new(TP_BATCH_RESYNC);
    tp_batch_raise(batch, 7, 3);
    tp_batch_raise(batch, 5, 9);
    assert_int_equal(tp_batch_lsn(batch), 7);
    assert_int_equal(tp_batch_tag(batch), 9);
    tp_batch_raise(batch, TP_LSN_UNKNOWN, 0);
    tp_batch_raise(batch, 100, 0);
    assert_int_equal(tp_batch_lsn(batch), 0);
    tp_batch_free(batch);
}

static tp_batch *fill(const tp_delta *delta) {
    static const char *const templates[] = {"d:{a}", "c:{a}"};
    tp_batch *batch = tp_batch_new(TP_BATCH_RESYNC);
    if (batch == NULL) {
        return NULL;
    }
    tp_batch_add_key(batch, "b", 1);
    tp_batch_add_key(batch, "a", 1);
    tp_batch_add_delta(batch, delta);
    add_resync(batch, "t", TP_RESYNC_TABLE, templates, 2, templates, 2);
    if (!tp_batch_seal(batch, "position")) {
        tp_batch_free(batch);
        return NULL;
    }
    return batch;
}

static void test_out_of_memory_shows_at_the_seal(void **state) {
    (void)state;
    tp_coalescer from = {0};
    tp_delta *delta = make_delta(&from, &calls, "7", "1", (tp_addition){1, 1, 1, 1});
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        tp_batch *batch = fill(delta);
        bool failed = oom_reset();
        assert_int_equal(batch == NULL, failed);
        tp_batch_free(batch);
        if (!failed) {
            assert_true(n > 6);
            break;
        }
    }
    tp_coalescer_free(&from);
}

static void test_json_out_of_memory(void **state) {
    (void)state;
    tp_batch *batch = tp_batch_new(TP_BATCH_WINDOW);
    size_t length = 0;
    assert_true(tp_batch_seal(batch, ""));
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        const char *json = tp_batch_json(batch, &length);
        bool failed = oom_reset();
        assert_int_equal(json == NULL, failed);
        if (!failed) {
            assert_int_equal(length, strlen(json));
            assert_ptr_equal(tp_batch_json(batch, NULL), json);
            break;
        }
    }
    tp_batch_free(batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_sorted_bytewise),
        cmocka_unit_test(test_keys_in_order_stay),
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_resyncs),
        cmocka_unit_test(test_raising),
        cmocka_unit_test(test_out_of_memory_shows_at_the_seal),
        cmocka_unit_test(test_json_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
