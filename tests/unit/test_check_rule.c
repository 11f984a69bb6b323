/* Single rules: making them, what they say, what they let through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "core/check_rule.h"
#include "oom.h"

static const tp_column_type text_type = {.kind = TP_TYPE_TEXT};
static const tp_column_type integer_type = {.kind = TP_TYPE_INTEGER, .width = 8};
static const tp_column_type numeric_type = {.kind = TP_TYPE_NUMERIC};
static const tp_column_type real_type = {.kind = TP_TYPE_REAL};

static tp_truth test_with(const tp_check_rule *rule, const tp_column_type *type, const char *text) {
    tp_datum datum;
    tp_value value = {text, text == NULL ? 0 : (uint32_t)strlen(text)};
    int32_t status = TRIGPERF_OK;
    assert_int_equal(tp_column_type_read(type, value, &datum), TP_COERCION_OK);
    tp_truth truth = tp_check_rule_test(rule, &datum, &value, 1, &status);
    assert_int_equal(status, TRIGPERF_OK);
    return truth;
}

/* Texts that pass, NULL, texts that do not, NULL; frees the rule. */
static void assert_judges(tp_check_rule *rule, const tp_column_type *type, const char *expected,
                          const char *const *texts) {
    assert_non_null(rule);
    assert_string_equal(tp_check_rule_expected(rule), expected);
    for (int turn = 0; turn < 2; turn++, texts++) {
        for (; *texts != NULL; texts++) {
            if (test_with(rule, type, *texts) != (turn == 0 ? TP_TRUE : TP_FALSE)) {
                fail_msg("%s: '%s'", expected, *texts);
            }
        }
    }
    assert_int_equal(test_with(rule, type, NULL), TP_TRUE);
    tp_check_rule_free(rule);
}

static tp_check_rule *range(const tp_column_type *type, const char *low, const char *high,
                            bool low_open, bool high_open) {
    tp_check_bounds bounds = {low, high, low_open, high_open};
    tp_check_rule *rule = NULL;
    assert_int_equal(tp_check_rule_range(type, &bounds, &rule, NULL), TRIGPERF_OK);
    return rule;
}

static void test_ranges(void **state) {
    (void)state;
    assert_judges(range(&integer_type, "0", "10", false, false), &integer_type, ">= 0 and <= 10",
                  (const char *const[]){"0", "10", "5", NULL, "-1", "11", NULL});
    assert_judges(range(&integer_type, "0", "10", true, true), &integer_type, "> 0 and < 10",
                  (const char *const[]){"1", "9", NULL, "0", "10", NULL});
    assert_judges(range(&integer_type, "0.5", NULL, false, false), &integer_type, ">= 0.5",
                  (const char *const[]){"1", NULL, "0", NULL});
    assert_judges(range(&integer_type, NULL, "99999999999999999999", false, false), &integer_type,
                  "<= 99999999999999999999",
                  (const char *const[]){"9223372036854775807", NULL, NULL});
    assert_judges(range(&numeric_type, "0.1", "0.3", false, true), &numeric_type,
                  ">= 0.1 and < 0.3",
                  (const char *const[]){"0.1", "0.10", "0.2999999999999999999999", NULL, "0.3",
                                        "0.09999999999999999999", "NaN", "Infinity", NULL});
    assert_judges(range(&numeric_type, "0", NULL, false, false), &numeric_type, ">= 0",
                  (const char *const[]){"0", "Infinity", NULL, "NaN", "-Infinity", NULL});
    assert_judges(range(&real_type, "0.1", NULL, false, false), &real_type, ">= 0.1",
                  (const char *const[]){"0.1", "inf", NULL, "0.09", "NaN", "-inf", NULL});
}

static void assert_range_refused(const tp_column_type *type, const char *low, const char *high,
                                 bool open, const char *part) {
    tp_check_bounds bounds = {low, high, open, false};
    tp_check_rule *rule = NULL;
    trigperf_error *error = NULL;
    assert_int_equal(tp_check_rule_range(type, &bounds, &rule, &error), TRIGPERF_E_INVALID);
    assert_null(rule);
    assert_non_null(strstr(trigperf_error_message(error), part));
    trigperf_error_free(error);
}

static void test_bad_ranges(void **state) {
    (void)state;
    assert_range_refused(&text_type, "0", "1", false, "needs a column of numbers");
    assert_range_refused(&integer_type, NULL, NULL, false, "at least one bound");
    assert_range_refused(&integer_type, "2", "1", false, "no number is in the range");
    assert_range_refused(&integer_type, "1", "1", true, "no number is in the range");
    assert_range_refused(&numeric_type, "x", NULL, false, "expected a number as bound, got 'x'");
    assert_range_refused(&numeric_type, "", NULL, false, "expected a number");
    assert_range_refused(&numeric_type, "NaN", NULL, false, "expected a number");
    assert_range_refused(&real_type, NULL, "nan", false, "expected a number");
}

