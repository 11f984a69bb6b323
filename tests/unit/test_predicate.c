/* Truth tables, beside a model of three values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/predicate.h"
#include "oom.h"
#include "prng.h"

enum { COLUMNS = 3 };

static uint32_t is_column(tp_predicate *predicate, uint32_t column, int64_t number) {
    return tp_predicate_compare(predicate, TP_EQ,
                                tp_predicate_column(predicate, column, TP_OPERAND_INTEGER),
                                tp_predicate_integer(predicate, number));
}

/* A random condition; its model value for the datums goes to *truth. */
static uint32_t random_condition(tp_predicate *predicate, uint64_t *seed, uint32_t depth,
                                 const tp_datum *datums, tp_truth *truth) {
    uint32_t kind = depth == 0 ? 0 : prng_below(seed, 4);
    if (kind == 0) {
        uint32_t column = prng_below(seed, COLUMNS);
        int64_t number = prng_below(seed, 2);
        bool null = datums[column].kind == TP_DATUM_NULL;
        *truth = null ? TP_UNKNOWN : datums[column].integer == number ? TP_TRUE : TP_FALSE;
        return is_column(predicate, column, number);
    }
    tp_truth left;
    uint32_t a = random_condition(predicate, seed, depth - 1, datums, &left);
    if (kind == 1) {
        *truth = left == TP_TRUE ? TP_FALSE : left == TP_FALSE ? TP_TRUE : TP_UNKNOWN;
        return tp_predicate_not(predicate, a);
    }
    tp_truth right;
    uint32_t b = random_condition(predicate, seed, depth - 1, datums, &right);
    bool all = kind == 2;
    tp_truth ending = all ? TP_FALSE : TP_TRUE;
    tp_truth neutral = all ? TP_TRUE : TP_FALSE;
    *truth = left == ending || right == ending     ? ending
             : left == neutral && right == neutral ? neutral
                                                   : TP_UNKNOWN;
    return tp_predicate_join(predicate, all, a, b);
}

static void test_three_values(void **state) {
    (void)state;
    uint64_t seed = 9;
    uint32_t seen[3] = {0, 0, 0};
    for (int round = 0; round < 5000; round++) {
        tp_datum datums[COLUMNS] = {{.kind = TP_DATUM_NULL}};
        for (int i = 0; i < COLUMNS; i++) {
            uint32_t pick = prng_below(&seed, 3);
            datums[i].kind = pick == 2 ? TP_DATUM_NULL : TP_DATUM_INTEGER;
            datums[i].integer = pick;
        }
        tp_predicate *predicate = tp_predicate_new();
        tp_truth expected;
        uint32_t root = random_condition(predicate, &seed, 5, datums, &expected);
        assert_int_equal(tp_predicate_eval(predicate, root, datums), expected);
        seen[expected]++;
        tp_predicate_free(predicate);
    }
    assert_true(seen[0] > 500 && seen[1] > 500 && seen[2] > 500);
}

