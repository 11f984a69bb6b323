/* The engine: each measure over readings, labels, the usual, feeding, bounds, texts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alert.h"
#include "core/packed.h"
#include "oom.h"

/* Values of the series of a reading. */
typedef struct world {
    tp_alerts *alerts;
    uint64_t now_ms;
    uint64_t hits;
    uint64_t misses;
    double gauge;
    tp_histogram seconds;
    const char *table;
} world;

static world fresh(const char *rule) {
    world w = {.table = "calls"};
    assert_int_equal(tp_alerts_new(100, &w.alerts, NULL), TRIGPERF_OK);
    assert_int_equal(tp_alerts_add(w.alerts, "r", rule, NULL), TRIGPERF_OK);
    return w;
}

static tp_reading *reading_of(const world *w) {
    tp_reading *reading = tp_reading_new();
    tp_label label = {"table", w->table};
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    if (reading == NULL) {
        return NULL;
    }
    uint32_t count = tp_packed_encode(&w->seconds, entries);
    tp_reading_family(reading, TP_SERIES_COUNTER, "hits_total", "Hits.");
    tp_reading_counter(reading, &label, 1, w->hits);
    tp_reading_family(reading, TP_SERIES_COUNTER, "misses_total", "Misses.");
    tp_reading_counter(reading, &label, 1, w->misses);
    tp_reading_family(reading, TP_SERIES_GAUGE, "queue_length", "Queue.");
    tp_reading_gauge(reading, &label, 1, w->gauge);
    tp_reading_family(reading, TP_SERIES_HISTOGRAM, "query_seconds", "Queries.");
    tp_reading_histogram(reading, &label, 1, entries, count, w->seconds.sum, w->seconds.max);
    return reading;
}

static void judge(world *w) {
    tp_reading *reading = reading_of(w);
    tp_alert_time time = {w->now_ms, 5000 + w->now_ms};
    assert_int_equal(tp_alerts_judge(w->alerts, time, reading, NULL), TRIGPERF_OK);
    tp_reading_free(reading);
    w->now_ms += 1000;
}

static tp_alert *next(world *w) {
    tp_alert *alert = NULL;
    assert_int_equal(tp_alerts_next(w->alerts, &alert, NULL), TRIGPERF_OK);
    return alert;
}

static void expect_none(world *w) {
    assert_false(tp_alerts_waiting(w->alerts));
    assert_null(next(w));
}

static void expect(world *w, tp_alert_level to, double least, double most) {
    tp_alert *alert = next(w);
    assert_non_null(alert);
    assert_int_equal(alert->event.to, to);
    assert_true(alert->event.value >= least && alert->event.value <= most);
    tp_alert_free(alert);
}

static void test_values(void **state) {
    (void)state;
    world w = fresh("measure=value series=queue_length warn=10 min_samples=3 cooldown_ms=0");
    w.gauge = 50;
    judge(&w);
    w.gauge = (double)NAN;
    judge(&w);
    w.gauge = 50;
    judge(&w);
    expect_none(&w);
    judge(&w);
    expect(&w, TP_ALERT_WARNING, 50, 50);
    w.gauge = 1;
    judge(&w);
    expect(&w, TP_ALERT_OK, 1, 1);
    tp_alerts_free(w.alerts);
}

static void test_rates(void **state) {
    (void)state;
    world w = fresh("measure=rate series=hits_total warn=10 cooldown_ms=0");
    w.hits = 1000000; /* from before the rule */
    judge(&w);
    w.hits += 11;
    judge(&w);
    expect(&w, TP_ALERT_WARNING, 11, 11);
    w.now_ms += 9000;
    w.hits += 20;
    judge(&w);
    expect(&w, TP_ALERT_OK, 2, 2);
    w.hits = 5; /* began anew */
    judge(&w);
    w.now_ms -= 1000; /* no time passed */
    w.hits += 500;
    judge(&w);
    w.now_ms -= 5000; /* backwards */
    judge(&w);
    expect_none(&w);
    tp_alerts_free(w.alerts);
}

