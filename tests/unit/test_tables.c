/* Copies of tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tables.h"
#include "oom.h"

static const char *const two[] = {"user_id", "id"};
static const char *const one[] = {"user_id"};

static void test_one_copy_for_each_declaration(void **state) {
    (void)state;
    tp_tables *tables = tp_tables_new();
    const tp_table a = {"a", 1, 2, two};
    const tp_table again = {"a", 1, 2, two};
    const tp_table narrow = {"a", 1, 1, one};
    const tp_table b = {"b", 1, 2, two};
    const tp_table *copy = tp_tables_copy(tables, &a);
    assert_ptr_not_equal(copy, &a);
    assert_string_equal(copy->name, "a");
    assert_ptr_not_equal(copy->name, a.name);
    assert_int_equal(copy->key_count, 2);
    assert_string_equal(copy->key_names[0], "user_id");
    assert_string_equal(copy->key_names[1], "id");
    assert_ptr_equal(tp_tables_copy(tables, &a), copy);
    assert_ptr_equal(tp_tables_copy(tables, &again), copy);
    assert_ptr_not_equal(tp_tables_copy(tables, &narrow), copy);
    assert_ptr_not_equal(tp_tables_copy(tables, &b), copy);
    tp_tables_free(tables);
}

static void test_names_do_not_run_together(void **state) {
    (void)state;
    static const char *const ab[] = {"a", "b"};
    static const char *const joined[] = {"ab"};
    tp_tables *tables = tp_tables_new();
    const tp_table first = {"t", 1, 2, ab};
    const tp_table second = {"t", 1, 1, joined};
    const tp_table third = {"ta", 1, 1, ab + 1};
    const tp_table *copies[] = {tp_tables_copy(tables, &first), tp_tables_copy(tables, &second),
                                tp_tables_copy(tables, &third)};
    assert_ptr_not_equal(copies[0], copies[1]);
    assert_ptr_not_equal(copies[0], copies[2]);
    assert_ptr_not_equal(copies[1], copies[2]);
    tp_tables_free(tables);
}

static void test_an_address_used_again(void **state) {
    (void)state;
    tp_tables *tables = tp_tables_new();
    tp_table table = {"a", 1, 2, two};
    const tp_table *a = tp_tables_copy(tables, &table);
    table.name = "b";
    assert_ptr_equal(tp_tables_copy(tables, &table), a);
    tp_tables_forget_originals(tables);
    const tp_table *b = tp_tables_copy(tables, &table);
    assert_string_equal(b->name, "b");
    assert_string_equal(a->name, "a");
    tp_tables_clear(tables);
    assert_string_equal(tp_tables_copy(tables, &table)->name, "b");
    tp_tables_free(tables);
}

static void test_more_tables_than_places(void **state) {
    (void)state;
    tp_tables *tables = tp_tables_new();
    tp_table many[500];
    char names[500][16];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(names[i], sizeof names[i], "t%d", i);
            many[i] = (tp_table){names[i], 0, 1, one};
            assert_string_equal(tp_tables_copy(tables, &many[i])->name, names[i]);
        }
    }
    tp_tables_free(tables);
}

static void test_out_of_memory(void **state) {
    (void)state;
    const tp_table a = {"a", 1, 2, two};
    unsigned n = 1;
    for (;; n++) {
        oom_fail_at(n);
        tp_tables *tables = tp_tables_new();
        const tp_table *copy = tables == NULL ? NULL : tp_tables_copy(tables, &a);
        bool failed = oom_reset();
        assert_int_equal(copy == NULL, failed);
        if (tables != NULL) {
            assert_non_null(tp_tables_copy(tables, &a));
        }
        oom_fail_at(1);
        if (tables != NULL) {
            tp_tables_clear(tables);
        }
        oom_reset();
        tp_tables_free(tables);
        if (!failed) {
            break;
        }
    }
    assert_true(n > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_copy_for_each_declaration),
        cmocka_unit_test(test_names_do_not_run_together),
        cmocka_unit_test(test_an_address_used_again),
        cmocka_unit_test(test_more_tables_than_places),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
