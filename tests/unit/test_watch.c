/* Alerts of a context: who processes applies the rules, and who waits learns of events. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <trigperf.h>

#include "oom.h"

#define PATIENCE_MS 30000

static trigperf_context *offline(const char *interval) {
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "source", "none", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "alert.interval_ms", interval, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_context_new(config, &context, NULL), TRIGPERF_OK);
    trigperf_config_free(config);
    return context;
}

static trigperf_series *gauge_of(trigperf_context *context) {
    trigperf_series *series = NULL;
    assert_int_equal(trigperf_series_resolve(context, TRIGPERF_SERIES_GAUGE, "host_queue", "Q.",
                                             NULL, NULL, 0, &series, NULL),
                     TRIGPERF_OK);
    return series;
}

static void rule(trigperf_context *context, const char *definition) {
    assert_int_equal(trigperf_alert_rule(context, "r", definition, NULL), TRIGPERF_OK);
}

static void expect(trigperf_context *context, int32_t to) {
    trigperf_alert *alert = NULL;
    assert_int_equal(trigperf_alert_next(context, &alert, NULL), TRIGPERF_OK);
    assert_non_null(alert);
    assert_int_equal(trigperf_alert_to(alert), to);
    trigperf_alert_free(alert);
}

static void expect_none(trigperf_context *context) {
    trigperf_alert *alert = NULL;
    assert_int_equal(trigperf_alert_next(context, &alert, NULL), TRIGPERF_OK);
    assert_null(alert);
}

static void test_waiting_ends_with_an_alert(void **state) {
    (void)state;
    trigperf_context *context = offline("10");
    trigperf_series *gauge = gauge_of(context);
    rule(context, "measure=value series=host_queue warn=10 cooldown_ms=0");
    assert_int_equal(trigperf_wait(context, 30, NULL), TRIGPERF_E_TIMEOUT);
    trigperf_series_set(gauge, 11);
    assert_int_equal(trigperf_wait(context, PATIENCE_MS, NULL), TRIGPERF_OK);
    /* Told once: a host that does not pull alerts is not kept awake by them. */
    assert_int_equal(trigperf_wait(context, 30, NULL), TRIGPERF_E_TIMEOUT);
    expect(context, TRIGPERF_ALERT_WARNING);
    expect_none(context);
    trigperf_context_free(context);
}

static void note_ready(void *user, trigperf_context *context) {
    (void)context;
    (*(int *)user)++;
}

static void test_the_descriptor_becomes_readable(void **state) {
    (void)state;
    trigperf_context *context = offline("10");
    trigperf_series *gauge = gauge_of(context);
    int calls = 0;
    assert_int_equal(trigperf_ready_set(context, note_ready, &calls), TRIGPERF_OK);
    rule(context, "measure=value series=host_queue warn=10");
    trigperf_series_set(gauge, 11);
    for (int i = 0; i < 100 && calls == 0; i++) {
        struct pollfd ready = {trigperf_fd(context), POLLIN, 0};
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
        assert_int_equal(trigperf_process(context, NULL), TRIGPERF_OK);
    }
    assert_int_equal(calls, 1);
    assert_int_equal(trigperf_process(context, NULL), TRIGPERF_OK);
    assert_int_equal(calls, 1);
    expect(context, TRIGPERF_ALERT_WARNING);
    trigperf_context_free(context);
}

static void test_a_value_that_is_fed_wakes(void **state) {
    (void)state;
    trigperf_context *context = offline("3600000");
    struct pollfd ready = {trigperf_fd(context), POLLIN, 0};
    rule(context, "measure=fed warn=10");
    for (int i = 0; i < 100 && poll(&ready, 1, 0) == 1; i++) {
        assert_int_equal(trigperf_process(context, NULL), TRIGPERF_OK);
    }
    assert_int_equal(poll(&ready, 1, 0), 0);
    assert_int_equal(trigperf_alert_feed(context, "r", NULL, NULL, 0, 11, 1, NULL), TRIGPERF_OK);
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    expect(context, TRIGPERF_ALERT_WARNING);
    trigperf_context_free(context);
}