static void test_means_wait_for_samples(void **state) {
    (void)state;
    world w = fresh("measure=mean series=query_seconds warn=0.1 critical=0.5 min_samples=10 "
                    "cooldown_ms=0");
    tp_histogram_add(&w.seconds, 5000000000, 100); /* from before */
    judge(&w);
    for (int i = 0; i < 9; i++) {
        tp_histogram_add(&w.seconds, 200000000, 1);
        judge(&w);
        expect_none(&w);
    }
    tp_histogram_add(&w.seconds, 200000000, 1);
    judge(&w);
    expect(&w, TP_ALERT_WARNING, 0.199, 0.201);
    tp_histogram_add(&w.seconds, 1000000, 10);
    judge(&w);
    expect(&w, TP_ALERT_OK, 0.0009, 0.0011);
    tp_histogram_add(&w.seconds, 600000000, 10);
    judge(&w);
    expect(&w, TP_ALERT_CRITICAL, 0.59, 0.61);
    tp_alerts_free(w.alerts);
}

static void test_quantiles(void **state) {
    (void)state;
    world w = fresh("measure=quantile quantile=0.9 series=query_seconds warn=0.1 cooldown_ms=0");
    tp_histogram_add(&w.seconds, 1000000, 1000);
    judge(&w);
    tp_histogram_add(&w.seconds, 1000000, 80);
    tp_histogram_add(&w.seconds, 300000000, 20);
    judge(&w);
    expect(&w, TP_ALERT_WARNING, 0.295, 0.305);
    tp_histogram_add(&w.seconds, 1000000, 95);
    tp_histogram_add(&w.seconds, 300000000, 5);
    judge(&w);
    expect(&w, TP_ALERT_OK, 0.00098, 0.00102);
    tp_alerts_free(w.alerts);
}

static void test_shares_and_ratios(void **state) {
    (void)state;
    world w = fresh("measure=share series=hits_total over=misses_total direction=below warn=0.6 "
                    "min_samples=100 cooldown_ms=0");
    assert_int_equal(tp_alerts_add(w.alerts, "q",
                                   "measure=ratio series=misses_total over=hits_total warn=2 "
                                   "cooldown_ms=0",
                                   NULL),
                     TRIGPERF_OK);
    judge(&w);
    w.hits += 10;
    w.misses += 40;
    judge(&w);
    expect(&w, TP_ALERT_WARNING, 4, 4); /* the ratio; the share waits */
    w.hits += 10;
    w.misses += 40;
    judge(&w);
    expect(&w, TP_ALERT_WARNING, 0.2, 0.2);
    w.hits += 190;
    w.misses += 10;
    judge(&w);
    expect(&w, TP_ALERT_OK, 0.94, 0.96);
    expect(&w, TP_ALERT_OK, 0.05, 0.06);
    judge(&w); /* nothing came: no division by zero */
    expect_none(&w);
    tp_alerts_free(w.alerts);
}

static void test_labels(void **state) {
    (void)state;
    world w = fresh("measure=value series=queue_length warn=10 label.table=calls");
    w.table = "users";
    w.gauge = 50;
    judge(&w);
    expect_none(&w);
    w.table = "calls";
    judge(&w);
    tp_alert *alert = next(&w);
    assert_non_null(alert);
    assert_string_equal(alert->rule, "r");
    assert_string_equal(alert->series, "queue_length");
    assert_int_equal(alert->label_count, 1);
    assert_string_equal(alert->labels[0].name, "table");
    assert_string_equal(alert->labels[0].value, "calls");
    tp_alert_free(alert);
    tp_alerts_free(w.alerts);
}

static void test_a_series_that_comes_later_is_judged_from_its_beginning(void **state) {
    (void)state;
    world w = fresh("measure=mean series=query_seconds warn=0.1");
    judge(&w);
    w.table = "users";
    tp_histogram_add(&w.seconds, 200000000, 1);
    judge(&w);
    expect(&w, TP_ALERT_WARNING, 0.19, 0.21);
    tp_alerts_free(w.alerts);
}

static void test_unfit_series(void **state) {
    (void)state;
    world w = fresh("measure=mean series=queue_length warn=0.1");
    tp_strbuf json = TP_STRBUF_INIT;
    judge(&w);
    expect_none(&w);
    tp_alerts_status(w.alerts, 0, &json);
    assert_non_null(strstr(tp_strbuf_str(&json), "\"fits\":false"));
    tp_strbuf_free(&json);
    tp_alerts_free(w.alerts);
}