static void test_lengths(void **state) {
    (void)state;
    tp_check_rule *rule = NULL;
    assert_int_equal(tp_check_rule_length(&text_type, false, 1, 2, &rule, NULL), TRIGPERF_OK);
    assert_judges(rule, &text_type, "1 to 2 characters",
                  (const char *const[]){"a", "\xC3\xA9\xC3\xA9", NULL, "", "abc", NULL});
    assert_int_equal(tp_check_rule_length(&text_type, true, 3, UINT64_MAX, &rule, NULL),
                     TRIGPERF_OK);
    assert_judges(rule, &text_type, "at least 3 bytes",
                  (const char *const[]){"abc", "\xC3\xA9\xC3\xA9", NULL, "", "\xC3\xA9", NULL});
    assert_int_equal(tp_check_rule_length(&text_type, true, 2, 1, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_check_rule_length(&real_type, true, 1, 2, &rule, NULL), TRIGPERF_E_INVALID);
}

static void test_sets(void **state) {
    (void)state;
    tp_check_rule *rule = NULL;
    const tp_value words[] = {{"red", 3}, {"", 0}, {"\xC3\xA9", 2}};
    assert_int_equal(tp_check_rule_one_of(&text_type, words, 3, &rule, NULL), TRIGPERF_OK);
    assert_judges(rule, &text_type, "one of 'red', '', '\xC3\xA9'",
                  (const char *const[]){"red", "", "\xC3\xA9", NULL, "re", "RED", NULL});
    const tp_value numbers[] = {{"1.50", 4}, {"-2", 2}};
    assert_int_equal(tp_check_rule_one_of(&numeric_type, numbers, 2, &rule, NULL), TRIGPERF_OK);
    assert_judges(rule, &numeric_type, "one of '1.50', '-2'",
                  (const char *const[]){"1.5", "-2.0", NULL, "2", "NaN", NULL});
    tp_value many[20];
    for (int i = 0; i < 20; i++) {
        many[i] = (tp_value){"x", 1};
    }
    assert_int_equal(tp_check_rule_one_of(&text_type, many, 20, &rule, NULL), TRIGPERF_OK);
    assert_non_null(strstr(tp_check_rule_expected(rule), ".. (20 in all)"));
    tp_check_rule_free(rule);
    assert_int_equal(tp_check_rule_one_of(&text_type, words, 0, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_check_rule_one_of(&numeric_type, words, 3, &rule, NULL),
                     TRIGPERF_E_INVALID);
}

static void test_long_words_are_shown_in_part(void **state) {
    (void)state;
    char text[101];
    memset(text, 'a', sizeof text);
    memcpy(text + 59, "\xC3\xA9", 2);
    tp_value word = {text, 100};
    tp_check_rule *rule = NULL;
    assert_int_equal(tp_check_rule_one_of(&text_type, &word, 1, &rule, NULL), TRIGPERF_OK);
    assert_int_equal(strlen(tp_check_rule_expected(rule)), strlen("one of ''") + 59);
    tp_check_rule_free(rule);
}

static void test_patterns_and_others(void **state) {
    (void)state;
    tp_check_rule *rule = NULL;
    assert_int_equal(tp_check_rule_pattern(&text_type, "^a+$", &rule, NULL), TRIGPERF_OK);
    assert_judges(rule, &text_type, "a match of '^a+$'",
                  (const char *const[]){"aa", NULL, "", "ab", NULL});
    assert_int_equal(tp_check_rule_pattern(&integer_type, "a", &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_check_rule_finite(&real_type, &rule, NULL), TRIGPERF_OK);
    assert_judges(rule, &real_type, "a finite number",
                  (const char *const[]){"1", "-1e300", NULL, "inf", "NaN", NULL});
    assert_int_equal(tp_check_rule_finite(&numeric_type, &rule, NULL), TRIGPERF_OK);
    assert_judges(rule, &numeric_type, "a finite number",
                  (const char *const[]){"1", NULL, "-inf", "NaN", NULL});
    assert_int_equal(tp_check_rule_finite(&text_type, &rule, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_check_rule_not_null(&rule, NULL), TRIGPERF_OK);
    assert_int_equal(test_with(rule, &text_type, NULL), TP_FALSE);
    assert_int_equal(test_with(rule, &text_type, ""), TP_TRUE);
    tp_check_rule_free(rule);
    tp_check_rule_free(NULL);
}

/* A value that is too dear for its pattern does not pass. */
static void test_costly_values_are_refused(void **state) {
    (void)state;
    tp_check_rule *rule = NULL;
    char *text = malloc(1000001);
    memset(text, 'a', 1000000);
    text[1000000] = '\0';
    assert_int_equal(tp_check_rule_pattern(&text_type, "^(a|a)*$", &rule, NULL), TRIGPERF_OK);
    assert_int_equal(test_with(rule, &text_type, text), TP_FALSE);
    text[1000] = '\0';
    assert_int_equal(test_with(rule, &text_type, text), TP_TRUE);
    tp_check_rule_free(rule);
    free(text);
}

static int32_t answer(void *user, const char *const *values, const uint64_t *lengths,
                      uint32_t count) {
    assert_int_equal(count, 1);
    assert_true(values[0] == NULL || strlen(values[0]) == lengths[0]);
    return *(int32_t *)user;
}

static void test_functions(void **state) {
    (void)state;
    int32_t wanted = 0;
    tp_check_function function = {"f", "what f wants", answer, &wanted};
    tp_check_rule *rule = NULL;
    assert_int_equal(tp_check_rule_function(&function, &rule, NULL), TRIGPERF_OK);
    assert_true(tp_check_rule_is_function(rule));
    assert_string_equal(tp_check_rule_name(rule), "f");
    assert_int_equal(test_with(rule, &text_type, NULL), TP_TRUE);
    wanted = 1;
    assert_int_equal(test_with(rule, &text_type, "x"), TP_FALSE);
    wanted = 2;
    assert_int_equal(test_with(rule, &text_type, "x"), TP_UNDECIDED);
    wanted = TRIGPERF_E_TIMEOUT;
    tp_datum datum = {.kind = TP_DATUM_NULL};
    tp_value value = {NULL, 0};
    int32_t status = TRIGPERF_OK;
    tp_check_rule_test(rule, &datum, &value, 1, &status);
    assert_int_equal(status, TRIGPERF_E_TIMEOUT);
    tp_check_rule_free(rule);
}

static void test_hash_names_the_rule(void **state) {
    (void)state;
    tp_check_rule *rules[4] = {NULL};
    const tp_value a[] = {{"1", 1}, {"2", 1}, {"3", 1}, {"4", 1}, {"5", 1},
                          {"6", 1}, {"7", 1}, {"8", 1}, {"9", 1}, {"a", 1}};
    tp_value b[10];
    memcpy(b, a, sizeof b);
    b[9] = (tp_value){"b", 1};
    assert_int_equal(tp_check_rule_one_of(&text_type, a, 10, &rules[0], NULL), TRIGPERF_OK);
    assert_int_equal(tp_check_rule_one_of(&text_type, b, 10, &rules[1], NULL), TRIGPERF_OK);
    assert_int_equal(tp_check_rule_one_of(&text_type, a, 10, &rules[2], NULL), TRIGPERF_OK);
    rules[3] = range(&integer_type, "1", NULL, false, false);
    assert_string_equal(tp_check_rule_expected(rules[0]), tp_check_rule_expected(rules[1]));
    assert_true(tp_check_rule_hash(rules[0]) == tp_check_rule_hash(rules[2]));
    assert_true(tp_check_rule_hash(rules[0]) != tp_check_rule_hash(rules[1]));
    assert_true(tp_check_rule_hash(rules[0]) != tp_check_rule_hash(rules[3]));
    for (int i = 0; i < 4; i++) {
        tp_check_rule_free(rules[i]);
    }
}

static int32_t make(int kind, tp_check_rule **rule, trigperf_error **error) {
    static const tp_value words[] = {{"1", 1}, {"2", 1}};
    tp_check_bounds bounds = {"1", "2", false, false};
    switch (kind) {
    case 0:
        return tp_check_rule_range(&numeric_type, &bounds, rule, error);
    case 1:
        return tp_check_rule_one_of(&text_type, words, 2, rule, error);
    case 2:
        return tp_check_rule_one_of(&numeric_type, words, 2, rule, error);
    case 3:
        return tp_check_rule_pattern(&text_type, "a[b]", rule, error);
    case 4:
        return tp_check_rule_length(&text_type, false, 1, 2, rule, error);
    default:
        return tp_check_rule_type(&numeric_type, rule, error);
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        for (unsigned n = 1;; n++) {
            tp_check_rule *rule = NULL;
            trigperf_error *error = NULL;
            oom_fail_at(n);
            int32_t status = make(kind, &rule, &error);
            bool failed = oom_reset();
            assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
            assert_int_equal(trigperf_error_code(error), status);
            trigperf_error_free(error);
            tp_check_rule_free(rule);
            if (!failed) {
                break;
            }
            assert_null(rule);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_bad_ranges),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_long_words_are_shown_in_part),
        cmocka_unit_test(test_patterns_and_others),
        cmocka_unit_test(test_costly_values_are_refused),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_hash_names_the_rule),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
