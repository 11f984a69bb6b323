/* Validators of the core: columns, groups, judging, occasions, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/rule_text.h"
#include "core/validator.h"
#include "oom.h"

static const tp_column_type integer_type = {.kind = TP_TYPE_INTEGER, .width = 8};

static tp_validator *made(const char *rules) {
    tp_validator *validator = NULL;
    trigperf_error *error = NULL;
    assert_int_equal(tp_validator_new("v", &validator, NULL), TRIGPERF_OK);
    if (tp_rule_text_parse(rules, validator, &error) != TRIGPERF_OK) {
        fail_msg("%s", trigperf_error_message(error));
    }
    return validator;
}

static uint32_t judge(const tp_validator *validator, uint32_t column, uint32_t occasion,
                      const char *text) {
    tp_value value = {text, text == NULL ? 0 : (uint32_t)strlen(text)};
    uint32_t verdict = 999;
    bool keep = false;
    assert_int_equal(tp_validator_judge(validator, column, occasion, &value, &verdict, &keep),
                     TRIGPERF_OK);
    assert_true(keep);
    return verdict;
}

static void test_verdicts_name_the_first_rule(void **state) {
    (void)state;
    tp_validator *validator =
        made("a: integer, not null, 0.., ..10 unless bulk\nb: length ..3, pattern '^x'");
    assert_int_equal(judge(validator, 0, 0, "5"), TP_VERDICT_HOLDS);
    assert_int_equal(judge(validator, 0, 0, "x"), TP_VERDICT_FIRST_RULE);
    assert_int_equal(judge(validator, 0, 0, NULL), TP_VERDICT_FIRST_RULE + 1);
    assert_int_equal(judge(validator, 0, 0, "-1"), TP_VERDICT_FIRST_RULE + 2);
    assert_int_equal(judge(validator, 0, 0, "11"), TP_VERDICT_FIRST_RULE + 3);
    assert_int_equal(judge(validator, 0, TP_UNLESS_BULK, "11"), TP_VERDICT_HOLDS);
    assert_int_equal(judge(validator, 0, TP_UNLESS_MIGRATION, "11"), TP_VERDICT_FIRST_RULE + 3);
    assert_int_equal(judge(validator, 1, 0, "yyyy"), TP_VERDICT_FIRST_RULE + 1);
    assert_int_equal(judge(validator, 1, 0, "yyy"), TP_VERDICT_FIRST_RULE + 2);
    assert_int_equal(judge(validator, 1, 0, "\xFF"), TP_VERDICT_FIRST_RULE);
    assert_string_equal(tp_check_rule_name(tp_validator_rule(validator, 1, 2)), "pattern");
    assert_int_equal(tp_validator_group_count(validator), 2);
    tp_rule_group group = tp_validator_group(validator, 0);
    assert_int_equal(group.rule_count, 4);
    assert_int_equal(group.unless, TP_UNLESS_BULK);
    tp_validator_free(validator);
}

static void test_what_is_open_is_refused_unless_lenient(void **state) {
    (void)state;
    tp_validator *validator = made("strict: integer");
    uint32_t column;
    assert_int_equal(
        tp_validator_column(validator, "lenient", &integer_type, NULL, true, &column, NULL),
        TRIGPERF_OK);
    assert_int_equal(judge(validator, 0, 0, "0x1F"), TP_VERDICT_FIRST_RULE);
    assert_int_equal(judge(validator, column, 0, "0x1F"), TP_VERDICT_UNDECIDED);
    tp_validator_free(validator);
}

static void test_numbers_are_judged_as_their_texts(void **state) {
    (void)state;
    tp_validator *validator =
        made("i: integer, 0..10\nn: numeric, 0..10\nt: length ..2\nr: real, finite, 0..1");
    static const int64_t numbers[] = {-1, 0, 10, 11, 100, INT64_MIN, INT64_MAX};
    for (uint32_t column = 0; column < 3; column++) {
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            char text[32];
            uint32_t verdict;
            bool keep;
            snprintf(text, sizeof text, "%lld", (long long)numbers[i]);
            assert_int_equal(
                tp_validator_judge_integer(validator, column, 0, numbers[i], &verdict, &keep),
                TRIGPERF_OK);
            assert_int_equal(verdict, judge(validator, column, 0, text));
        }
    }
    uint32_t verdict = 0;
    bool keep;
    assert_int_equal(tp_validator_judge_real(validator, 3, 0, 0.5, &verdict, &keep), TRIGPERF_OK);
    assert_int_equal(verdict, TP_VERDICT_HOLDS);
    assert_int_equal(tp_validator_judge_real(validator, 3, 0, 1.5, &verdict, &keep), TRIGPERF_OK);
    assert_int_equal(verdict, TP_VERDICT_FIRST_RULE + 2);
    assert_int_equal(tp_validator_judge_real(validator, 1, 0, 0.5, &verdict, &keep),
                     TRIGPERF_E_INVALID);
    tp_validator_free(validator);
}

typedef struct seen {
    uint32_t calls;
    int32_t answer;
    char text[64];
} seen;

static int32_t look(void *user, const char *const *values, const uint64_t *lengths,
                    uint32_t count) {
    seen *into = user;
    into->calls++;
    into->text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        strncat(into->text, values[i] == NULL ? "-" : values[i],
                values[i] == NULL ? 1 : (size_t)lengths[i]);
        strcat(into->text, "|");
    }
    return into->answer;
}

static void add_function(tp_validator *validator, const uint32_t *columns, uint32_t count,
                         seen *into) {
    tp_check_function function = {"look", "nothing", look, into};
    tp_check_rule *rule = NULL;
    assert_int_equal(tp_check_rule_function(&function, &rule, NULL), TRIGPERF_OK);
    assert_int_equal(tp_validator_add(validator, columns, count, rule, 0, NULL), TRIGPERF_OK);
}

static void test_rules_over_several_columns(void **state) {
    (void)state;
    tp_validator *validator = made("a: integer\nb: text\nc: integer");
    const uint32_t columns[] = {0, 2};
    seen into = {0, 1, ""};
    add_function(validator, columns, 2, &into);
    assert_int_equal(tp_validator_group_count(validator), 4);
    tp_value values[] = {{"1", 1}, {NULL, 0}};
    uint32_t verdict;
    bool keep;
    assert_int_equal(tp_validator_judge(validator, 3, 0, values, &verdict, &keep), TRIGPERF_OK);
    assert_int_equal(verdict, TP_VERDICT_FIRST_RULE);
    assert_string_equal(into.text, "1|-|");
    values[1] = (tp_value){"x", 1}; /* not of its type: its own column says so */
    assert_int_equal(tp_validator_judge(validator, 3, 0, values, &verdict, &keep), TRIGPERF_OK);
    assert_int_equal(verdict, TP_VERDICT_UNDECIDED);
    assert_int_equal(into.calls, 1);
    into.answer = 2;
    values[1] = (tp_value){"2", 1};
    assert_int_equal(tp_validator_judge(validator, 3, 0, values, &verdict, &keep), TRIGPERF_OK);
    assert_int_equal(verdict, TP_VERDICT_UNDECIDED);
    assert_false(keep);
    into.answer = TRIGPERF_E_TIMEOUT;
    assert_int_equal(tp_validator_judge(validator, 3, 0, values, &verdict, &keep),
                     TRIGPERF_E_TIMEOUT);
    tp_validator_free(validator);
}

