/* Runs of jobs: asked for, done, told; tried again later when they fail; ended early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answers.h"
#include "oom.h"
#include "pg/jobs.h"

#define ALL UINT32_MAX

static const char *const go[] = {"t", "0", ""};
static const char *const done[] = {"7", NULL, "f"};
static const char *const told[] = {"", ""};

static const tp_job first = {"first", "SELECT first($1)", "42", 1000, 100};
static const tp_job second = {"second", "SELECT second()", "", 600000, 200};

/* Both jobs, at time 0. */
static tp_jobs *new_jobs(void) {
    static const tp_log silent = {0};
    tp_jobs_options options = {"the-instance", "app", 5000, &silent};
    tp_jobs *jobs = NULL;
    answers_forget();
    assert_int_equal(tp_jobs_new(&options, &jobs, NULL), TRIGPERF_OK);
    assert_true(tp_jobs_add(jobs, &first, 0));
    assert_true(tp_jobs_add(jobs, &second, 0));
    return jobs;
}

static void run_at(tp_jobs *jobs, uint64_t now_ms) {
    tp_jobs_set_now(jobs, now_ms);
    tp_jobs_run(jobs, NULL, ALL);
}

/* A statement waits that begins so. */
static void expect(const char *beginning) {
    assert_true(answers_wanted());
    assert_memory_equal(answers_text(), beginning, strlen(beginning));
}

/* The whole of a run; the work is answered as given, NULL: with an error. */
static void finish(const char *const *work) {
    expect("SELECT b.go");
    answers_row(go, 3);
    if (work == NULL) {
        answers_error();
    } else {
        answers_row(work, 3);
    }
    expect("SELECT trigperf.job_end(");
    answers_row(told, 2);
    assert_false(answers_wanted());
}

static void a_run(void **state) {
    (void)state;
    tp_jobs *jobs = new_jobs();
    assert_int_equal(tp_jobs_count(jobs), 2);
    assert_string_equal(tp_jobs_names(jobs)[1], "second");
    run_at(jobs, 99);
    assert_false(answers_wanted());
    assert_int_equal(tp_jobs_deadline(jobs, ALL), 100);
    run_at(jobs, 150);
    assert_true(tp_jobs_running(jobs));
    assert_int_equal(tp_jobs_bit(jobs), 1);
    assert_true(tp_jobs_deadline(jobs, ALL) == UINT64_MAX);
    expect("SELECT b.go");
    assert_string_equal(answers_value(0), "first");
    assert_string_equal(answers_value(1), "the-instance");
    assert_string_equal(answers_value(2), "app");
    assert_string_equal(answers_value(3), "1000");
    assert_string_equal(answers_value(4), "35000");
    assert_int_equal(answers_limit_ms(), 35000);
    answers_row(go, 3);
    expect("SELECT first($1)");
    assert_string_equal(answers_value(0), "42");
    answers_row(done, 3);
    expect("SELECT trigperf.job_end(");
    assert_string_equal(answers_value(2), "done");
    assert_string_equal(answers_value(3), "7");
    assert_string_equal(answers_value(5), "(null)");
    answers_row(told, 2);
    assert_false(tp_jobs_running(jobs));
    assert_int_equal(tp_jobs_deadline(jobs, 1), 1150);
    run_at(jobs, 200);
    assert_string_equal(answers_value(0), "second");
    tp_jobs_free(jobs);
}

static void only_what_is_led_and_the_oldest_first(void **state) {
    (void)state;
    tp_jobs *jobs = new_jobs();
    tp_jobs_set_now(jobs, 5000);
    tp_jobs_run(jobs, NULL, 0);
    assert_false(answers_wanted());
    assert_true(tp_jobs_deadline(jobs, 0) == UINT64_MAX);
    tp_jobs_run(jobs, NULL, 2);
    assert_string_equal(answers_value(0), "second");
    finish(done);
    run_at(jobs, 5000);
    assert_string_equal(answers_value(0), "first");
    tp_jobs_run(jobs, NULL, ALL);
    assert_int_equal(answers_count(), 4);
    tp_jobs_free(jobs);
}

static void the_server_says_not_yet(void **state) {
    static const char *const wait[] = {"f", "4321", ""};
    (void)state;
    tp_jobs *jobs = new_jobs();
    run_at(jobs, 100);
    answers_row(wait, 3);
    assert_false(answers_wanted());
    assert_int_equal(tp_jobs_deadline(jobs, 1), 4421);
    tp_jobs_free(jobs);
}

static void what_is_left_is_done_at_once(void **state) {
    static const char *const more[] = {"10000", NULL, "t"};
    (void)state;
    tp_jobs *jobs = new_jobs();
    run_at(jobs, 100);
    finish(more);
    assert_true(tp_jobs_due(jobs, 1, 100));
    run_at(jobs, 100);
    assert_string_equal(answers_value(3), "0");
    finish(done);
    assert_int_equal(tp_jobs_deadline(jobs, 1), 1100);
    tp_jobs_free(jobs);
}