static void test_with_the_librarys_thread(void **state) {
    (void)state;
    trigperf_context *context = offline("10");
    trigperf_series *gauge = gauge_of(context);
    rule(context, "measure=value series=host_queue warn=10 cooldown_ms=0");
    assert_int_equal(trigperf_thread_start(context, NULL), TRIGPERF_OK);
    for (int round = 0; round < 5; round++) {
        trigperf_series_set(gauge, 11);
        assert_int_equal(trigperf_wait(context, PATIENCE_MS, NULL), TRIGPERF_OK);
        expect(context, TRIGPERF_ALERT_WARNING);
        trigperf_series_set(gauge, 1);
        assert_int_equal(trigperf_wait(context, PATIENCE_MS, NULL), TRIGPERF_OK);
        expect(context, TRIGPERF_ALERT_OK);
    }
    assert_int_equal(trigperf_thread_stop(context, NULL), TRIGPERF_OK);
    trigperf_context_free(context);
}

static void test_series_of_the_library(void **state) {
    (void)state;
    trigperf_context *context = offline("3600000");
    rule(context, "measure=value series=trigperf_pending_keys warn=2");
    assert_int_equal(trigperf_alert_check(context, NULL), TRIGPERF_OK);
    expect_none(context);
    for (char key = 'a'; key < 'e'; key++) {
        assert_int_equal(trigperf_push_key(context, &key, 1, NULL), TRIGPERF_OK);
    }
    assert_int_equal(trigperf_alert_check(context, NULL), TRIGPERF_OK);
    expect(context, TRIGPERF_ALERT_WARNING);
    trigperf_context_free(context);
}

