/* Names of operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/change.h"

static const uint32_t all[] = {TP_OP_DELETE, TP_OP_INSERT, TP_OP_TRUNCATE, TP_OP_UPDATE};

static void test_names_parse_back(void **state) {
    (void)state;
    uint32_t seen = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *name = tp_op_name(all[i]);
        assert_non_null(name);
        assert_int_equal(tp_op_parse(name, strlen(name)), all[i]);
        seen |= all[i];
    }
    assert_int_equal(seen, TP_OP_ALL);
}

static void test_bits_are_in_alphabetical_order(void **state) {
    (void)state;
    for (size_t i = 1; i < 4; i++) {
        assert_true(all[i] > all[i - 1]);
        assert_true(strcmp(tp_op_name(all[i]), tp_op_name(all[i - 1])) > 0);
    }
}

static void test_any_case(void **state) {
    (void)state;
    assert_int_equal(tp_op_parse("INSERT", 6), TP_OP_INSERT);
    assert_int_equal(tp_op_parse("TrUnCaTe", 8), TP_OP_TRUNCATE);
}

static void test_anything_else(void **state) {
    (void)state;
    assert_null(tp_op_name(0));
    assert_null(tp_op_name(3));
    assert_int_equal(tp_op_parse("", 0), 0);
    assert_int_equal(tp_op_parse("inser", 5), 0);
    assert_int_equal(tp_op_parse("inserts", 7), 0);
    assert_int_equal(tp_op_parse("insert", 5), 0);
    assert_int_equal(tp_op_parse("insert\0junk", 11), 0);
    assert_int_equal(tp_op_parse("merge", 5), 0);
}

static void assert_list(const char *list, uint32_t expected) {
    uint32_t ops = 99;
    assert_int_equal(tp_op_parse_list(list, &ops, NULL), TRIGPERF_OK);
    assert_int_equal(ops, expected);
}

static void test_lists(void **state) {
    (void)state;
    assert_list(NULL, 0);
    assert_list("", 0);
    assert_list("insert", TP_OP_INSERT);
    assert_list("insert,UPDATE", TP_OP_INSERT | TP_OP_UPDATE);
    assert_list(" delete , truncate, delete ", TP_OP_DELETE | TP_OP_TRUNCATE);
    trigperf_error *err = NULL;
    uint32_t ops = 99;
    assert_int_equal(tp_op_parse_list("insert,merge", &ops, &err), TRIGPERF_E_INVALID);
    assert_int_equal(ops, 99);
    assert_non_null(strstr(trigperf_error_message(err), "merge"));
    trigperf_error_free(err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_parse_back),
        cmocka_unit_test(test_bits_are_in_alphabetical_order),
        cmocka_unit_test(test_any_case),
        cmocka_unit_test(test_anything_else),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