static void test_functions_see_numbers_as_text(void **state) {
    (void)state;
    tp_validator *validator = made("i: integer\nr: real");
    seen into = {0, 0, ""};
    uint32_t verdict;
    bool keep;
    add_function(validator, (const uint32_t[]){0}, 1, &into);
    add_function(validator, (const uint32_t[]){1}, 1, &into);
    tp_validator_judge_integer(validator, 0, 0, -5, &verdict, &keep);
    assert_string_equal(into.text, "-5|");
    tp_validator_judge_real(validator, 1, 0, 0.5, &verdict, &keep);
    assert_string_equal(into.text, "0.5|");
    tp_validator_free(validator);
}

static void test_what_depends_and_what_is_not_kept(void **state) {
    (void)state;
    tp_validator *validator = made("a: integer\nb: integer");
    const uint32_t a = 0;
    const uint32_t b = 1;
    assert_int_equal(tp_validator_depends(validator, &a, 1, "public.t", NULL), TRIGPERF_OK);
    assert_int_equal(tp_validator_depends(validator, &a, 1, "public.t", NULL), TRIGPERF_OK);
    assert_int_equal(tp_validator_depends(validator, &a, 1, "public.u", NULL), TRIGPERF_E_INVALID);
    assert_string_equal(tp_validator_group(validator, 0).table, "public.t");
    assert_null(tp_validator_group(validator, 1).table);
    assert_int_equal(tp_validator_never_keep(validator, &b, 1, NULL), TRIGPERF_OK);
    assert_true(tp_validator_group(validator, 1).never_keep);
    tp_value value = {"1", 1};
    uint32_t verdict;
    bool keep = true;
    tp_validator_judge(validator, 1, 0, &value, &verdict, &keep);
    assert_false(keep);
    value = (tp_value){"x", 1};
    keep = true;
    tp_validator_judge(validator, 1, 0, &value, &verdict, &keep);
    assert_false(keep);
    tp_validator_free(validator);
}

