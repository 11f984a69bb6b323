/* From the limiter back into the window. */
#include "core/release.h"
#include "window_bench.h"

/* Delivers A once, then has it held back with two changes. */
static void hold_two(fixture *f) {
    tp_cut cut = {.window = f->window, .limiter = f->limiter, .max_keys = 10, .position = ""};
    change(f, "1", "A", 1);
    assert_true(tp_cut_prepare(&cut));
    tp_cut_commit(&cut);
    tp_cut_abandon(&cut);
    tp_window_clear(f->window);
    change(f, "1", "A", 2);
    change(f, "2", "A", 3);
    assert_true(tp_cut_prepare(&cut));
    tp_cut_commit(&cut);
    tp_window_clear(f->window);
    assert_int_equal(tp_limiter_held_changes(f->limiter), 2);
}

static void assert_released(fixture *f, uint64_t count_of_first) {
    assert_int_equal(tp_limiter_held_keys(f->limiter), 0);
    assert_int_equal(tp_window_key_count(f->window), 1);
    assert_int_equal(tp_window_delta_count(f->window), 2);
    assert_int_equal(tp_window_arrival(f->window), 2);
    const tp_key *key = tp_window_next_key(f->window, NULL);
    assert_int_equal(key->arrival, 2);
    assert_int_equal(key->interval_ms, 100);
    const tp_delta *delta = tp_window_next_delta(f->window, NULL);
    assert_int_equal(tp_delta_count(delta), count_of_first);
    assert_int_equal(delta->ref_count, 1);
    assert_int_equal(delta->lsn, 2);
    delta = tp_window_next_delta(f->window, delta);
    assert_int_equal(tp_delta_count(delta), 1);
    assert_int_equal(delta->ref_count, 1);
}

static void test_comes_back_with_its_changes(void **state) {
    (void)state;
    fixture f = fresh();
    hold_two(&f);
    assert_null(tp_limiter_due(f.limiter, 99));
    assert_true(tp_release(f.limiter, tp_limiter_due(f.limiter, 100), f.window, NULL));
    assert_released(&f, 1);
    finish(&f);
}

static void test_merges_with_what_has_arrived(void **state) {
    (void)state;
    fixture f = fresh();
    hold_two(&f);
    change(&f, "1", "A", 4);
    assert_true(tp_release(f.limiter, tp_limiter_due(f.limiter, 100), f.window, NULL));
    const tp_delta *delta = tp_window_next_delta(f.window, NULL);
    assert_int_equal(tp_delta_count(delta), 2);
    assert_int_equal(delta->arrival, 2);
    assert_int_equal(delta->expanded, TP_OP_UPDATE);
    assert_int_equal(tp_window_key_count(f.window), 1);
    finish(&f);
}

static void test_a_key_without_changes(void **state) {
    (void)state;
    fixture f = fresh();
    tp_addition addition = {1, 5, TP_LSN_UNKNOWN, 0};
    tp_staged_key staged = {"A", 1, 100, 0, 5, TP_LSN_UNKNOWN};
    tp_cut cut = {.window = f.window, .limiter = f.limiter, .max_keys = 10, .position = ""};
    for (int i = 0; i < 2; i++) {
        tp_window_stage_nothing(f.window);
        assert_true(tp_window_stage_key(f.window, &staged));
        assert_true(tp_window_commit(f.window, &addition, 0));
        assert_true(tp_cut_prepare(&cut));
        tp_cut_commit(&cut);
        tp_cut_abandon(&cut);
        tp_window_clear(f.window);
    }
    assert_true(tp_release(f.limiter, tp_limiter_due(f.limiter, 100), f.window, NULL));
    assert_int_equal(tp_window_delta_count(f.window), 0);
    assert_int_equal(tp_window_next_key(f.window, NULL)->lsn, TP_LSN_UNKNOWN);
    finish(&f);
}

static void test_out_of_memory_counts_nothing_twice(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        fixture f = fresh();
        hold_two(&f);
        oom_fail_at(n);
        bool fine = tp_release(f.limiter, tp_limiter_due(f.limiter, 100), f.window, NULL);
        bool failed = oom_reset();
        assert_int_equal(fine, !failed);
        if (failed) {
            assert_int_equal(tp_limiter_held_keys(f.limiter), 1);
            assert_true(tp_release(f.limiter, tp_limiter_due(f.limiter, 100), f.window, NULL));
        }
        assert_released(&f, 1);
        finish(&f);
        if (!failed) {
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back_with_its_changes),
        cmocka_unit_test(test_merges_with_what_has_arrived),
        cmocka_unit_test(test_a_key_without_changes),
        cmocka_unit_test(test_out_of_memory_counts_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
