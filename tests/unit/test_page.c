/* Pages of the outbox: how far they reach, and their rows one by one. Results of the server are
 * made by libpq's own functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oom.h"
#include "pg/page.h"

#define COLUMNS 5 /* half, xid, table_id, op, i */

static PGresult *empty(int columns) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc attributes[8] = {{0}};
    char name[] = "c";
    for (int i = 0; i < columns; i++) {
        attributes[i].name = name;
    }
    assert_true(PQsetResultAttrs(result, columns, attributes));
    return result;
}

static void put(PGresult *result, int row, int column, const char *text) {
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    assert_true(PQsetvalue(result, row, column, copy, (int)strlen(copy)));
}

/* A row in words: "half xid array"; its op is U. */
static void add(PGresult *result, const char *half, const char *xid, const char *array) {
    int row = PQntuples(result);
    put(result, row, 0, half);
    put(result, row, 1, xid);
    put(result, row, 2, "3");
    put(result, row, 3, "U");
    put(result, row, 4, array);
}

static void test_whole(void **state) {
    (void)state;
    PGresult *result = empty(COLUMNS);
    add(result, "0", "10", "{1}");
    add(result, "1", "20", "{2}");
    add(result, "1", "21", "{3}");
    tp_page *page = tp_page_new(result, 3);
    assert_int_equal(tp_page_rows(page), 3);
    assert_ptr_equal(tp_page_result(page), result);
    assert_true(tp_page_bytes(page) > 0);
    assert_true(tp_page_is_whole(page));
    assert_false(tp_page_has_gap(page));
    assert_int_equal(tp_page_too_big(page), 0);
    assert_int_equal(tp_page_old_last(page), 0);
    assert_int_equal(tp_page_new_last(page), 0);
    tp_page_free(page);
    page = tp_page_new(empty(COLUMNS), 3);
    assert_true(tp_page_is_whole(page));
    assert_int_equal(tp_page_rows(page), 0);
    assert_int_equal(tp_page_apply_next(page, &(tp_page_use){0}), 0);
    tp_page_free(page);
    tp_page_free(NULL);
}

/* The last transaction of a full half may be cut, so it does not count. */
static void test_cut(void **state) {
    (void)state;
    PGresult *result = empty(COLUMNS);
    add(result, "0", "10", "{1}");
    add(result, "0", "11", "{2}");
    add(result, "0", "12", "{3}");
    add(result, "1", "20", "{4}");
    add(result, "1", "21", "{5}");
    add(result, "1", "21", "{6}");
    tp_page *page = tp_page_new(result, 3);
    assert_false(tp_page_is_whole(page));
    assert_int_equal(tp_page_old_last(page), 11);
    assert_int_equal(tp_page_new_last(page), 20);
    assert_int_equal(tp_page_too_big(page), 0);
    tp_page_free(page);
}

static void test_one_transaction_fills_it(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        PGresult *result = empty(COLUMNS);
        add(result, half == 0 ? "0" : "1", "10", "{1}");
        add(result, half == 0 ? "0" : "1", "10", "{2}");
        tp_page *page = tp_page_new(result, 2);
        assert_int_equal(tp_page_too_big(page), 10);
        assert_false(tp_page_is_whole(page));
        tp_page_free(page);
        result = empty(COLUMNS);
        add(result, half == 0 ? "0" : "1", "10", "{1}");
        add(result, half == 0 ? "0" : "1", "10", "{2}");
        page = tp_page_new(result, 3);
        assert_int_equal(tp_page_too_big(page), 0);
        assert_true(tp_page_is_whole(page));
        tp_page_free(page);
    }
}

static void test_gap(void **state) {
    (void)state;
    PGresult *result = empty(COLUMNS);
    add(result, "1", "10", "{1}");
    put(result, 1, 0, "2");
    tp_page *page = tp_page_new(result, 3);
    assert_true(tp_page_has_gap(page));
    tp_page_free(page);
}

typedef struct fixture {
    tp_engine *engine;
    tp_registry *registry;
    tp_log log;
} fixture;

