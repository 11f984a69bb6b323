/* A table of sets with two choices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache_table.h"
#include "oom.h"

static tp_cache_table *fresh(uint64_t sets) {
    tp_wide_key key;
    tp_cache_world world = {TP_CACHE_S3FIFO, NULL, NULL};
    tp_wide_key_seed(&key, 5);
    tp_cache_table *table = tp_cache_table_new(&world, &key, sets);
    assert_non_null(table);
    return table;
}

static int32_t look(tp_cache_table *table, uint64_t number) {
    tp_cache_probe probe;
    tp_cache_table_probe(table, 0, &number, sizeof number, &probe);
    tp_cache_probe_match(&probe);
    return tp_cache_table_look(table, &probe, 0);
}

static tp_cache_outcome put(tp_cache_table *table, uint64_t number) {
    tp_cache_probe probe;
    tp_cache_table_probe(table, 0, &number, sizeof number, &probe);
    return tp_cache_table_put(table, &probe, (uint32_t)number & 0xFFFF, 0, UINT64_MAX, NULL);
}

/* One set of sixteen alone would lose some hundreds of these. */
static void test_two_choices_fill_evenly(void **state) {
    (void)state;
    tp_cache_table *table = fresh(1000);
    uint32_t found = 0;
    for (uint64_t i = 0; i < 15200; i++) {
        assert_true(put(table, i).added);
    }
    for (uint64_t i = 0; i < 15200; i++) {
        found += look(table, i) == (int32_t)(i & 0xFFFF);
    }
    assert_true(found >= 15100);
    tp_cache_table_free(table);
}

static void test_one_set(void **state) {
    (void)state;
    tp_cache_table *table = fresh(1);
    for (uint64_t i = 0; i < 1000; i++) {
        put(table, i);
        assert_int_equal(look(table, i), i);
    }
    assert_int_equal(tp_cache_table_sweep(table, 0, 0, true), 16);
    assert_int_equal(look(table, 999), -1);
    tp_cache_table_free(table);
}

static void test_fill_respects_what_came_and_the_ticket(void **state) {
    (void)state;
    tp_cache_table *table = fresh(10);
    _Atomic uint32_t number_now = 3;
    tp_cache_ticket former = {&number_now, 2};
    tp_cache_ticket present = {&number_now, 3};
    uint64_t number = 7;
    tp_cache_probe probe;
    tp_cache_table_probe(table, 0, &number, sizeof number, &probe);
    tp_cache_probe_match(&probe);
    assert_int_equal(tp_cache_table_look(table, &probe, 0), -1);
    assert_false(tp_cache_table_fill(table, &probe, 1, 0, UINT64_MAX, &former).added);
    assert_true(tp_cache_table_fill(table, &probe, 1, 0, UINT64_MAX, &present).added);
    assert_false(tp_cache_table_fill(table, &probe, 2, 0, UINT64_MAX, &present).added);
    assert_int_equal(look(table, 7), 1);
    tp_cache_table_free(table);
}

static void test_discarded_tables_are_empty(void **state) {
    (void)state;
    tp_cache_table *table = fresh(1000);
    for (uint64_t i = 0; i < 1000; i++) {
        put(table, i);
    }
    for (uint64_t i = 0; i < table->sets; i++) {
        tp_cache_table_sweep(table, i, 0, true);
    }
    tp_cache_table_discard(table);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(look(table, i), -1);
    }
    put(table, 5); /* a writer that is late does no harm */
    tp_cache_table_free(table);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_wide_key key;
    tp_cache_world world = {TP_CACHE_S3FIFO, NULL, NULL};
    tp_wide_key_seed(&key, 5);
    for (unsigned n = 1; n <= 2; n++) {
        oom_fail_at(n);
        assert_null(tp_cache_table_new(&world, &key, 10));
        assert_true(oom_reset());
    }
    assert_null(tp_cache_table_new(&world, &key, UINT64_MAX / 2));
    tp_cache_table *table = fresh(10);
    oom_fail_at(1);
    assert_false(tp_cache_table_want_rows(table));
    assert_true(oom_reset());
    uint64_t before = tp_cache_table_bytes(table);
    assert_true(tp_cache_table_want_rows(table));
    assert_int_equal(tp_cache_table_bytes(table) - before, 10 * 16 * 8);
    tp_cache_table_free(table);
    tp_cache_table_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_choices_fill_evenly),
        cmocka_unit_test(test_one_set),
        cmocka_unit_test(test_fill_respects_what_came_and_the_ticket),
        cmocka_unit_test(test_discarded_tables_are_empty),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