static void test_refuses(void **state) {
    (void)state;
    tp_validator *validator = made("a: integer");
    uint32_t column = 77;
    tp_check_rule *rule = NULL;
    const uint32_t missing = 5;
    uint32_t many[20] = {0};
    assert_int_equal(tp_validator_column(validator, "a", &integer_type, NULL, false, &column, NULL),
                     TRIGPERF_E_EXISTS);
    assert_int_equal(tp_validator_column(validator, "", &integer_type, NULL, false, &column, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(column, 77);
    tp_check_rule_not_null(&rule, NULL);
    assert_int_equal(tp_validator_add(validator, &missing, 1, rule, 0, NULL), TRIGPERF_E_NOT_FOUND);
    tp_check_rule_not_null(&rule, NULL);
    assert_int_equal(tp_validator_add(validator, many, 17, rule, 0, NULL), TRIGPERF_E_INVALID);
    tp_check_rule_not_null(&rule, NULL);
    assert_int_equal(tp_validator_add(validator, many, 0, rule, 0, NULL), TRIGPERF_E_INVALID);
    tp_validator_seal(validator);
    tp_check_rule_not_null(&rule, NULL);
    assert_int_equal(tp_validator_add(validator, many, 1, rule, 0, NULL), TRIGPERF_E_STATE);
    assert_int_equal(tp_validator_column(validator, "b", &integer_type, NULL, false, &column, NULL),
                     TRIGPERF_E_STATE);
    tp_validator_free(validator);
}

static void test_limits(void **state) {
    (void)state;
    tp_validator *validator = made("");
    uint32_t column;
    for (uint32_t i = 0; i < TP_VALIDATOR_COLUMNS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        assert_int_equal(
            tp_validator_column(validator, name, &integer_type, NULL, false, &column, NULL),
            TRIGPERF_OK);
        assert_int_equal(tp_validator_find(validator, name, strlen(name)), i);
    }
    assert_int_equal(
        tp_validator_column(validator, "more", &integer_type, NULL, false, &column, NULL),
        TRIGPERF_E_LIMIT);
    int32_t status = TRIGPERF_OK;
    uint32_t added = 0;
    for (; status == TRIGPERF_OK; added++) {
        tp_check_rule *rule = NULL;
        tp_check_rule_not_null(&rule, NULL);
        status = tp_validator_add(validator, &column, 1, rule, 0, NULL);
    }
    assert_int_equal(status, TRIGPERF_E_LIMIT);
    assert_true(added > 50000);
    tp_validator_free(validator);
}

static void test_hash_and_json(void **state) {
    (void)state;
    static const char *const rules[] = {"a: integer, 0..1",
                                        "a: integer, 0..2",
                                        "b: integer, 0..1",
                                        "a: numeric, 0..1",
                                        "a: integer, 0..1 unless bulk",
                                        "a: numeric(4,2), 0..1",
                                        "a: integer, 0..1, not null"};
    uint64_t hashes[7];
    for (int i = 0; i < 7; i++) {
        tp_validator *validator = made(rules[i]);
        tp_validator *again = made(rules[i]);
        hashes[i] = tp_validator_hash(validator);
        assert_true(hashes[i] == tp_validator_hash(again));
        for (int j = 0; j < i; j++) {
            assert_true(hashes[i] != hashes[j]);
        }
        tp_validator_free(again);
        tp_validator_free(validator);
    }
    tp_validator *validator = made("a: integer, 0..1");
    tp_strbuf json = TP_STRBUF_INIT;
    tp_validator_json(validator, &json);
    assert_string_equal(
        tp_strbuf_str(&json),
        "{\"name\":\"v\",\"columns\":[{\"name\":\"a\",\"type\":\"integer\"}],\"rules\":[{"
        "\"columns\":[\"a\"],\"rule\":\"range\",\"expected\":\">= 0 and <= 1\"}]}");
    tp_strbuf_free(&json);
    tp_validator_free(validator);
}

static int32_t build(tp_validator **out, trigperf_error **error) {
    const tp_value labels[] = {{"red", 3}};
    tp_column_type type = {.kind = TP_TYPE_ENUM};
    tp_validator *validator = NULL;
    tp_check_rule *rule = NULL;
    uint32_t columns[2];
    int32_t status = tp_validator_new("v", &validator, error);
    if (status == TRIGPERF_OK) {
        tp_wordset *set = tp_wordset_new(labels, 1);
        status = set == NULL
                     ? tp_error_nomem(error)
                     : tp_validator_column(validator, "a", &type, set, false, &columns[0], error);
    }
    if (status == TRIGPERF_OK) {
        status =
            tp_validator_column(validator, "b", &integer_type, NULL, false, &columns[1], error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_validator_depends(validator, columns, 2, "public.t", error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_check_rule_not_null(&rule, error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_validator_add(validator, columns, 2, rule, 0, error);
    }
    if (status != TRIGPERF_OK) {
        tp_validator_free(validator);
        return status;
    }
    *out = validator;
    return TRIGPERF_OK;
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_validator *validator = NULL;
        trigperf_error *error = NULL;
        oom_fail_at(n);
        int32_t status = build(&validator, &error);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(trigperf_error_code(error), status);
        trigperf_error_free(error);
        tp_validator_free(validator);
        if (!failed) {
            assert_true(n > 15);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_name_the_first_rule),
        cmocka_unit_test(test_what_is_open_is_refused_unless_lenient),
        cmocka_unit_test(test_numbers_are_judged_as_their_texts),
        cmocka_unit_test(test_rules_over_several_columns),
        cmocka_unit_test(test_functions_see_numbers_as_text),
        cmocka_unit_test(test_what_depends_and_what_is_not_kept),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hash_and_json),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