static void waits_after_failures_grow(void **state) {
    static const char *const partly[] = {"3", "one of them", "f"};
    (void)state;
    tp_jobs *jobs = new_jobs();
    uint64_t now_ms = 200;
    uint64_t longest = 5000;
    tp_jobs_set_now(jobs, now_ms);
    for (int i = 0; i < 12; i++) {
        tp_jobs_run(jobs, NULL, 2);
        finish(i % 2 == 0 ? NULL : partly);
        uint64_t wait = tp_jobs_deadline(jobs, 2) - now_ms;
        assert_in_range(wait, longest / 2, longest);
        longest = longest * 2 > 300000 ? 300000 : longest * 2;
        now_ms += wait;
        tp_jobs_set_now(jobs, now_ms);
    }
    tp_jobs_run(jobs, NULL, 2);
    finish(done);
    assert_int_equal(tp_jobs_deadline(jobs, 2), now_ms + 600000);
    now_ms += 600000;
    tp_jobs_set_now(jobs, now_ms);
    tp_jobs_run(jobs, NULL, 2);
    finish(NULL);
    assert_in_range(tp_jobs_deadline(jobs, 2) - now_ms, 2500, 5000);
    tp_jobs_free(jobs);
}

static void how_a_failure_is_told(void **state) {
    static const char *const partly[] = {"3", "one of them", "f"};
    (void)state;
    tp_jobs *jobs = new_jobs();
    tp_strbuf json = TP_STRBUF_INIT;
    run_at(jobs, 100);
    answers_row(go, 3);
    answers_row(partly, 3);
    assert_string_equal(answers_value(2), "failed");
    assert_string_equal(answers_value(3), "3");
    assert_string_equal(answers_value(5), "one of them");
    tp_jobs_status(jobs, &json);
    assert_string_equal(tp_strbuf_str(&json), "\"running\":\"first\",\"failed\":[\"first\"]");
    tp_strbuf_free(&json);
    tp_jobs_free(jobs);
}

static void cancelled_while_it_works(void **state) {
    (void)state;
    tp_jobs *jobs = new_jobs();
    assert_false(tp_jobs_cancel(jobs));
    run_at(jobs, 100);
    answers_row(go, 3);
    assert_true(tp_jobs_cancel(jobs));
    assert_false(tp_jobs_cancel(jobs));
    answers_error();
    assert_string_equal(answers_value(2), "cancelled");
    answers_row(told, 2);
    assert_int_equal(tp_jobs_deadline(jobs, 1), 1100);
    tp_jobs_free(jobs);
}

static void cancelled_before_it_works(void **state) {
    (void)state;
    tp_jobs *jobs = new_jobs();
    run_at(jobs, 100);
    assert_false(tp_jobs_cancel(jobs));
    answers_row(go, 3);
    expect("SELECT trigperf.job_end(");
    assert_string_equal(answers_value(2), "cancelled");
    answers_row(told, 2);
    run_at(jobs, 1100);
    finish(done);
    tp_jobs_free(jobs);
}

static void the_connection_is_lost(void **state) {
    (void)state;
    tp_jobs *jobs = new_jobs();
    tp_jobs_lost(jobs);
    run_at(jobs, 100);
    answers_row(go, 3);
    answers_forget();
    tp_jobs_lost(jobs);
    assert_false(tp_jobs_running(jobs));
    assert_in_range(tp_jobs_deadline(jobs, 1), 600, 1100);
    tp_jobs_free(jobs);
}

/* Whatever was not sent or answered, the job comes again. */
static void nothing_stops_for_good(void **state) {
    (void)state;
    for (int step = 0; step < 6; step++) {
        tp_jobs *jobs = new_jobs();
        tp_jobs_set_now(jobs, 100);
        if (step == 0) {
            answers_fail_next();
        }
        tp_jobs_run(jobs, NULL, 1);
        if (step == 1) {
            answers_error();
        } else if (step > 1) {
            if (step == 2) {
                answers_fail_next();
            }
            answers_row(go, 3);
        }
        if (step > 2) {
            if (step == 3) {
                answers_fail_next();
            }
            answers_row(done, 3);
        }
        if (step > 3) {
            answers_error();
        }
        assert_false(answers_wanted());
        assert_false(tp_jobs_running(jobs));
        assert_in_range(tp_jobs_deadline(jobs, 1), 600, 1100);
        tp_jobs_free(jobs);
    }
}

static void memory_and_room(void **state) {
    (void)state;
    tp_jobs_options options = {"i", "a", 0, NULL};
    tp_jobs *jobs = NULL;
    oom_fail_at(1);
    assert_int_equal(tp_jobs_new(&options, &jobs, NULL), TRIGPERF_E_NOMEM);
    assert_true(oom_reset());
    assert_null(jobs);
    jobs = new_jobs();
    for (uint32_t i = tp_jobs_count(jobs); i < TP_JOBS_MAX; i++) {
        assert_true(tp_jobs_add(jobs, &first, 0));
    }
    assert_false(tp_jobs_add(jobs, &first, 0));
    tp_jobs_free(jobs);
    tp_jobs_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run),
        cmocka_unit_test(only_what_is_led_and_the_oldest_first),
        cmocka_unit_test(the_server_says_not_yet),
        cmocka_unit_test(what_is_left_is_done_at_once),
        cmocka_unit_test(waits_after_failures_grow),
        cmocka_unit_test(how_a_failure_is_told),
        cmocka_unit_test(cancelled_while_it_works),
        cmocka_unit_test(cancelled_before_it_works),
        cmocka_unit_test(the_connection_is_lost),
        cmocka_unit_test(nothing_stops_for_good),
        cmocka_unit_test(memory_and_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
