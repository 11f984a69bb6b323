/* From a window to batches. */
#include "window_bench.h"

static void lone_key(fixture *f, const char *key, uint64_t arrival) {
    tp_addition addition = {1, arrival, TP_LSN_UNKNOWN, 0};
    tp_staged_key staged = {key, 1, 0, 0, arrival, TP_LSN_UNKNOWN};
    tp_window_stage_nothing(f->window);
    assert_true(tp_window_stage_key(f->window, &staged));
    assert_true(tp_window_commit(f->window, &addition, 0));
}

static tp_cut cut_of(fixture *f, uint64_t now, uint32_t max_keys) {
    return (tp_cut){.window = f->window,
                    .limiter = f->limiter,
                    .reason = TP_BATCH_WINDOW,
                    .now_ms = now,
                    .max_keys = max_keys,
                    .position = "p"};
}

/* "keys/values of changes" of each batch, then what was held. */
static void assert_cut(fixture *f, tp_cut cut, const char *expected) {
    tp_strbuf text = TP_STRBUF_INIT;
    assert_true(tp_cut_prepare(&cut));
    for (tp_batch *b = cut.batches; b != NULL; b = tp_batch_link_of(b)->next) {
        tp_strbuf_puts(&text, text.length > 0 ? " " : "");
        for (uint32_t i = 0; i < tp_batch_key_count(b); i++) {
            tp_strbuf_puts(&text, tp_batch_key(b, i, NULL));
        }
        tp_strbuf_puts(&text, "/");
        for (uint32_t i = 0; i < tp_batch_change_count(b); i++) {
            tp_strbuf_puts(&text, tp_batch_change_value(b, i, 0, NULL));
        }
    }
    assert_string_equal(tp_strbuf_str(&text), expected);
    tp_cut_commit(&cut);
    tp_cut_abandon(&cut);
    tp_window_clear(f->window);
    tp_strbuf_free(&text);
}

static void test_one_batch(void **state) {
    (void)state;
    fixture f = fresh();
    assert_cut(&f, cut_of(&f, 0, 10), "");
    change(&f, "1", "ba", 1);
    change(&f, "2", "bc", 2);
    change(&f, "3", "", 3);
    lone_key(&f, "x", 4);
    assert_cut(&f, cut_of(&f, 0, 10), "abcx/123");
    finish(&f);
}

static void test_splits_without_splitting_changes(void **state) {
    (void)state;
    fixture f = fresh();
    change(&f, "1", "ab", 1);
    change(&f, "2", "bc", 2);
    change(&f, "3", "cd", 3);
    change(&f, "4", "efgh", 4);
    change(&f, "5", "a", 5);
    change(&f, "6", "", 6);
    change(&f, "7", "", 7);
    change(&f, "8", "i", 8);
    lone_key(&f, "y", 9);
    lone_key(&f, "x", 9);
    assert_cut(&f, cut_of(&f, 0, 3), "abc/12 cd/3 efgh/4 a/567 ixy/8");
    finish(&f);
}

static void test_limits(void **state) {
    (void)state;
    fixture f = fresh();
    change(&f, "1", "Ab", 1);
    assert_cut(&f, cut_of(&f, 1000, 10), "Ab/1");
    change(&f, "1", "Ab", 2);
    change(&f, "2", "A", 3);
    change(&f, "3", "b", 4);
    assert_cut(&f, cut_of(&f, 1099, 10), "b/13");
    assert_int_equal(tp_limiter_held_keys(f.limiter), 1);
    assert_int_equal(tp_limiter_held_changes(f.limiter), 2);
    assert_int_equal(tp_limiter_arrival(f.limiter), 2);
    change(&f, "4", "AB", 5);
    assert_cut(&f, cut_of(&f, 1100, 10), "B/4");
    assert_int_equal(tp_limiter_held_changes(f.limiter), 3);
    tp_limiter_release(f.limiter, tp_limiter_due(f.limiter, 1100));
    change(&f, "5", "A", 6);
    assert_cut(&f, cut_of(&f, 1100, 10), "A/5");
    finish(&f);
}

static void test_a_limited_key_is_in_one_batch_only(void **state) {
    (void)state;
    fixture f = fresh();
    change(&f, "1", "Ab", 1);
    change(&f, "2", "Acd", 2);
    assert_cut(&f, cut_of(&f, 1000, 2), "Ab/1 cd/2");
    finish(&f);
}

static void test_flush_ignores_limits(void **state) {
    (void)state;
    fixture f = fresh();
    tp_cut cut = cut_of(&f, 1050, 10);
    change(&f, "1", "A", 1);
    assert_cut(&f, cut_of(&f, 1000, 10), "A/1");
    change(&f, "2", "A", 2);
    cut.reason = TP_BATCH_FLUSH;
    assert_cut(&f, cut, "A/2");
    change(&f, "3", "A", 3);
    assert_cut(&f, cut_of(&f, 1149, 10), "");
    assert_int_equal(tp_limiter_held_keys(f.limiter), 1);
    finish(&f);
}

static void test_batches_are_sealed(void **state) {
    (void)state;
    fixture f = fresh();
    tp_cut cut = cut_of(&f, 0, 1);
    change(&f, "1", "a", 7);
    lone_key(&f, "b", 8);
    assert_true(tp_cut_prepare(&cut));
    assert_int_equal(cut.batch_count, 2);
    assert_int_equal(cut.named_keys, 2);
    assert_string_equal(tp_batch_position(cut.batches), "p");
    assert_int_equal(tp_batch_lsn(cut.batches), 7);
    assert_string_equal(tp_batch_position(cut.last), "p");
    assert_int_equal(tp_batch_lsn(cut.last), 0);
    tp_cut_abandon(&cut);
    finish(&f);
}

static void test_out_of_memory_changes_nothing(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        fixture f = fresh();
        change(&f, "1", "A", 1);
        assert_cut(&f, cut_of(&f, 1000, 10), "A/1");
        change(&f, "1", "AB", 2);
        change(&f, "2", "AC", 3);
        change(&f, "3", "Ad", 3);
        tp_cut cut = cut_of(&f, 1001, 2);
        oom_fail_at(n);
        bool fine = tp_cut_prepare(&cut);
        bool failed = oom_reset();
        assert_int_equal(fine, !failed);
        assert_int_equal(tp_limiter_held_keys(f.limiter), 0);
        assert_int_equal(tp_window_delta_count(f.window), 3);
        tp_cut_abandon(&cut);
        assert_cut(&f, cut_of(&f, 1001, 2), "BC/12 d/3");
        assert_int_equal(tp_limiter_held_changes(f.limiter), 3);
        finish(&f);
        if (!failed) {
            assert_true(n > 10);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_batch),
        cmocka_unit_test(test_splits_without_splitting_changes),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_a_limited_key_is_in_one_batch_only),
        cmocka_unit_test(test_flush_ignores_limits),
        cmocka_unit_test(test_batches_are_sealed),
        cmocka_unit_test(test_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