static void test_above_its_usual(void **state) {
    (void)state;
    world w =
        fresh("measure=mean series=query_seconds usual=on warn=50 critical=200 cooldown_ms=0");
    judge(&w);
    for (int i = 0; i < 20; i++) {
        tp_histogram_add(&w.seconds, 10000000 + (uint64_t)(i % 3) * 100000, 5);
        judge(&w);
    }
    expect_none(&w);
    tp_histogram_add(&w.seconds, 17000000, 5);
    judge(&w);
    tp_alert *alert = next(&w);
    assert_non_null(alert);
    assert_true(alert->event.value > 65 && alert->event.value < 71);
    assert_true(alert->event.usual > 0.0099 && alert->event.usual < 0.0102);
    assert_non_null(strstr(alert->message, "% above its usual 0.0101, which is above 50 %"));
    tp_alert_free(alert);
    for (int i = 0; i < 60; i++) { /* it stays so, and becomes usual */
        tp_histogram_add(&w.seconds, 17000000, 5);
        judge(&w);
    }
    expect(&w, TP_ALERT_OK, -1, 45);
    expect_none(&w);
    tp_alerts_free(w.alerts);
}

static int32_t feed(world *w, const char *rule, const char *value, double number,
                    uint64_t samples) {
    tp_label label = {"function", value};
    return tp_alerts_feed(w->alerts, (tp_alert_time){w->now_ms, 1}, rule, &label, 1, number,
                          samples, NULL);
}

static void test_feeding(void **state) {
    (void)state;
    world w = fresh("measure=fed warn=5 critical=15 min_samples=10");
    assert_int_equal(feed(&w, "r", "f()", 20, 9), TRIGPERF_OK);
    expect_none(&w);
    assert_int_equal(feed(&w, "r", "f()", 20, 10), TRIGPERF_OK);
    assert_int_equal(feed(&w, "r", "g()", 6, 10), TRIGPERF_OK);
    tp_alert *alert = next(&w);
    assert_string_equal(alert->message,
                        "r{function=\"f()\"}: value 20 is above 15: ok -> critical");
    assert_string_equal(
        alert->json,
        "{\"number\":1,\"rule\":\"r\",\"measure\":\"fed\",\"series\":null,"
        "\"labels\":{\"function\":\"f()\"},\"from\":\"ok\",\"to\":\"critical\",\"value\":20,"
        "\"threshold\":15,\"usual\":null,\"samples\":10,\"time_ms\":1,\"message\":"
        "\"r{function=\\\"f()\\\"}: value 20 is above 15: ok -> critical\"}");
    tp_alert_free(alert);
    expect(&w, TP_ALERT_WARNING, 6, 6);
    assert_int_equal(feed(&w, "r", "f()", (double)NAN, 10), TRIGPERF_E_INVALID);
    assert_int_equal(feed(&w, "x", "f()", 1, 10), TRIGPERF_E_NOT_FOUND);
    assert_int_equal(tp_alerts_add(w.alerts, "v", "measure=value series=x warn=1", NULL), 0);
    assert_int_equal(feed(&w, "v", "f()", 1, 10), TRIGPERF_E_INVALID);
    tp_alerts_free(w.alerts);
}

static void test_silence_of_one_and_of_all(void **state) {
    (void)state;
    world w = fresh("measure=fed warn=5");
    assert_int_equal(tp_alerts_silence(w.alerts, "x", 9, NULL), TRIGPERF_E_NOT_FOUND);
    assert_int_equal(tp_alerts_silence(w.alerts, "r", 100, NULL), TRIGPERF_OK);
    feed(&w, "r", "f", 9, 1);
    expect_none(&w);
    assert_int_equal(tp_alerts_silence(w.alerts, NULL, 200, NULL), TRIGPERF_OK);
    w.now_ms = 150;
    feed(&w, "r", "f", 9, 1);
    expect_none(&w);
    assert_int_equal(tp_alerts_silence(w.alerts, NULL, 0, NULL), TRIGPERF_OK);
    feed(&w, "r", "f", 9, 1);
    expect(&w, TP_ALERT_WARNING, 9, 9);
    tp_alerts_free(w.alerts);
}

