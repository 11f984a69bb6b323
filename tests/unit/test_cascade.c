/* Tables, rules and the keys that a change yields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cascade.h"
#include "oom.h"

static const char *const names[] = {"user_id", "id", "agent_id"};

static tp_cascade *fresh(void) {
    tp_cascade *cascade = NULL;
    assert_int_equal(tp_cascade_new(&cascade, NULL), TRIGPERF_OK);
    return cascade;
}

static const tp_table *declare(tp_cascade *cascade, const char *name, int32_t id) {
    const tp_table *table = NULL;
    assert_int_equal(tp_cascade_table(cascade, name, id, names, 3, &table, NULL), TRIGPERF_OK);
    return table;
}

static void rule(tp_cascade *cascade, const char *table, uint32_t ops, const char *text) {
    assert_int_equal(tp_cascade_rule(cascade, table, NULL, ops, text, 0, NULL), TRIGPERF_OK);
}

static void scope_rule(tp_cascade *cascade, const char *scope, const char *text) {
    assert_int_equal(tp_cascade_rule(cascade, NULL, scope, 0, text, 0, NULL), TRIGPERF_OK);
}

static void prepare(tp_cascade *cascade) {
    assert_int_equal(tp_cascade_prepare(cascade, NULL), TRIGPERF_OK);
}

static bool collect(void *user, const char *key, size_t length, uint32_t template_index,
                    uint32_t min_interval_ms) {
    tp_strbuf *out = user;
    (void)template_index;
    if (out->length > 0) {
        tp_strbuf_putc(out, ' ');
    }
    tp_strbuf_add(out, key, length);
    if (min_interval_ms > 0) {
        tp_strbuf_printf(out, "@%u", min_interval_ms);
    }
    return true;
}

static tp_value text(const char *bytes) {
    return (tp_value){bytes, bytes == NULL ? 0 : (uint32_t)strlen(bytes)};
}

static void assert_keys(tp_cascade *cascade, const tp_table *table, uint32_t op, const char *user,
                        const char *id, const char *agent, const char *expected) {
    const tp_value values[] = {text(user), text(id), text(agent)};
    const tp_change change = {table, op, values, 0};
    tp_strbuf out = TP_STRBUF_INIT;
    assert_true(tp_cascade_expand(cascade, &change, collect, &out));
    assert_string_equal(tp_strbuf_str(&out), expected);
    tp_strbuf_free(&out);
}

static void test_expands_in_rule_order(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *calls = declare(cascade, "public.calls", 4);
    rule(cascade, "public.calls", 0, "dashboard:{user_id}");
    rule(cascade, "public.calls", TP_OP_INSERT | TP_OP_DELETE, "list:{user_id}");
    rule(cascade, "public.calls", 0, "call:{id}");
    rule(cascade, "public.calls", 0, "agent:{agent_id}");
    prepare(cascade);
    assert_keys(cascade, calls, TP_OP_UPDATE, "7", "9", NULL, "dashboard:7 call:9");
    assert_keys(cascade, calls, TP_OP_INSERT, "7", "9", "3", "dashboard:7 list:7 call:9 agent:3");
    assert_keys(cascade, calls, TP_OP_DELETE, NULL, NULL, NULL, "");
    tp_cascade_free(cascade);
}

static void test_same_key_from_two_templates_comes_once(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *calls = declare(cascade, "calls", 0);
    rule(cascade, "calls", 0, "u:{user_id}");
    rule(cascade, "calls", 0, "u:{agent_id}");
    rule(cascade, "calls", 0, "{user_id}");
    prepare(cascade);
    assert_keys(cascade, calls, TP_OP_UPDATE, "7", NULL, "7", "u:7 7");
    assert_keys(cascade, calls, TP_OP_UPDATE, "7", NULL, "8", "u:7 u:8 7");
    assert_keys(cascade, calls, TP_OP_UPDATE, "", NULL, "", "u:");
    tp_cascade_free(cascade);
}

static void test_first_interval_holds(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *calls = declare(cascade, "calls", 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "u:{user_id}", 60, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "u:{user_id}", 5, NULL), 0);
    prepare(cascade);
    assert_keys(cascade, calls, TP_OP_UPDATE, "7", "1", NULL, "u:7@60");
    tp_cascade_free(cascade);
}

static void test_scopes(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *calls = declare(cascade, "calls", 0);
    scope_rule(cascade, "call", "dashboard:{user_id}");
    scope_rule(cascade, "dashboard", "team:{team_id}");
    rule(cascade, "calls", 0, "call:{id}");
    prepare(cascade);
    assert_keys(cascade, calls, TP_OP_UPDATE, "7", "9", NULL, "call:9 dashboard:7");
    assert_int_equal(tp_cascade_table_template_count(cascade, calls), 2);
    assert_string_equal(tp_cascade_template(cascade, tp_cascade_table_template(cascade, calls, 0)),
                        "call:{id}");
    assert_string_equal(
        tp_cascade_template_prefix(cascade, tp_cascade_table_template(cascade, calls, 1)),
        "dashboard:");
    assert_int_equal(tp_cascade_template_count(cascade), 3);
    tp_cascade_free(cascade);
}

static void test_cycle_is_refused(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    trigperf_error *err = NULL;
    scope_rule(cascade, "a", "b:{id}");
    scope_rule(cascade, "b", "a:{id}");
    assert_int_equal(tp_cascade_prepare(cascade, &err), TRIGPERF_E_CONFIG);
    assert_non_null(strstr(trigperf_error_message(err), "a -> b -> a"));
    trigperf_error_free(err);
    tp_cascade_free(cascade);
}

static void test_names_are_checked_whichever_comes_first(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *table = NULL;
    trigperf_error *err = NULL;
    rule(cascade, "early", 0, "x:{nope}");
    assert_int_equal(tp_cascade_table(cascade, "early", 1, names, 3, &table, &err),
                     TRIGPERF_E_INVALID);
    assert_null(table);
    assert_null(tp_cascade_find(cascade, "early"));
    assert_non_null(strstr(trigperf_error_message(err), "rule of table early"));
    assert_non_null(strstr(trigperf_error_message(err), "'agent_id'"));
    trigperf_error_free(err);
    declare(cascade, "late", 2);
    assert_int_equal(tp_cascade_rule(cascade, "late", NULL, 0, "x:{nope}", 0, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(tp_cascade_rule(cascade, "late", NULL, 0, "x:{id", 0, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(tp_cascade_rule(cascade, "unknown", NULL, 0, "x:{id", 0, NULL),
                     TRIGPERF_E_INVALID);
    tp_cascade_free(cascade);
}

static void test_tables_are_found(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *a = declare(cascade, "a", 1);
    const tp_table *b = declare(cascade, "b", 0);
    assert_ptr_equal(tp_cascade_find(cascade, "a"), a);
    assert_ptr_equal(tp_cascade_find(cascade, "b"), b);
    assert_null(tp_cascade_find(cascade, "c"));
    assert_ptr_equal(tp_cascade_find_id(cascade, 1), a);
    assert_null(tp_cascade_find_id(cascade, 0));
    assert_string_equal(a->name, "a");
    assert_int_equal(a->key_count, 3);
    assert_string_equal(a->key_names[2], "agent_id");
    tp_cascade_free(cascade);
}

static void test_same_declaration_changes_nothing(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *a = declare(cascade, "a", 1);
    assert_ptr_equal(declare(cascade, "a", 1), a);
    tp_cascade_free(cascade);
}

static void test_redeclaring_keeps_the_former_table_usable(void **state) {
    (void)state;
    static const char *const fewer[] = {"id"};
    tp_cascade *cascade = fresh();
    const tp_table *now = NULL;
    rule(cascade, "a", 0, "x:{id}");
    const tp_table *former = declare(cascade, "a", 1);
    prepare(cascade);
    assert_int_equal(tp_cascade_table(cascade, "a", 2, fewer, 1, &now, NULL), TRIGPERF_OK);
    assert_ptr_not_equal(now, former);
    assert_ptr_equal(tp_cascade_find(cascade, "a"), now);
    assert_ptr_equal(tp_cascade_find_id(cascade, 2), now);
    assert_null(tp_cascade_find_id(cascade, 1));
    assert_keys(cascade, former, TP_OP_UPDATE, "7", "9", NULL, "x:9");
    const tp_value values[] = {text("5")};
    const tp_change change = {now, TP_OP_INSERT, values, 0};
    tp_strbuf out = TP_STRBUF_INIT;
    assert_true(tp_cascade_expand(cascade, &change, collect, &out));
    assert_string_equal(tp_strbuf_str(&out), "x:5");
    tp_strbuf_free(&out);
    tp_cascade_free(cascade);
}

static void test_table_that_comes_after_prepare(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    rule(cascade, "later", 0, "x:{id}");
    prepare(cascade);
    assert_int_equal(tp_cascade_rule(cascade, "later", NULL, 0, "y:{id}", 0, NULL),
                     TRIGPERF_E_STATE);
    const tp_table *later = declare(cascade, "later", 0);
    assert_keys(cascade, later, TP_OP_INSERT, "1", "2", "3", "x:2");
    const tp_table *ruleless = declare(cascade, "ruleless", 0);
    assert_keys(cascade, ruleless, TP_OP_INSERT, "1", "2", "3", "");
    tp_cascade_free(cascade);
}

static void test_table_without_keys(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *table = NULL;
    rule(cascade, "t", 0, "all");
    assert_int_equal(tp_cascade_table(cascade, "t", 0, NULL, 0, &table, NULL), TRIGPERF_OK);
    prepare(cascade);
    const tp_change change = {table, TP_OP_TRUNCATE, NULL, 0};
    tp_strbuf out = TP_STRBUF_INIT;
    assert_true(tp_cascade_expand(cascade, &change, collect, &out));
    assert_string_equal(tp_strbuf_str(&out), "all");
    tp_strbuf_free(&out);
    tp_cascade_free(cascade);
}

static bool refuse(void *user, const char *key, size_t length, uint32_t template_index,
                   uint32_t min_interval_ms) {
    (void)key;
    (void)length;
    (void)template_index;
    (void)min_interval_ms;
    return --*(int *)user > 0;
}

static void test_emit_stops(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *calls = declare(cascade, "calls", 0);
    rule(cascade, "calls", 0, "a:{id}");
    rule(cascade, "calls", 0, "b:{id}");
    rule(cascade, "calls", 0, "c:{id}");
    prepare(cascade);
    const tp_value values[] = {text("1"), text("2"), text("3")};
    const tp_change change = {calls, TP_OP_INSERT, values, 0};
    int left = 2;
    assert_false(tp_cascade_expand(cascade, &change, refuse, &left));
    assert_int_equal(left, 0);
    tp_cascade_free(cascade);
}

static int32_t build(tp_cascade *cascade, const tp_table **table) {
    int32_t status = tp_cascade_rule(cascade, "t", NULL, 0, "x:{id}", 0, NULL);
    if (status == TRIGPERF_OK) {
        status = tp_cascade_table(cascade, "t", 1, names, 3, table, NULL);
    }
    if (status == TRIGPERF_OK) {
        status = tp_cascade_table(cascade, "t", 2, names, 2, table, NULL);
    }
    if (status == TRIGPERF_OK) {
        status = tp_cascade_prepare(cascade, NULL);
    }
    return status == TRIGPERF_OK ? tp_cascade_table(cascade, "u", 3, names, 2, table, NULL)
                                 : status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    unsigned n = 1;
    for (;; n++) {
        tp_cascade *cascade = NULL;
        const tp_table *table = NULL;
        oom_fail_at(n);
        int32_t status = tp_cascade_new(&cascade, NULL);
        if (status == TRIGPERF_OK) {
            status = build(cascade, &table);
        }
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        const tp_table *found = cascade == NULL ? NULL : tp_cascade_find(cascade, "t");
        if (found != NULL) {
            assert_ptr_equal(tp_cascade_find_id(cascade, found->id), found);
        }
        tp_cascade_free(cascade);
        if (!failed) {
            break;
        }
    }
    assert_true(n > 20);
}

static void test_expand_out_of_memory(void **state) {
    (void)state;
    tp_cascade *cascade = fresh();
    const tp_table *calls = declare(cascade, "calls", 0);
    rule(cascade, "calls", 0, "a:{id}");
    prepare(cascade);
    const tp_value values[] = {text("1"), text("2"), text("3")};
    const tp_change change = {calls, TP_OP_INSERT, values, 0};
    int left = 10;
    oom_fail_at(1);
    assert_false(tp_cascade_expand(cascade, &change, refuse, &left));
    assert_true(oom_reset());
    assert_int_equal(left, 10);
    assert_true(tp_cascade_expand(cascade, &change, refuse, &left));
    assert_int_equal(left, 9);
    tp_cascade_free(cascade);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expands_in_rule_order),
        cmocka_unit_test(test_same_key_from_two_templates_comes_once),
        cmocka_unit_test(test_first_interval_holds),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_cycle_is_refused),
        cmocka_unit_test(test_names_are_checked_whichever_comes_first),
        cmocka_unit_test(test_tables_are_found),
        cmocka_unit_test(test_same_declaration_changes_nothing),
        cmocka_unit_test(test_redeclaring_keeps_the_former_table_usable),
        cmocka_unit_test(test_table_that_comes_after_prepare),
        cmocka_unit_test(test_table_without_keys),
        cmocka_unit_test(test_emit_stops),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_expand_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