static fixture start_with(uint32_t max_keys) {
    static const char *const table[] = {"3", "public.calls", "{id}", "{i1}"};
    tp_pipeline_options options = {.window_ms = 0,
                                   .max_keys = max_keys,
                                   .max_pending = 100,
                                   .max_bytes = 1 << 24,
                                   .nack_delay_ms = 10,
                                   .nack_delay_max_ms = 100};
    fixture f = {0};
    PGresult *tables = empty(4);
    PGresult *rules = empty(6);
    for (int i = 0; i < 4; i++) {
        put(tables, 0, i, table[i]);
    }
    assert_int_equal(tp_engine_new(&options, NULL, 0, &f.engine, NULL), TRIGPERF_OK);
    assert_int_equal(tp_registry_new(tables, rules, "7", f.engine, &f.log, &f.registry, NULL),
                     TRIGPERF_OK);
    PQclear(tables);
    PQclear(rules);
    return f;
}

static fixture start(void) {
    return start_with(50);
}

static void finish(fixture *f) {
    tp_registry_free(f->registry);
    tp_engine_unref(f->engine);
}

static void test_rows_are_applied_one_by_one(void **state) {
    (void)state;
    fixture f = start();
    tp_page_use use = {f.registry, f.engine, &f.log, 1000, 5};
    PGresult *result = empty(COLUMNS);
    add(result, "0", "10", "{1}");
    add(result, "0", "11", "{2,3}");
    add(result, "0", "12", "{77}"); /* may be cut */
    add(result, "1", "20", "{4}");
    add(result, "1", "21", "{5,6,7}");
    tp_page *page = tp_page_new(result, 3);
    static const uint32_t expected[] = {1, 2, 1, 3, 0, 0};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(tp_page_apply_next(page, &use), expected[i]);
    }
    tp_page_free(page);
    tp_pipeline *pipeline = tp_engine_lock(f.engine);
    assert_int_equal(tp_pipeline_arrived(pipeline), 7);
    tp_pipeline_flush(pipeline, 1000);
    tp_batch *batch = tp_pipeline_next(pipeline);
    tp_engine_unlock(f.engine);
    assert_int_equal(tp_batch_change_count(batch), 7);
    for (uint32_t i = 0; i < 7; i++) {
        char id[2] = {(char)('1' + (char)i), '\0'};
        assert_string_equal(tp_batch_change_value(batch, i, 0, NULL), id);
    }
    tp_engine_ack(f.engine, batch);
    finish(&f);
}

/* A window so large that the next rows and tuples are looked at ahead. */
static void test_looking_ahead_changes_nothing(void **state) {
    (void)state;
    fixture f = start_with(100000);
    tp_page_use use = {f.registry, f.engine, &f.log, 1000, 5};
    PGresult *result = empty(COLUMNS);
    char array[40];
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(array, sizeof array, "{%u}", i % 4200);
        add(result, i < 2000 ? "0" : "1", "10", array);
    }
    add(result, "1", "11", "{1,2,\"\\3\",4,5,6,7,8,9,10,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p}");
    add(result, "1", "12", "{1,2");
    add(result, "1", "13", "{}");
    tp_page *page = tp_page_new(result, 9000);
    uint32_t changes = 0;
    for (uint32_t more; (more = tp_page_apply_next(page, &use)) > 0;) {
        changes += more;
    }
    tp_page_free(page);
    assert_int_equal(changes, 5000 + 26 + 1 + 1);
    tp_pipeline *pipeline = tp_engine_lock(f.engine);
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(pipeline, &counters);
    tp_engine_unlock(f.engine);
    assert_int_equal(counters.changes, 5000 + 26);
    assert_int_equal(counters.pending_changes, 4200 + 16);
    assert_int_equal(counters.merged, 800 + 10);
    finish(&f);
}

static void test_rows_of_unknown_tables_count_as_work(void **state) {
    (void)state;
    fixture f = start();
    tp_page_use use = {f.registry, f.engine, &f.log, 1000, 5};
    PGresult *result = empty(COLUMNS);
    add(result, "1", "20", "{4}");
    put(result, 0, 2, "99");
    tp_page *page = tp_page_new(result, 3);
    assert_int_equal(tp_page_apply_next(page, &use), 1);
    assert_int_equal(tp_page_apply_next(page, &use), 0);
    tp_page_free(page);
    assert_int_equal(tp_pipeline_arrived(tp_engine_lock(f.engine)), 0);
    tp_engine_unlock(f.engine);
    finish(&f);
}

static void test_out_of_memory(void **state) {
    (void)state;
    PGresult *result = empty(COLUMNS);
    oom_fail_at(1);
    assert_null(tp_page_new(result, 3));
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_one_transaction_fills_it),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_rows_are_applied_one_by_one),
        cmocka_unit_test(test_looking_ahead_changes_nothing),
        cmocka_unit_test(test_rows_of_unknown_tables_count_as_work),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
