/* Conditions as the server writes them: what is on the list, what is left, truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/sql_condition.h"
#include "oom.h"

static const tp_condition_column columns[] = {
    {.name = "i", .kind = TP_OPERAND_INTEGER, .width = 4},
    {.name = "b", .kind = TP_OPERAND_INTEGER, .width = 8},
    {.name = "n", .kind = TP_OPERAND_NUMERIC},
    {.name = "t", .kind = TP_OPERAND_TEXT, .equality = true},
    {.name = "c", .kind = TP_OPERAND_TEXT, .equality = true, .order = true},
    {.name = "Odd \"name\"", .kind = TP_OPERAND_INTEGER, .width = 2},
    {.name = "d", .kind = TP_OPERAND_OPAQUE},
    {.name = "u", .kind = TP_OPERAND_TEXT}, /* a collation that is not deterministic */
};

static const tp_datum row[] = {
    {.kind = TP_DATUM_INTEGER, .integer = 5},
    {.kind = TP_DATUM_INTEGER, .integer = 5000000000},
    {.kind = TP_DATUM_DECIMAL, .decimal = {.point = 1, .count = 2, .digits = {2, 5}}},
    {.kind = TP_DATUM_TEXT, .text = {"red", 3}, .characters = 3},
    {.kind = TP_DATUM_TEXT, .text = {"b", 1}, .characters = 1},
    {.kind = TP_DATUM_NULL},
    {.kind = TP_DATUM_OPAQUE},
    {.kind = TP_DATUM_TEXT, .text = {"x", 1}, .characters = 1},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static int32_t parse(const char *text, tp_condition *out, trigperf_error **error) {
    return tp_sql_condition_parse(text, strlen(text), columns, COLUMNS, false, out, error);
}

static void assert_truth(const char *text, tp_truth expected) {
    tp_condition condition;
    trigperf_error *error = NULL;
    if (parse(text, &condition, &error) != TRIGPERF_OK) {
        fail_msg("%s: %s", text, trigperf_error_message(error));
    }
    tp_datum datums[TP_CONDITION_COLUMNS_MAX];
    for (uint32_t i = 0; i < condition.column_count; i++) {
        datums[i] = row[condition.columns[i]];
    }
    if (tp_predicate_eval(condition.predicate, condition.root, datums) != expected) {
        fail_msg("%s: expected %d", text, (int)expected);
    }
    tp_condition_free(&condition);
}

static void test_listed(void **state) {
    (void)state;
    assert_truth("(i > 4)", TP_TRUE);
    assert_truth("((i >= 0) AND (i <= 4))", TP_FALSE);
    assert_truth("((i >= 0) AND (i <= 4)) OR (i = 5)", TP_TRUE);
    assert_truth("(NOT (i = 5))", TP_FALSE);
    assert_truth("NOT NOT i = 5", TP_TRUE);
    assert_truth("(i > '-5'::integer)", TP_TRUE);
    assert_truth("((i)::bigint < b)", TP_TRUE);
    assert_truth("((i)::numeric > 4.99)", TP_TRUE);
    assert_truth("((i)::numeric = ANY (ARRAY[5.0, (7)::numeric]))", TP_TRUE);
    assert_truth("((i)::numeric <> ALL ((ARRAY[5, 7])::numeric[]))", TP_FALSE);
    assert_truth("(i = ANY (ARRAY[1, 2, NULL::integer]))", TP_UNKNOWN);
    assert_truth("(i = ANY (ARRAY[1, 5, NULL::integer]))", TP_TRUE);
    assert_truth("(i < ALL (ARRAY[6, 7]))", TP_TRUE);
    assert_truth("(n = 2.50)", TP_TRUE);
    assert_truth("(n < 'Infinity'::numeric)", TP_TRUE);
    assert_truth("(n <> '3'::numeric)", TP_TRUE);
    assert_truth("(t = 'red'::text)", TP_TRUE);
    assert_truth(
        "((t)::text = ANY ((ARRAY['blue'::character varying, 'red'::character varying])::text[]))",
        TP_TRUE);
    assert_truth("((t)::text <> ALL (ARRAY[('blue'::character varying)::text, 'x'::text]))",
                 TP_TRUE);
    assert_truth("(t <> ALL (ARRAY['blue'::text, NULL::text]))", TP_UNKNOWN);
    assert_truth("(length(t) = 3)", TP_TRUE);
    assert_truth("(char_length((t)::text) > i)", TP_FALSE);
    assert_truth("(pg_catalog.character_length(t) <= 3)", TP_TRUE);
    assert_truth("(t ~ '^r'::text)", TP_TRUE);
    assert_truth("(t !~ '^r'::text)", TP_FALSE);
    assert_truth("(c < 'c'::text)", TP_TRUE);
    assert_truth("((t COLLATE \"C\") < 's'::text)", TP_TRUE);
    assert_truth("(\"Odd \"\"name\"\"\" = 1)", TP_UNKNOWN);
    assert_truth("(\"Odd \"\"name\"\"\" IS NULL)", TP_TRUE);
    assert_truth("((d IS NOT NULL) AND true)", TP_TRUE);
    assert_truth("(i OPERATOR(pg_catalog.=) 5)", TP_TRUE);
    assert_truth("((t = 'x'::text) OR (i IS NULL) OR (b > 1))", TP_TRUE);
}

static void assert_left(const char *text, const char *part) {
    tp_condition condition = {.root = 77};
    trigperf_error *error = NULL;
    int32_t status = parse(text, &condition, &error);
    if (status != TRIGPERF_E_UNSUPPORTED || strstr(trigperf_error_message(error), part) == NULL) {
        fail_msg("%s: %d %s", text, status, trigperf_error_message(error));
    }
    assert_int_equal(condition.root, 77);
    trigperf_error_free(error);
}

static void test_left(void **state) {
    (void)state;
    assert_left("", "unknown form");
    assert_left("i", "a value where a condition");
    assert_left("(i > 4", "unknown form");
    assert_left("(i > 4))", "unknown form");
    assert_left("(i > 4) i", "unknown form");
    assert_left("(i > '4')", "literal without a type");
    assert_left("(i > NULL)", "literal without a type");
    assert_left("(i > '4x'::integer)", "the whole number");
    assert_left("(i > '99999999999'::integer)", "the whole number");
    assert_left("(i > 99999999999)", "the whole number");
    assert_left("(i > 1.2.3)", "the number");
    assert_left("(i = 'a'::text)", "types that are not on the list");
    assert_left("(d = 'a'::text)", "types that are not on the list");
    assert_left("(t < 'a'::text)", "depends on the locale");
    assert_left("(u = 'a'::text)", "not deterministic");
    assert_left("(t ~ t)", "no constant");
    assert_left("(t ~ '\\d'::text)", "the regular expression");
    assert_left("(i ~ 'a'::text)", "regular expression over something else");
    assert_left("(t ~~ 'a%'::text)", "the operator ~~");
    assert_left("((i + 1) > 0)", "the operator +");
    assert_left("(lower(t) = 'a'::text)", "the function lower");
    assert_left("(public.length(t) = 3)", "a part of public");
    assert_left("(length('abc'::text) = i)", "length() of something else");
    assert_left("((b)::integer > 0)", "a cast to the type integer");
    assert_left("((n)::numeric(5,2) > 0.5)", "a cast to the type numeric");
    assert_left("((t)::character varying(3) = 'a'::text)", "a cast to the type character");
    assert_left("((t)::character(3) = 'a'::text)", "a cast to the type character");
    assert_left("((t COLLATE \"de_DE\") = 'a'::text)", "the collation de_DE");
    assert_left("(i OPERATOR(public.=) 5)", "an operator of the schema public");
    assert_left("(i = ANY ('{1,2}'::integer[]))", "array that is not written out");
    assert_left("(i = ANY (ARRAY[i, 2]))", "something else than constants");
    assert_left("(i IS DISTINCT FROM 3)", "IS");
    assert_left("((i > 3) IS NULL)", "IS NULL of something else");
    assert_left("(nope > 3)", "the name nope");
    assert_left("true", "a condition without columns");
    assert_left("(t = E'a'::text)", "unknown form");
    assert_left("(t = 'a", "unknown form");
}

static void test_limits(void **state) {
    (void)state;
    char *text = malloc(70000);
    strcpy(text, "");
    for (int i = 0; i < 70; i++) {
        strcat(text, "(");
    }
    strcat(text, "i > 0");
    assert_left(text, "nested too deeply");
    char *at = text + sprintf(text, "(i = ANY (ARRAY[0");
    for (int i = 0; i < 3000; i++) {
        at += sprintf(at, ", %d", i);
    }
    strcpy(at, "]))");
    assert_left(text, "too many parts");
    memset(text, ' ', 69999);
    text[69999] = '\0';
    assert_left(text, "more than 65536 bytes");
    free(text);
}

static void test_domains(void **state) {
    (void)state;
    tp_condition condition;
    const char *text = "((VALUE > 0) AND (VALUE <= 100))";
    assert_int_equal(tp_sql_condition_parse(text, strlen(text), columns, 1, true, &condition, NULL),
                     TRIGPERF_OK);
    assert_int_equal(tp_predicate_eval(condition.predicate, condition.root, row), TP_TRUE);
    assert_int_equal(condition.column_count, 1);
    tp_condition_free(&condition);
    text = "(i > 0)";
    assert_int_equal(tp_sql_condition_parse(text, strlen(text), columns, 1, true, &condition, NULL),
                     TRIGPERF_E_UNSUPPORTED);
    text = "(\"VALUE\" > 0)";
    assert_int_equal(tp_sql_condition_parse(text, strlen(text), columns, 1, true, &condition, NULL),
                     TRIGPERF_E_UNSUPPORTED);
}

static void test_out_of_memory(void **state) {
    (void)state;
    const char *text =
        "((i > 3) AND (t = ANY (ARRAY['a'::text, 'b'::text])) AND (t ~ '^a+'::text) "
        "AND (n <> ALL (ARRAY[1.5, 2.5])) AND ((length(t) < 4) OR (NOT (i IS NULL))))";
    for (unsigned n = 1;; n++) {
        tp_condition condition = {.predicate = NULL};
        trigperf_error *error = NULL;
        oom_fail_at(n);
        int32_t status = parse(text, &condition, &error);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(trigperf_error_code(error), status);
        trigperf_error_free(error);
        tp_condition_free(&condition);
        if (!failed) {
            assert_true(n > 20);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listed),        cmocka_unit_test(test_left),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
