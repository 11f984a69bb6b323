/* Series on their way to the database: in portions, again when that failed, by the server's hours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answers.h"
#include "oom.h"
#include "pg/flusher.h"

static const char *const accepted[] = {"3600", "t", ""};
static const char *const next_hour[] = {"7200", "t", ""};
static const char *const refused[] = {"3600", "f", ""};

static uint32_t counters;
static uint64_t each;

static int32_t read_counters(void *user, tp_reading **out, trigperf_error **err) {
    (void)user;
    tp_reading *reading = tp_reading_new();
    if (reading == NULL) {
        return tp_error_nomem(err);
    }
    for (uint32_t i = 0; i < counters; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%u_total", i);
        tp_reading_family(reading, TP_SERIES_COUNTER, name, "Help.");
        tp_reading_counter(reading, NULL, 0, each);
    }
    if (tp_reading_failed(reading)) {
        tp_reading_free(reading);
        return tp_error_nomem(err);
    }
    *out = reading;
    return TRIGPERF_OK;
}

static tp_flusher *new_flusher(uint32_t count) {
    static const tp_log silent = {0};
    tp_flusher_options options = {"the-instance", "app", 1000, read_counters, NULL, &silent};
    tp_flusher *flusher = NULL;
    answers_forget();
    counters = count;
    each = 1;
    assert_int_equal(tp_flusher_new(&options, 0, &flusher, NULL), TRIGPERF_OK);
    return flusher;
}

static void run_at(tp_flusher *flusher, uint64_t now_ms) {
    assert_true(tp_flusher_due(flusher, now_ms));
    tp_flusher_set_now(flusher, now_ms);
    tp_flusher_run(flusher, NULL);
}

static void in_portions(void **state) {
    (void)state;
    tp_flusher *flusher = new_flusher(600);
    assert_in_range(tp_flusher_deadline(flusher), 750, 1000);
    assert_false(tp_flusher_due(flusher, 749));
    run_at(flusher, 1000);
    assert_int_equal(answers_count(), 3);
    assert_true(tp_flusher_busy(flusher));
    assert_false(tp_flusher_due(flusher, 9000));
    assert_string_equal(answers_value(0), "the-instance");
    assert_string_equal(answers_value(2), "1");
    assert_string_equal(answers_value(3), "(null)");
    answers_row(accepted, 3);
    assert_string_equal(answers_value(2), "2");
    answers_row(accepted, 3);
    answers_row(accepted, 3);
    assert_false(tp_flusher_busy(flusher));
    assert_int_equal(tp_flusher_deadline(flusher), 2000);
    run_at(flusher, 2000);
    assert_false(answers_wanted());
    each = 5;
    run_at(flusher, 3000);
    assert_string_equal(answers_value(3), "3600");
    assert_memory_equal(answers_value(9), "{5,5,", 5);
    tp_flusher_free(flusher);
}

/* What was not written comes again, and is larger. */
static void again_when_it_failed(void **state) {
    (void)state;
    tp_flusher *flusher = new_flusher(1);
    run_at(flusher, 1000);
    answers_error();
    each = 2;
    run_at(flusher, 2000);
    assert_string_equal(answers_value(9), "{2}");
    answers_forget();
    tp_flusher_lost(flusher);
    run_at(flusher, 3000);
    assert_string_equal(answers_value(9), "{2}");
    answers_row(accepted, 3);
    answers_fail_next();
    each = 3;
    run_at(flusher, 4000);
    assert_false(tp_flusher_busy(flusher));
    run_at(flusher, 5000);
    assert_string_equal(answers_value(9), "{3}");
    tp_flusher_free(flusher);
}

static void counts_anew_in_another_hour(void **state) {
    (void)state;
    tp_flusher *flusher = new_flusher(1);
    run_at(flusher, 1000);
    answers_row(accepted, 3);
    each = 5;
    run_at(flusher, 2000);
    answers_row(next_hour, 3);
    each = 9;
    run_at(flusher, 3000);
    assert_string_equal(answers_value(3), "7200");
    assert_string_equal(answers_value(9), "{4}");
    answers_row(refused, 3);
    each = 10;
    run_at(flusher, 4000);
    assert_string_equal(answers_value(9), "{1}");
    tp_flusher_free(flusher);
}

static void memory_is_short(void **state) {
    (void)state;
    tp_flusher_options options = {"i", "a", 1000, read_counters, NULL, NULL};
    tp_flusher *flusher = NULL;
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        int32_t status = tp_flusher_new(&options, 0, &flusher, NULL);
        if (!oom_reset()) {
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
    tp_flusher_free(flusher);
    tp_flusher_free(NULL);
    for (unsigned n = 1;; n++) {
        flusher = new_flusher(2);
        oom_fail_at(n);
        run_at(flusher, 1000);
        bool failed = oom_reset();
        if (answers_wanted()) {
            answers_row(accepted, 3);
        }
        assert_false(tp_flusher_busy(flusher));
        each = 4;
        run_at(flusher, 2000);
        assert_string_equal(answers_value(9), "{4,4}");
        answers_forget();
        tp_flusher_free(flusher);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
    }
}

static void never(void **state) {
    (void)state;
    tp_flusher_options options = {.every_ms = 0};
    tp_flusher *flusher = NULL;
    assert_int_equal(tp_flusher_new(&options, 5, &flusher, NULL), TRIGPERF_OK);
    assert_true(tp_flusher_deadline(flusher) == UINT64_MAX);
    assert_false(tp_flusher_due(flusher, UINT64_MAX - 1));
    tp_flusher_free(flusher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_portions),
        cmocka_unit_test(again_when_it_failed),
        cmocka_unit_test(counts_anew_in_another_hour),
        cmocka_unit_test(memory_is_short),
        cmocka_unit_test(never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
