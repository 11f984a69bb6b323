/* Rules as text: what is understood, what is refused and how, and levels of values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alert_rule.h"
#include "oom.h"

static tp_alert_rule *parse(const char *text) {
    tp_alert_rule *rule = NULL;
    trigperf_error *error = NULL;
    int32_t status = tp_alert_rule_parse("r", text, &rule, &error);
    if (status != TRIGPERF_OK) {
        fail_msg("%s: %s", text, trigperf_error_message(error));
    }
    return rule;
}

static void test_all_keys(void **state) {
    (void)state;
    tp_alert_rule *rule = parse("  measure=quantile quantile=0.95\tseries=x_seconds\n"
                                "direction=below usual=on warn=-0.5 critical=-2.25 min_samples=20 "
                                "hysteresis=25 hold_ms=5 cooldown_ms=7 label.table=public.calls "
                                "label.who=\"a \\\"b\\\\ c\" ");
    assert_int_equal(rule->measure, TP_ALERT_QUANTILE);
    assert_true(rule->quantile > 0.949 && rule->quantile < 0.951);
    assert_string_equal(rule->series, "x_seconds");
    assert_null(rule->over);
    assert_true(rule->below && rule->usual && rule->has_warn && rule->has_critical);
    assert_true(rule->warn > -0.51 && rule->warn < -0.49);
    assert_true(rule->critical > -2.26 && rule->critical < -2.24);
    assert_true(rule->hysteresis > 0.24 && rule->hysteresis < 0.26);
    assert_int_equal(rule->min_samples, 20);
    assert_int_equal(rule->hold_ms, 5);
    assert_int_equal(rule->cooldown_ms, 7);
    assert_int_equal(rule->label_count, 2);
    assert_string_equal(rule->labels[0].name, "table");
    assert_string_equal(rule->labels[0].value, "public.calls");
    assert_string_equal(rule->labels[1].value, "a \"b\\ c");
    tp_alert_rule_free(rule);
    tp_alert_rule_free(NULL);
}

static void test_defaults(void **state) {
    (void)state;
    tp_alert_rule *rule = parse("measure=share series=hits_total over=misses_total critical=1");
    assert_false(rule->below || rule->usual || rule->has_warn);
    assert_true(rule->hysteresis > 0.09 && rule->hysteresis < 0.11);
    assert_int_equal(rule->min_samples, 1);
    assert_int_equal(rule->hold_ms, 0);
    assert_int_equal(rule->cooldown_ms, 60000);
    tp_alert_rule_free(rule);
    tp_alert_rule_free(parse("measure=fed warn=1"));
}

static void test_what_is_refused(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"", "a measure"},
        {"series=x warn=1", "a measure"},
        {"measure=median series=x warn=1", "value, rate, mean"},
        {"measure=value warn=1", "a series"},
        {"measure=fed series=x warn=1", "a series, except"},
        {"measure=value series=x", "a threshold"},
        {"measure=value series=x warn=high", "a number"},
        {"measure=value series=x warn=1.2.3", "a number"},
        {"measure=value series=x warn=", "a number"},
        {"measure=value series=x warn=-", "a number"},
        {"measure=value series=x warn=nan", "a number"},
        {"measure=value series=x warn=2 critical=1", "at least warn"},
        {"measure=value series=x direction=below warn=1 critical=2", "at most warn"},
        {"measure=value series=x direction=up warn=1", "above or below"},
        {"measure=value series=x usual=maybe warn=1", "on or off"},
        {"measure=value series=X warn=1", "name of a series"},
        {"measure=value series=x series=y warn=1", "once"},
        {"measure=ratio series=x warn=1", "over="},
        {"measure=value series=x over=y warn=1", "over="},
        {"measure=quantile series=x warn=1", "quantile="},
        {"measure=mean series=x quantile=0.5 warn=1", "quantile="},
        {"measure=quantile series=x quantile=2 warn=1", "0 to 1"},
        {"measure=value series=x warn=1 hysteresis=101", "0 to 100"},
        {"measure=value series=x warn=1 min_samples=1.5", "whole"},
        {"measure=value series=x warn=1 min_samples=-1", "whole"},
        {"measure=value series=x warn=1 hold_ms=99999999999", "a week"},
        {"measure=value series=x warn=1 label.=x", "label.NAME"},
        {"measure=value series=x warn=1 colour=red", "unknown key \"colour\""},
        {"measure=value series=x warn=1 label.a=\"open", "words like"},
        {"measure=value series=x warn=1 and", "words like"},
        {"measure=value series=x =1", "words like"},
        {"measure=value series=x warn=1 label.a=1 label.b=1 label.c=1 label.d=1 label.e=1 "
         "label.f=1 "
         "label.g=1 label.h=1 label.i=1",
         "at most 8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tp_alert_rule *rule = NULL;
        trigperf_error *error = NULL;
        assert_int_equal(tp_alert_rule_parse("r", bad[i][0], &rule, &error), TRIGPERF_E_INVALID);
        if (strstr(trigperf_error_message(error), bad[i][1]) == NULL) {
            fail_msg("%s: %s", bad[i][0], trigperf_error_message(error));
        }
        trigperf_error_free(error);
        assert_null(rule);
    }
}

static void test_names(void **state) {
    (void)state;
    tp_alert_rule *rule = NULL;
    char longest[5000];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    const char *good = "measure=fed warn=1";
    assert_int_equal(tp_alert_rule_parse("", good, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_alert_rule_parse(NULL, good, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_alert_rule_parse("\xFF", good, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_alert_rule_parse(longest, good, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_alert_rule_parse("r", longest, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_alert_rule_parse("r", NULL, &rule, NULL), TRIGPERF_E_INVALID);
    assert_string_equal(tp_alert_level_name(TP_ALERT_CRITICAL), "critical");
    assert_string_equal(tp_alert_measure_name(TP_ALERT_FED), "fed");
}

static void level(const char *text, double value, tp_alert_level before, tp_alert_level wanted) {
    tp_alert_rule *rule = parse(text);
    assert_int_equal(tp_alert_rule_level(rule, value, before), wanted);
    tp_alert_rule_free(rule);
}

static void test_levels_and_hysteresis(void **state) {
    (void)state;
    const char *above = "measure=fed warn=100 critical=500 hysteresis=10";
    level(above, 100, TP_ALERT_OK, TP_ALERT_OK);
    level(above, 101, TP_ALERT_OK, TP_ALERT_WARNING);
    level(above, 91, TP_ALERT_OK, TP_ALERT_OK);
    level(above, 91, TP_ALERT_WARNING, TP_ALERT_WARNING);
    level(above, 90, TP_ALERT_WARNING, TP_ALERT_OK);
    level(above, 501, TP_ALERT_WARNING, TP_ALERT_CRITICAL);
    level(above, 460, TP_ALERT_WARNING, TP_ALERT_WARNING);
    level(above, 460, TP_ALERT_CRITICAL, TP_ALERT_CRITICAL);
    level(above, 450, TP_ALERT_CRITICAL, TP_ALERT_WARNING);
    level(above, 10, TP_ALERT_CRITICAL, TP_ALERT_OK);
    const char *below = "measure=fed direction=below warn=0.6 critical=0.3 hysteresis=10";
    level(below, 0.59, TP_ALERT_OK, TP_ALERT_WARNING);
    level(below, 0.65, TP_ALERT_WARNING, TP_ALERT_WARNING);
    level(below, 0.67, TP_ALERT_WARNING, TP_ALERT_OK);
    level(below, 0.29, TP_ALERT_OK, TP_ALERT_CRITICAL);
    level("measure=fed critical=5", 6, TP_ALERT_OK, TP_ALERT_CRITICAL);
    level("measure=fed critical=5", 4.6, TP_ALERT_CRITICAL, TP_ALERT_CRITICAL);
    level("measure=fed critical=5", 4, TP_ALERT_CRITICAL, TP_ALERT_OK);
    level("measure=fed warn=-5 hysteresis=20", -5.5, TP_ALERT_WARNING, TP_ALERT_WARNING);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_alert_rule *rule = NULL;
        oom_fail_at(n);
        int32_t status =
            tp_alert_rule_parse("r", "measure=ratio series=x over=y warn=1 label.a=b", &rule, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        tp_alert_rule_free(rule);
        if (!failed) {
            assert_true(n > 7);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_levels_and_hysteresis),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
