/* Adding rules: what is kept, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ruleset.h"
#include "oom.h"

static void test_keeps_order_and_numbers_templates_by_text(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    assert_int_equal(tp_ruleset_add(set, "public.a", NULL, 0, "x:{id}", 5, NULL), TRIGPERF_OK);
    assert_int_equal(tp_ruleset_add(set, "public.b", NULL, TP_OP_INSERT, "y:{id}", 0, NULL),
                     TRIGPERF_OK);
    assert_int_equal(tp_ruleset_add(set, NULL, "y", TP_OP_DELETE, "x:{id}", 0, NULL), TRIGPERF_OK);
    assert_int_equal(tp_ruleset_count(set), 3);
    assert_int_equal(tp_ruleset_template_count(set), 2);
    const tp_rule *first = tp_ruleset_at(set, 0);
    assert_string_equal(first->table, "public.a");
    assert_null(first->scope);
    assert_int_equal(first->ops, TP_OP_ALL);
    assert_int_equal(first->min_interval_ms, 5);
    const tp_rule *last = tp_ruleset_at(set, 2);
    assert_null(last->table);
    assert_string_equal(last->scope, "y");
    assert_int_equal(last->ops, TP_OP_DELETE);
    assert_int_equal(last->template, first->template);
    assert_string_equal(tp_template_text(tp_ruleset_template(set, 1)), "y:{id}");
    tp_ruleset_free(set);
}

static void assert_refused(const char *table, const char *scope, uint32_t ops, const char *text) {
    tp_ruleset *set = tp_ruleset_new();
    trigperf_error *err = NULL;
    assert_int_equal(tp_ruleset_add(set, table, scope, ops, text, 0, &err), TRIGPERF_E_INVALID);
    assert_true(trigperf_error_hint(err)[0] != '\0');
    assert_int_equal(tp_ruleset_count(set), 0);
    assert_int_equal(tp_ruleset_template_count(set), 0);
    trigperf_error_free(err);
    tp_ruleset_free(set);
}

static void test_refuses(void **state) {
    (void)state;
    assert_refused(NULL, NULL, 0, "x:{id}");
    assert_refused("t", "s", 0, "x:{id}");
    assert_refused("", NULL, 0, "x:{id}");
    assert_refused(NULL, "", 0, "x:{id}");
    assert_refused("t", NULL, 16, "x:{id}");
    assert_refused("t", NULL, 0, "x:{id");
    assert_refused("t", NULL, 0, "");
}

static void test_cycle(void **state) {
    (void)state;
    tp_ruleset *set = tp_ruleset_new();
    trigperf_error *err = NULL;
    assert_int_equal(tp_ruleset_add(set, NULL, "a", 0, "b:{id}", 0, NULL), TRIGPERF_OK);
    assert_int_equal(tp_ruleset_check(set, NULL), TRIGPERF_OK);
    assert_int_equal(tp_ruleset_add(set, NULL, "b", 0, "a:{id}", 0, NULL), TRIGPERF_OK);
    assert_int_equal(tp_ruleset_check(set, &err), TRIGPERF_E_CONFIG);
    assert_non_null(strstr(trigperf_error_message(err), "a -> b -> a"));
    trigperf_error_free(err);
    tp_ruleset_free(set);
}

static int32_t fill(tp_ruleset *set) {
    int32_t status = tp_ruleset_add(set, "t", NULL, 0, "a:{id}", 0, NULL);
    if (status == TRIGPERF_OK) {
        status = tp_ruleset_add(set, NULL, "a", 0, "b:{id}", 0, NULL);
    }
    return status == TRIGPERF_OK ? tp_ruleset_check(set, NULL) : status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    unsigned n = 1;
    for (;; n++) {
        oom_fail_at(n);
        tp_ruleset *set = tp_ruleset_new();
        int32_t status = set == NULL ? TRIGPERF_E_NOMEM : fill(set);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (failed && set != NULL) {
            assert_int_equal(fill(set), TRIGPERF_OK);
        }
        tp_ruleset_free(set);
        if (!failed) {
            break;
        }
    }
    assert_true(n > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_order_and_numbers_templates_by_text),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