static void test_silence_and_bad_arguments(void **state) {
    (void)state;
    trigperf_context *context = offline("3600000");
    const char *name = "Bad";
    const char *value = "x";
    rule(context, "measure=fed warn=10");
    assert_int_equal(trigperf_alert_silence(context, NULL, 60000, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_alert_feed(context, "r", NULL, NULL, 0, 11, 1, NULL), TRIGPERF_OK);
    expect_none(context);
    assert_int_equal(trigperf_alert_silence(context, NULL, 0, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_alert_feed(context, "r", NULL, NULL, 0, 11, 1, NULL), TRIGPERF_OK);
    expect(context, TRIGPERF_ALERT_WARNING);
    assert_int_equal(trigperf_alert_silence(context, NULL, -1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_alert_silence(context, NULL, INT64_MAX, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_alert_silence(context, "x", 1, NULL), TRIGPERF_E_NOT_FOUND);
    assert_int_equal(trigperf_alert_feed(context, "r", &name, &value, 1, 11, 1, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_alert_feed(context, "r", &name, &value, 17, 11, 1, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_alert_feed(context, NULL, NULL, NULL, 0, 11, 1, NULL),
                     TRIGPERF_E_NOT_FOUND);
    assert_int_equal(trigperf_alert_rule(context, NULL, "measure=fed warn=1", NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_alert_rule_remove(context, NULL, NULL), TRIGPERF_E_NOT_FOUND);
    trigperf_context_free(context);
}

static void look_up(trigperf_context *context, int number) {
    char key[16];
    uint32_t verdict = 0;
    int length = snprintf(key, sizeof key, "k%d", number);
    assert_int_equal(trigperf_cache_get(context, 0, key, (uint64_t)length, &verdict),
                     TRIGPERF_E_NOT_FOUND);
}

/* Built in: a warning when the verdict cache is of little use. */
static void test_the_hit_rate_of_the_cache(void **state) {
    (void)state;
    trigperf_context *context = offline("3600000");
    for (int i = 0; i < 999; i++) {
        look_up(context, i);
    }
    assert_int_equal(trigperf_alert_check(context, NULL), TRIGPERF_OK);
    expect_none(context); /* too few */
    look_up(context, 999);
    assert_int_equal(trigperf_alert_check(context, NULL), TRIGPERF_OK);
    trigperf_alert *alert = NULL;
    assert_int_equal(trigperf_alert_next(context, &alert, NULL), TRIGPERF_OK);
    assert_non_null(alert);
    assert_string_equal(trigperf_alert_rule_name(alert), "cache_hit_rate");
    assert_int_equal(trigperf_alert_to(alert), TRIGPERF_ALERT_WARNING);
    assert_int_equal(trigperf_alert_samples(alert), 1000);
    trigperf_alert_free(alert);
    assert_int_equal(trigperf_alert_rule_remove(context, "cache_hit_rate", NULL), TRIGPERF_OK);
    trigperf_context_free(context);
}

/* Whether 80 hits in 100 lookups are worth an alert. */
static bool warns_of_eighty(const char *percent) {
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    trigperf_alert *alert = NULL;
    uint32_t verdict = 0;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "source", "none", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "cache.min_lookups", "100", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "cache.min_hit_rate", percent, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_context_new(config, &context, NULL), TRIGPERF_OK);
    trigperf_config_free(config);
    assert_int_equal(trigperf_cache_put(context, 0, "known", 5, 1, 0, 0, NULL), TRIGPERF_OK);
    for (int i = 0; i < 80; i++) {
        assert_int_equal(trigperf_cache_get(context, 0, "known", 5, &verdict), TRIGPERF_OK);
    }
    for (int i = 0; i < 20; i++) {
        look_up(context, i);
    }
    assert_int_equal(trigperf_alert_check(context, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_alert_next(context, &alert, NULL), TRIGPERF_OK);
    bool warns = alert != NULL;
    trigperf_alert_free(alert);
    trigperf_context_free(context);
    return warns;
}

static void test_the_hit_rate_that_is_too_low(void **state) {
    (void)state;
    assert_false(warns_of_eighty("0"));
    assert_false(warns_of_eighty("60"));
    assert_false(warns_of_eighty("80"));
    assert_true(warns_of_eighty("81"));
    assert_true(warns_of_eighty("100"));
}

static void test_rules_of_the_configuration(void **state) {
    (void)state;
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    trigperf_error *error = NULL;
    char *json = NULL;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "source", "none", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_alert(config, "r", "measure=fed", &error), TRIGPERF_E_INVALID);
    assert_non_null(strstr(trigperf_error_message(error), "a threshold"));
    trigperf_error_free(error);
    assert_int_equal(trigperf_config_alert(config, "r", "measure=fed warn=99", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_alert(config, "r", "measure=fed warn=10", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_alert(config, "cache_hit_rate", "measure=fed warn=1", NULL),
                     TRIGPERF_OK);
    assert_int_equal(trigperf_context_new(config, &context, NULL), TRIGPERF_OK);
    trigperf_config_free(config);
    assert_int_equal(trigperf_alert_feed(context, "r", NULL, NULL, 0, 11, 1, NULL), TRIGPERF_OK);
    expect(context, TRIGPERF_ALERT_WARNING);
    assert_int_equal(trigperf_alert_status(context, &json, NULL), TRIGPERF_OK);
    assert_null(strstr(json, "measure=share"));
    trigperf_string_free(json);
    trigperf_context_free(context);
}

static void test_out_of_memory(void **state) {
    (void)state;
    trigperf_context *context = offline("3600000");
    trigperf_series_set(gauge_of(context), 11);
    rule(context, "measure=value series=host_queue warn=10");
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        int32_t status = trigperf_alert_check(context, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (!failed) {
            break;
        }
    }
    for (unsigned n = 1;; n++) {
        char *json = NULL;
        oom_fail_at(n);
        int32_t status = trigperf_alert_status(context, &json, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        trigperf_string_free(json);
        if (!failed) {
            break;
        }
    }
    expect(context, TRIGPERF_ALERT_WARNING);
    trigperf_context_free(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiting_ends_with_an_alert),
        cmocka_unit_test(test_the_descriptor_becomes_readable),
        cmocka_unit_test(test_a_value_that_is_fed_wakes),
        cmocka_unit_test(test_with_the_librarys_thread),
        cmocka_unit_test(test_series_of_the_library),
        cmocka_unit_test(test_silence_and_bad_arguments),
        cmocka_unit_test(test_the_hit_rate_of_the_cache),
        cmocka_unit_test(test_the_hit_rate_that_is_too_low),
        cmocka_unit_test(test_rules_of_the_configuration),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
