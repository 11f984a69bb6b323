/* From values to events: hysteresis, holding, cooldown, silence, and what happens when nobody
 * pulls; by hand, and as rules that must hold for any sequence of values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alert_state.h"
#include "prng.h"

static tp_alert_rule *rule_of(const char *text) {
    tp_alert_rule *rule = NULL;
    assert_int_equal(tp_alert_rule_parse("r", text, &rule, NULL), TRIGPERF_OK);
    return rule;
}

typedef struct world {
    tp_alert_rule *rule;
    tp_alert_state state;
    uint64_t numbers;
    uint64_t silent_until;
} world;

static bool judge(world *w, uint64_t now_ms, double value) {
    tp_alert_finding finding = {value, (double)NAN, 7, now_ms, now_ms + 1000000, w->silent_until};
    return tp_alert_state_judge(&w->state, w->rule, &finding, &w->numbers);
}

static void expect(world *w, tp_alert_level from, tp_alert_level to) {
    tp_alert_event event;
    assert_true(tp_alert_state_take(&w->state, &event));
    assert_int_equal(event.from, from);
    assert_int_equal(event.to, to);
}

static void expect_none(world *w) {
    tp_alert_event event;
    assert_false(tp_alert_state_take(&w->state, &event));
}

static void test_up_and_down(void **state) {
    (void)state;
    world w = {.rule = rule_of("measure=fed warn=100 critical=500 cooldown_ms=0")};
    tp_alert_event event;
    assert_false(judge(&w, 0, 50));
    assert_true(judge(&w, 10, 150));
    assert_true(tp_alert_state_take(&w.state, &event));
    assert_int_equal(event.number, 1);
    assert_int_equal(event.to, TP_ALERT_WARNING);
    assert_true(event.value > 149 && event.value < 151);
    assert_true(event.threshold > 99 && event.threshold < 101);
    assert_int_equal(event.samples, 7);
    assert_int_equal(event.unix_ms, 1000010);
    assert_false(judge(&w, 20, 95)); /* within the hysteresis */
    assert_true(judge(&w, 30, 600));
    expect(&w, TP_ALERT_WARNING, TP_ALERT_CRITICAL);
    assert_true(judge(&w, 40, 5));
    assert_true(tp_alert_state_take(&w.state, &event));
    assert_int_equal(event.from, TP_ALERT_CRITICAL);
    assert_int_equal(event.to, TP_ALERT_OK);
    assert_true(event.threshold > 499);
    expect_none(&w);
    tp_alert_rule_free(w.rule);
}

static void test_holding(void **state) {
    (void)state;
    world w = {.rule = rule_of("measure=fed warn=100 hold_ms=50 cooldown_ms=0")};
    assert_false(judge(&w, 0, 150));
    assert_false(judge(&w, 40, 150));
    assert_false(judge(&w, 45, 10)); /* begins anew */
    assert_false(judge(&w, 60, 150));
    assert_false(judge(&w, 100, 150));
    assert_true(judge(&w, 110, 150));
    expect(&w, TP_ALERT_OK, TP_ALERT_WARNING);
    assert_true(judge(&w, 111, 10)); /* ends at once */
    tp_alert_rule_free(w.rule);
}

static void test_cooldown(void **state) {
    (void)state;
    world w = {.rule = rule_of("measure=fed warn=100 critical=500 cooldown_ms=1000")};
    assert_true(judge(&w, 0, 150));
    assert_false(judge(&w, 10, 10));  /* waits */
    assert_false(judge(&w, 20, 150)); /* nothing to tell */
    assert_true(judge(&w, 30, 600));  /* worse passes */
    assert_false(judge(&w, 40, 10));
    assert_false(judge(&w, 1029, 10));
    assert_true(judge(&w, 1030, 10)); /* told in the end */
    tp_alert_rule_free(w.rule);
}

static void test_silence(void **state) {
    (void)state;
    world w = {.rule = rule_of("measure=fed warn=100 cooldown_ms=0"), .silent_until = 100};
    assert_false(judge(&w, 0, 150));
    assert_false(judge(&w, 99, 150));
    assert_true(judge(&w, 100, 150));
    expect(&w, TP_ALERT_OK, TP_ALERT_WARNING);
    w.silent_until = 500;
    assert_false(judge(&w, 200, 1));
    assert_false(judge(&w, 300, 150));
    assert_false(judge(&w, 501, 150)); /* as it was told before */
    tp_alert_rule_free(w.rule);
}

static void test_the_clock_goes_backwards(void **state) {
    (void)state;
    world w = {.rule = rule_of("measure=fed warn=100 hold_ms=50 cooldown_ms=1000")};
    assert_false(judge(&w, 1000, 150));
    assert_false(judge(&w, 10, 150)); /* holding begins there */
    assert_true(judge(&w, 60, 150));
    assert_true(judge(&w, 5, 1)); /* before the event: no cooldown to wait for */
    tp_alert_rule_free(w.rule);
}

static void test_nobody_pulls(void **state) {
    (void)state;
    world w = {.rule = rule_of("measure=fed warn=100 critical=500 cooldown_ms=0")};
    judge(&w, 1, 150);
    judge(&w, 2, 1);
    judge(&w, 3, 600);
    expect(&w, TP_ALERT_OK, TP_ALERT_CRITICAL);
    expect_none(&w);
    judge(&w, 4, 1);
    judge(&w, 5, 150);
    judge(&w, 6, 600);
    expect(&w, TP_ALERT_CRITICAL, TP_ALERT_WARNING);
    expect(&w, TP_ALERT_WARNING, TP_ALERT_CRITICAL);
    expect_none(&w);
    tp_alert_rule_free(w.rule);
}

/* Whatever the values: events link up, tell a change, and the last one tells the present level. */
static void test_any_sequence(void **state) {
    (void)state;
    uint64_t random = 77;
    for (uint32_t round = 0; round < 300; round++) {
        uint64_t cooldown = prng_below(&random, 3) * 50;
        world w = {.rule = rule_of("measure=fed warn=100 critical=500")};
        w.rule->cooldown_ms = cooldown;
        w.rule->hold_ms = prng_below(&random, 2) * 20;
        tp_alert_level told = TP_ALERT_OK;
        uint64_t now_ms = 0;
        tp_alert_event event;
        for (uint32_t step = 0; step < 400; step++) {
            now_ms += prng_below(&random, 30);
            w.silent_until = prng_below(&random, 40) == 0 ? now_ms + 100 : w.silent_until;
            judge(&w, now_ms, (double)prng_below(&random, 700));
            assert_true(w.state.waiting <= 2);
            while (prng_below(&random, 4) == 0 && tp_alert_state_take(&w.state, &event)) {
                assert_int_equal(event.from, told);
                assert_int_not_equal(event.from, event.to);
                told = event.to;
            }
        }
        judge(&w, now_ms + 1000, 1);
        judge(&w, now_ms + 2000, 1);
        while (tp_alert_state_take(&w.state, &event)) {
            assert_int_equal(event.from, told);
            told = event.to;
        }
        assert_int_equal(told, TP_ALERT_OK);
        tp_alert_rule_free(w.rule);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_and_down),
        cmocka_unit_test(test_holding),
        cmocka_unit_test(test_cooldown),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_the_clock_goes_backwards),
        cmocka_unit_test(test_nobody_pulls),
        cmocka_unit_test(test_any_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
