/* Rules as text: what may be written, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rule_text.h"
#include "oom.h"

static int32_t parse(const char *text, tp_validator **out, trigperf_error **error) {
    tp_validator *validator = NULL;
    int32_t status = tp_validator_new("v", &validator, error);
    if (status == TRIGPERF_OK) {
        status = tp_rule_text_parse(text, validator, error);
    }
    if (status != TRIGPERF_OK) {
        tp_validator_free(validator);
        return status;
    }
    *out = validator;
    return TRIGPERF_OK;
}

static void assert_rules(const char *text, const char *expected) {
    tp_validator *validator = NULL;
    trigperf_error *error = NULL;
    tp_strbuf found = TP_STRBUF_INIT;
    static const char *const kinds[] = {"text", "integer", "numeric", "real"};
    if (parse(text, &validator, &error) != TRIGPERF_OK) {
        fail_msg("%s: %s", text, trigperf_error_message(error));
    }
    for (uint32_t i = 0; i < tp_validator_column_count(validator); i++) {
        const tp_column_type *type = tp_validator_column_type(validator, i);
        tp_strbuf_printf(&found, "%s %s", tp_validator_column_name(validator, i),
                         kinds[type->kind]);
        for (uint32_t j = 1; j < tp_validator_group(validator, i).rule_count; j++) {
            const tp_check_rule *rule = tp_validator_rule(validator, i, j);
            tp_strbuf_printf(&found, "; %s: %s", tp_check_rule_name(rule),
                             tp_check_rule_expected(rule));
        }
        tp_strbuf_putc(&found, '\n');
    }
    assert_string_equal(tp_strbuf_str(&found), expected);
    tp_strbuf_free(&found);
    tp_validator_free(validator);
}

static void test_items(void **state) {
    (void)state;
    assert_rules("", "");
    assert_rules("  \n# nothing\n\n", "");
    assert_rules("a: text", "a text\n");
    assert_rules("a: not null", "a text; not null: a value\n");
    assert_rules("a: integer, not  null , 0..10 # c",
                 "a integer; not null: a value; range: >= 0 and <= 10\n");
    assert_rules("a: 0..", "a numeric; range: >= 0\n");
    assert_rules("a: ..10.5", "a numeric; range: <= 10.5\n");
    assert_rules("a: -1.5..+2e3", "a numeric; range: >= -1.5 and <= +2e3\n");
    assert_rules("a: .5 .. 1", "a numeric; range: >= .5 and <= 1\n");
    assert_rules("a: > 0, <= 5", "a numeric; range: > 0; range: <= 5\n");
    assert_rules("a: >=0,<5", "a numeric; range: >= 0; range: < 5\n");
    assert_rules("a: finite", "a numeric; finite: a finite number\n");
    assert_rules("a: real, finite", "a real; finite: a finite number\n");
    assert_rules("a: numeric(5,2)\nb: numeric(3)", "a numeric\nb numeric\n");
    assert_rules("a: length 1..20, bytes ..100",
                 "a text; length: 1 to 20 characters; bytes: 0 to 100 bytes\n");
    assert_rules("a: length 5", "a text; length: 5 to 5 characters\n");
    assert_rules("a: length 2..", "a text; length: at least 2 characters\n");
    assert_rules("a: one of ('x', 'it''s', '', ' #')",
                 "a text; one of: one of 'x', 'it's', '', ' #'\n");
    assert_rules("a: one of (1, -2.5)", "a numeric; one of: one of '1', '-2.5'\n");
    assert_rules("a: pattern '^[a-z]+$'", "a text; pattern: a match of '^[a-z]+$'\n");
    assert_rules("\"odd \"\"name\"\"\": text\r\nnot: text", "odd \"name\" text\nnot text\n");
    assert_rules("\xC3\xA9t\xC3\xA9: text", "\xC3\xA9t\xC3\xA9 text\n");
    assert_rules("a: integer\nb: text\na: 0..1", "a integer; range: >= 0 and <= 1\nb text\n");
    assert_rules("a: length 1..2 unless bulk or migration, not null unless migration",
                 "a text; length: 1 to 2 characters; not null: a value\n");
}

static void test_unless(void **state) {
    (void)state;
    tp_validator *validator = NULL;
    assert_int_equal(
        parse("a: 0..1 unless bulk\nb: 0..1 unless migration or bulk\nc: 0..1", &validator, NULL),
        TRIGPERF_OK);
    assert_int_equal(tp_validator_group(validator, 0).unless, TP_UNLESS_BULK);
    assert_int_equal(tp_validator_group(validator, 1).unless, TP_UNLESS_BULK | TP_UNLESS_MIGRATION);
    assert_int_equal(tp_validator_group(validator, 2).unless, 0);
    tp_validator_free(validator);
}

static void assert_refused(const char *text, const char *part) {
    tp_validator *validator = NULL;
    trigperf_error *error = NULL;
    int32_t status = parse(text, &validator, &error);
    if (status == TRIGPERF_OK || strstr(trigperf_error_message(error), part) == NULL) {
        fail_msg("%s: %d %s", text, status, trigperf_error_message(error));
    }
    assert_true(trigperf_error_hint(error)[0] != '\0');
    assert_null(validator);
    trigperf_error_free(error);
}

static void test_refuses(void **state) {
    (void)state;
    assert_refused(
        "a",
        "line 1, column 2: expected ':' behind the name of the column, got the end of the line");
    assert_refused(": text", "line 1, column 1: expected the name of a column, got ': text'");
    assert_refused("a: text\nb: banana",
                   "line 2, column 4: expected a type or a rule, got 'banana'");
    assert_refused("a: texts", "expected a type or a rule");
    assert_refused("a:", "expected a type or a rule, got the end of the line");
    assert_refused("a: text,", "expected a type or a rule");
    assert_refused("a: text text", "expected ',' or the end of the line, got 'text'");
    assert_refused("a: not", "'null' behind 'not'");
    assert_refused("a: ..", "a number before or after");
    assert_refused("a: 5", "two points and a number");
    assert_refused("a: > x", "expected a number, got 'x'");
    assert_refused("a: 1..2x", "column \"a\": expected a number as bound, got '2x'");
    assert_refused("a: 2..1", "no number is in the range");
    assert_refused("a: length", "two points and a number");
    assert_refused("a: length 1.5", "expected whole numbers from 0 as lengths");
    assert_refused("a: length -1..", "expected whole numbers from 0 as lengths");
    assert_refused("a: length 5..2", "no text is from 5 to 2 long");
    assert_refused("a: one ('x')", "'of' behind 'one'");
    assert_refused("a: one of 'x'", "'(' and the values");
    assert_refused("a: one of ()", "a value in single quotes");
    assert_refused("a: one of ('x' 'y')", "',' or ')' behind a value");
    assert_refused("a: one of ('x', 5)", "a value in single quotes, got '5)'");
    assert_refused("a: one of ('x", "a closing quote");
    assert_refused("a: one of (1, 2x)", "expected a number in the list");
    assert_refused("a: pattern x", "a pattern in single quotes");
    assert_refused("a: pattern '('", "line 1, column \"a\": pattern '(' is not valid");
    assert_refused("a: numeric(0)", "a whole number of digits");
    assert_refused("a: numeric(5", "')' behind the digits");
    assert_refused("a: text, 0..1", "needs a column of numbers");
    assert_refused("a: integer, pattern 'a'", "needs a column of texts");
    assert_refused("a: text unless Sunday", "'bulk' or 'migration'");
    assert_refused("a: integer\na: text", "is declared already");
    assert_refused("\"a: text", "a closing quote");
    assert_refused("a: \xFF", "valid UTF-8");
}

static void test_too_many_items(void **state) {
    (void)state;
    char text[1000] = "a: integer";
    for (int i = 0; i < 32; i++) {
        strcat(text, ", not null");
    }
    assert_refused(text, "at most 32 items in a line");
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_validator *validator = NULL;
        trigperf_error *error = NULL;
        oom_fail_at(n);
        int32_t status = parse("a: integer, not null, 0..10\n\"b\": one of ('x', 'y'), length 1\n"
                               "c: pattern '^a$' unless bulk\nd: numeric(5,2), one of (1, 2)",
                               &validator, &error);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(trigperf_error_code(error), status);
        trigperf_error_free(error);
        tp_validator_free(validator);
        if (!failed) {
            assert_true(n > 50);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),         cmocka_unit_test(test_unless),
        cmocka_unit_test(test_refuses),       cmocka_unit_test(test_too_many_items),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
