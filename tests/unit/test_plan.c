/* What a table's changes go through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "core/plan.h"
#include "oom.h"

static const char *const names[] = {"user_id", "id"};
static const tp_table calls = {"calls", 1, 2, names};

/* "template/ops template/ops ..." in order. */
static void assert_plan(const tp_ruleset *set, const char *expected) {
    tp_plan plan = {NULL, 0, 0, NULL, 0};
    tp_strbuf text = TP_STRBUF_INIT;
    assert_int_equal(tp_plan_make(set, &calls, &plan, NULL), TRIGPERF_OK);
    for (uint32_t i = 0; i < plan.count; i++) {
        const tp_step *step = &plan.steps[i];
        assert_string_equal(tp_template_text(step->bound),
                            tp_template_text(tp_ruleset_template(set, step->template)));
        tp_strbuf_printf(&text, "%s%s/%u", i == 0 ? "" : " ", tp_template_text(step->bound),
                         step->ops);
    }
    assert_string_equal(tp_strbuf_str(&text), expected);
    tp_strbuf_free(&text);
    tp_plan_free(&plan);
    assert_int_equal(plan.count, 0);
}

static void table_rule(tp_ruleset *set, const char *table, uint32_t ops, const char *text) {
    assert_int_equal(tp_ruleset_add(set, table, NULL, ops, text, 0, NULL), TRIGPERF_OK);
}

static void scope_rule(tp_ruleset *set, const char *scope, uint32_t ops, const char *text) {
    assert_int_equal(tp_ruleset_add(set, NULL, scope, ops, text, 0, NULL), TRIGPERF_OK);
}

static void test_no_rules(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    assert_plan(set, "");
    table_rule(set, "others", 0, "x:{id}");
    assert_plan(set, "");
    tp_ruleset_free(set);
}

static void test_own_rules_come_first(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    scope_rule(set, "call", 0, "late:{id}");
    table_rule(set, "calls", 0, "call:{id}");
    table_rule(set, "calls", TP_OP_INSERT, "dash:{user_id}");
    assert_plan(set, "call:{id}/15 dash:{user_id}/2 late:{id}/15");
    tp_ruleset_free(set);
}

static void test_operations_narrow_along_scopes(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    table_rule(set, "calls", TP_OP_INSERT | TP_OP_DELETE, "a:{id}");
    scope_rule(set, "a", TP_OP_INSERT | TP_OP_UPDATE, "b:{id}");
    scope_rule(set, "a", TP_OP_UPDATE, "never:{id}");
    scope_rule(set, "b", 0, "c:{id}");
    assert_plan(set, "a:{id}/3 b:{id}/2 c:{id}/2");
    tp_ruleset_free(set);
}

static void test_operations_of_one_template_are_covered_once(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    table_rule(set, "calls", TP_OP_INSERT, "a:{id}");
    table_rule(set, "calls", TP_OP_INSERT | TP_OP_UPDATE, "a:{id}");
    table_rule(set, "calls", TP_OP_UPDATE, "a:{id}");
    scope_rule(set, "a", 0, "b:{id}");
    assert_plan(set, "a:{id}/2 a:{id}/8 b:{id}/2 b:{id}/8");
    tp_plan plan;
    assert_int_equal(tp_plan_make(set, &calls, &plan, NULL), TRIGPERF_OK);
    assert_int_equal(plan.template_count, 2);
    assert_int_equal(plan.templates[0], 0);
    assert_int_equal(plan.templates[1], 1);
    tp_plan_free(&plan);
    tp_ruleset_free(set);
}

static void test_diamond_yields_each_template_once(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    table_rule(set, "calls", 0, "a:{id}");
    scope_rule(set, "a", 0, "b:{id}");
    scope_rule(set, "a", 0, "c:{id}");
    scope_rule(set, "b", 0, "d:{id}");
    scope_rule(set, "c", 0, "d:{id}");
    assert_plan(set, "a:{id}/15 b:{id}/15 c:{id}/15 d:{id}/15");
    tp_ruleset_free(set);
}

static void test_missing_key_drops_the_template_not_what_follows(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    table_rule(set, "calls", 0, "call:{id}");
    scope_rule(set, "call", 0, "lead:{lead_id}");
    scope_rule(set, "lead", 0, "dash:{user_id}");
    assert_plan(set, "call:{id}/15 dash:{user_id}/15");
    tp_ruleset_free(set);
}

static void test_scope_is_compared_whole(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    table_rule(set, "calls", 0, "call:{id}");
    scope_rule(set, "cal", 0, "no:{id}");
    scope_rule(set, "calls", 0, "no:{id}");
    scope_rule(set, "call:", 0, "no:{id}");
    assert_plan(set, "call:{id}/15");
    tp_ruleset_free(set);
}

static void test_a_cycle_ends(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    table_rule(set, "calls", 0, "a:{id}");
    scope_rule(set, "a", 0, "b:{id}");
    scope_rule(set, "b", 0, "a:{id}");
    assert_plan(set, "a:{id}/15 b:{id}/15");
    tp_ruleset_free(set);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    table_rule(set, "calls", 0, "a:{id}");
    scope_rule(set, "a", 0, "b:{user_id}");
    unsigned n = 1;
    for (;; n++) {
        tp_plan plan = {NULL, 7, 0, NULL, 0};
        oom_fail_at(n);
        int32_t status = tp_plan_make(set, &calls, &plan, NULL);
        if (!oom_reset()) {
            assert_int_equal(status, TRIGPERF_OK);
            tp_plan_free(&plan);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
        assert_int_equal(plan.count, 7);
    }
    assert_true(n > 5);
    tp_ruleset_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_rules),
        cmocka_unit_test(test_own_rules_come_first),
        cmocka_unit_test(test_operations_narrow_along_scopes),
        cmocka_unit_test(test_operations_of_one_template_are_covered_once),
        cmocka_unit_test(test_diamond_yields_each_template_once),
        cmocka_unit_test(test_missing_key_drops_the_template_not_what_follows),
        cmocka_unit_test(test_scope_is_compared_whole),
        cmocka_unit_test(test_a_cycle_ends),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