static void test_rules_come_and_go(void **state) {
    (void)state;
    world w = fresh("measure=fed warn=5");
    trigperf_error *error = NULL;
    feed(&w, "r", "f", 9, 1);
    assert_int_equal(tp_alerts_add(w.alerts, "r", "measure=fed warn=nonsense", NULL),
                     TRIGPERF_E_INVALID);
    assert_true(tp_alerts_waiting(w.alerts)); /* the former one is still there */
    assert_int_equal(tp_alerts_add(w.alerts, "r", "measure=fed warn=7", NULL), TRIGPERF_OK);
    expect_none(&w);
    assert_int_equal(tp_alerts_count(w.alerts), 1);
    feed(&w, "r", "f", 6, 1);
    expect_none(&w);
    feed(&w, "r", "f", 8, 1);
    assert_int_equal(tp_alerts_remove(w.alerts, "r", NULL), TRIGPERF_OK);
    expect_none(&w);
    assert_int_equal(tp_alerts_remove(w.alerts, "r", &error), TRIGPERF_E_NOT_FOUND);
    trigperf_error_free(error);
    assert_false(tp_alerts_wants(w.alerts, "x"));
    tp_alerts_add(w.alerts, "s", "measure=ratio series=x over=y warn=1", NULL);
    assert_true(tp_alerts_wants(w.alerts, "x"));
    assert_true(tp_alerts_wants(w.alerts, "y"));
    assert_false(tp_alerts_wants(w.alerts, "z"));
    tp_alerts_free(w.alerts);
    tp_alerts_free(NULL);
}

static void test_the_number_of_states_is_bounded(void **state) {
    (void)state;
    world w = fresh("measure=fed warn=5 cooldown_ms=0");
    char name[16];
    tp_strbuf json = TP_STRBUF_INIT;
    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(feed(&w, "r", name, 9, 1), i < 100 ? TRIGPERF_OK : TRIGPERF_E_LIMIT);
    }
    for (int round = 0; round < 50; round++) { /* nobody pulls */
        assert_int_equal(feed(&w, "r", "f0", round % 2 == 0 ? 1 : 9, 1), TRIGPERF_OK);
    }
    uint32_t pulled = 0;
    for (tp_alert *alert = next(&w); alert != NULL; alert = next(&w)) {
        tp_alert_free(alert);
        pulled++;
    }
    assert_true(pulled >= 100 && pulled <= 101);
    tp_alerts_status(w.alerts, 0, &json);
    assert_non_null(strstr(tp_strbuf_str(&json), "\"unwatched\":20}"));
    assert_non_null(strstr(tp_strbuf_str(&json), "\"level\":\"warning\",\"value\":9"));
    tp_strbuf_free(&json);
    tp_alerts_free(w.alerts);
}

/* Whatever fails, the next judgement sees what was missed. */
static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        world w = {.table = "calls"};
        tp_alert *alert = NULL;
        oom_fail_at(n);
        int32_t status = tp_alerts_new(100, &w.alerts, NULL);
        status = status == TRIGPERF_OK
                     ? tp_alerts_add(w.alerts, "r",
                                     "measure=quantile quantile=0.5 series=query_seconds usual=on "
                                     "warn=5",
                                     NULL)
                     : status;
        status =
            status == TRIGPERF_OK
                ? tp_alerts_add(w.alerts, "s",
                                "measure=ratio series=hits_total over=misses_total warn=1", NULL)
                : status;
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (failed) {
            tp_alerts_free(w.alerts);
            continue;
        }
        unsigned failures = 0;
        for (unsigned m = 1; failed || m == 1; m++) {
            w.hits += 10;
            w.misses += 1;
            tp_histogram_add(&w.seconds, 5000, 1);
            tp_reading *reading = reading_of(&w);
            oom_fail_at(m);
            status = tp_alerts_judge(w.alerts, (tp_alert_time){m, m}, reading, NULL);
            failed = oom_reset();
            assert_true(status == TRIGPERF_OK || (failed && status == TRIGPERF_E_NOMEM));
            tp_reading_free(reading);
            failures += failed ? 1 : 0;
        }
        assert_true(failures > 5);
        w.now_ms = 100000;
        w.hits += 10;
        w.misses += 1;
        judge(&w);
        assert_true(tp_alerts_waiting(w.alerts));
        for (unsigned m = 1; alert == NULL; m++) {
            oom_fail_at(m);
            status = tp_alerts_next(w.alerts, &alert, NULL);
            failed = oom_reset();
            assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        }
        tp_alert_free(alert);
        tp_alerts_free(w.alerts);
        break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_means_wait_for_samples),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_shares_and_ratios),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_a_series_that_comes_later_is_judged_from_its_beginning),
        cmocka_unit_test(test_unfit_series),
        cmocka_unit_test(test_above_its_usual),
        cmocka_unit_test(test_feeding),
        cmocka_unit_test(test_silence_of_one_and_of_all),
        cmocka_unit_test(test_rules_come_and_go),
        cmocka_unit_test(test_the_number_of_states_is_bounded),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