static void test_undecided_is_settled_by_the_rest(void **state) {
    (void)state;
    tp_predicate *predicate = tp_predicate_new();
    uint32_t unknown = tp_predicate_truth(predicate, TP_UNKNOWN);
    uint32_t undecided = tp_predicate_truth(predicate, TP_UNDECIDED);
    uint32_t yes = tp_predicate_truth(predicate, TP_TRUE);
    uint32_t no = tp_predicate_truth(predicate, TP_FALSE);
    const struct {
        bool all;
        uint32_t left;
        uint32_t right;
        tp_truth expected;
    } cases[] = {
        {true, undecided, no, TP_FALSE},          {true, no, undecided, TP_FALSE},
        {true, undecided, yes, TP_UNDECIDED},     {true, unknown, undecided, TP_UNDECIDED},
        {true, undecided, unknown, TP_UNDECIDED}, {false, undecided, yes, TP_TRUE},
        {false, undecided, no, TP_UNDECIDED},     {false, unknown, undecided, TP_UNDECIDED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t node = tp_predicate_join(predicate, cases[i].all, cases[i].left, cases[i].right);
        assert_int_equal(tp_predicate_eval(predicate, node, NULL), cases[i].expected);
    }
    uint32_t node = tp_predicate_not(predicate, undecided);
    assert_int_equal(tp_predicate_eval(predicate, node, NULL), TP_UNDECIDED);
    tp_predicate_free(predicate);
}

static void test_comparisons(void **state) {
    (void)state;
    static const bool expected[6][3] = {{false, true, false}, {true, false, true},
                                        {true, false, false}, {true, true, false},
                                        {false, false, true}, {false, true, true}};
    tp_predicate *predicate = tp_predicate_new();
    uint32_t column = tp_predicate_column(predicate, 0, TP_OPERAND_INTEGER);
    tp_decimal five;
    assert_int_equal(tp_decimal_read("5.0", 3, &five), TP_DECIMAL_OK);
    uint32_t numbers[] = {tp_predicate_integer(predicate, 5),
                          tp_predicate_decimal(predicate, &five)};
    for (int sign = 0; sign < 6; sign++) {
        for (int i = 0; i < 6; i++) {
            tp_datum datum = {.kind = TP_DATUM_INTEGER, .integer = 4 + i % 3};
            uint32_t node =
                tp_predicate_compare(predicate, (tp_comparison)sign, column, numbers[i / 3]);
            assert_int_equal(tp_predicate_eval(predicate, node, &datum), expected[sign][i % 3]);
        }
    }
    tp_predicate_free(predicate);
}

static void test_texts(void **state) {
    (void)state;
    tp_predicate *predicate = tp_predicate_new();
    const tp_value words[] = {{"red", 3}};
    tp_pattern *pattern = NULL;
    assert_int_equal(tp_pattern_new("^r", 2, TP_PATTERN_OWN, &pattern, NULL), TRIGPERF_OK);
    uint32_t column = tp_predicate_column(predicate, 1, TP_OPERAND_TEXT);
    uint32_t nodes[] = {
        tp_predicate_member(predicate, column, tp_wordset_new(words, 1), false),
        tp_predicate_member(predicate, column, tp_wordset_new(words, 1), true),
        tp_predicate_match(predicate, column, pattern, false),
        tp_predicate_compare(predicate, TP_EQ, column, tp_predicate_text(predicate, "red", 3)),
        tp_predicate_compare(predicate, TP_EQ, tp_predicate_length(predicate, column),
                             tp_predicate_integer(predicate, 3)),
        tp_predicate_is_null(predicate, column, false),
        tp_predicate_is_null(predicate, column, true),
        tp_predicate_compare(predicate, TP_EQ, column,
                             tp_predicate_null(predicate, TP_OPERAND_TEXT))};
    static const tp_truth expected[3][8] = {
        {TP_TRUE, TP_FALSE, TP_TRUE, TP_TRUE, TP_TRUE, TP_FALSE, TP_TRUE, TP_UNKNOWN},
        {TP_FALSE, TP_TRUE, TP_FALSE, TP_FALSE, TP_FALSE, TP_FALSE, TP_TRUE, TP_UNKNOWN},
        {TP_UNKNOWN, TP_UNKNOWN, TP_UNKNOWN, TP_UNKNOWN, TP_UNKNOWN, TP_TRUE, TP_FALSE,
         TP_UNKNOWN}};
    tp_datum datums[3][2] = {
        {{.kind = TP_DATUM_NULL}, {.kind = TP_DATUM_TEXT, .text = {"red", 3}, .characters = 3}},
        {{.kind = TP_DATUM_NULL}, {.kind = TP_DATUM_TEXT, .text = {"blue", 4}, .characters = 4}},
        {{.kind = TP_DATUM_NULL}, {.kind = TP_DATUM_NULL}}};
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 8; j++) {
            assert_int_equal(tp_predicate_eval(predicate, nodes[j], datums[i]), expected[i][j]);
        }
    }
    const uint32_t numbers[] = {0, 0};
    tp_predicate_renumber(predicate, numbers);
    assert_int_equal(tp_predicate_eval(predicate, nodes[3], &datums[0][1]), TP_TRUE);
    tp_predicate_free(predicate);
}

static void test_full(void **state) {
    (void)state;
    tp_predicate *predicate = tp_predicate_new();
    for (uint32_t i = 0; i < TP_PREDICATE_NODES_MAX; i++) {
        assert_false(tp_predicate_full(predicate));
        assert_int_equal(tp_predicate_truth(predicate, TP_TRUE), i);
    }
    assert_true(tp_predicate_full(predicate));
    assert_int_equal(tp_predicate_integer(predicate, 1), TP_PREDICATE_NONE);
    assert_int_equal(tp_predicate_text(predicate, "x", 1), TP_PREDICATE_NONE);
    tp_predicate_free(predicate);
}

static void test_nothing_makes_nothing(void **state) {
    (void)state;
    tp_predicate *predicate = tp_predicate_new();
    uint32_t none = TP_PREDICATE_NONE;
    tp_pattern *pattern = NULL;
    assert_int_equal(tp_pattern_new("a", 1, TP_PATTERN_OWN, &pattern, NULL), TRIGPERF_OK);
    assert_int_equal(tp_predicate_not(predicate, none), none);
    assert_int_equal(tp_predicate_join(predicate, true, none, none), none);
    assert_int_equal(tp_predicate_compare(predicate, TP_EQ, none, none), none);
    assert_int_equal(tp_predicate_length(predicate, none), none);
    assert_int_equal(tp_predicate_is_null(predicate, none, false), none);
    assert_int_equal(tp_predicate_match(predicate, none, pattern, false), none);
    assert_int_equal(tp_predicate_member(predicate, none, tp_wordset_new(NULL, 0), false), none);
    tp_predicate_free(predicate);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1; n <= 4; n++) {
        tp_predicate *predicate = tp_predicate_new();
        oom_fail_at(n);
        uint32_t node = tp_predicate_text(predicate, "abc", 3);
        if (!oom_reset()) {
            assert_int_equal(node, 0);
            assert_true(n > 3);
        } else {
            assert_int_equal(node, TP_PREDICATE_NONE);
        }
        tp_predicate_free(predicate);
    }
    oom_fail_at(1);
    assert_null(tp_predicate_new());
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_values),
        cmocka_unit_test(test_undecided_is_settled_by_the_rest),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_nothing_makes_nothing),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
