/* Tables of the log as the database describes them; memory that is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "oom.h"
#include "pg/wal_specs.h"

static PGresult *result_of(const char *const (*rows)[7], int count) {
    static char names[7][9] = {"id", "relid", "keys", "forms", "watch", "max_keys", "types"};
    PGresAttDesc columns[7];
    memset(columns, 0, sizeof columns);
    for (int i = 0; i < 7; i++) {
        columns[i].name = names[i];
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(result, 7, columns), 1);
    for (int row = 0; row < count; row++) {
        for (int i = 0; i < 7; i++) {
            char value[200];
            snprintf(value, sizeof value, "%s", rows[row][i]);
            assert_int_equal(PQsetvalue(result, row, i, value, (int)strlen(value)), 1);
        }
    }
    return result;
}

static const char *const rows[][7] = {{"1", "16400", "{user_id,\"my \\\"id\\\"\",flag,c,a,own}",
                                       "{plain,plain,bool,blanks,inet,unknown}", "{note,seen}",
                                       "1000", "{20,25,16,1042,869,3000000001}"},
                                      {"7", "3000000000", "{id}", "{plain}", "{}", "5", "{23}"}};

static void test_read(void **state) {
    (void)state;
    PGresult *result = result_of(rows, 2);
    tp_wal_specs *specs = NULL;
    uint32_t count = 0;
    assert_int_equal(tp_wal_specs_new(result, &specs, NULL), 0);
    PQclear(result);
    const tp_walspec *list = tp_wal_specs_all(specs, &count);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].relid, 16400);
    assert_int_equal(list[0].key_count, 6);
    assert_string_equal(list[0].keys[1], "my \"id\"");
    assert_int_equal(list[0].forms[1], TP_WAL_PLAIN);
    assert_int_equal(list[0].forms[2], TP_WAL_BOOL);
    assert_int_equal(list[0].forms[3], TP_WAL_BLANKS);
    assert_int_equal(list[0].forms[4], TP_WAL_INET);
    assert_int_equal(list[0].forms[5], TP_WAL_UNKNOWN);
    assert_int_equal(list[0].types[3], 1042);
    assert_int_equal(list[0].types[5], 3000000001u);
    assert_int_equal(list[0].watch_count, 2);
    assert_string_equal(list[0].watch[1], "seen");
    assert_int_equal(list[0].max_keys, 1000);
    assert_int_equal(list[1].relid, 3000000000u);
    assert_int_equal(list[1].watch_count, 0);
    assert_ptr_equal(tp_wal_specs_find(specs, 7), &list[1]);
    assert_null(tp_wal_specs_find(specs, 8));
    tp_wal_specs_free(specs);
}

/* Whatever their order in the result; several relations may mean one table. */
static void test_order(void **state) {
    (void)state;
    static const char *const mixed[][7] = {
        {"7", "900", "{id,day}", "{plain,plain}", "{note}", "5", "{20,23}"},
        {"2", "3000000000", "{a}", "{plain}", "{}", "6", "{20}"},
        {"7", "100", "{id,day}", "{plain,plain}", "{note}", "5", "{20,23}"},
        {"9", "500", "{a,b,c,d}", "{plain,plain,plain,plain}", "{e,f}", "7", "{20,20,20,20}"},
        {"2", "200", "{a}", "{plain}", "{}", "6", "{20}"}};
    static const uint32_t relids[] = {100, 200, 500, 900, 3000000000u};
    static const int32_t ids[] = {7, 2, 9, 7, 2};
    PGresult *result = result_of(mixed, 5);
    tp_wal_specs *specs = NULL;
    uint32_t count = 0;
    assert_int_equal(tp_wal_specs_new(result, &specs, NULL), 0);
    PQclear(result);
    const tp_walspec *list = tp_wal_specs_all(specs, &count);
    assert_int_equal(count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(list[i].relid, relids[i]);
        assert_int_equal(list[i].id, ids[i]);
        assert_int_equal(tp_wal_specs_find(specs, ids[i])->id, ids[i]);
    }
    assert_int_equal(tp_wal_specs_find(specs, 9)->key_count, 4);
    assert_int_equal(tp_wal_specs_find(specs, 7)->watch_count, 1);
    assert_null(tp_wal_specs_find(specs, 8));
    tp_wal_specs_free(specs);
}

static void test_too_many_keys(void **state) {
    (void)state;
    char keys[200] = "{a";
    for (int i = 0; i < 32; i++) {
        strcat(keys, ",k");
    }
    strcat(keys, "}");
    const char *const many[][7] = {{"1", "5", keys, "{}", "{}", "10", "{}"}};
    PGresult *result = result_of(many, 1);
    tp_wal_specs *specs = NULL;
    assert_int_equal(tp_wal_specs_new(result, &specs, NULL), TRIGPERF_E_VERSION);
    PQclear(result);
}

static void test_oom(void **state) {
    (void)state;
    PGresult *result = result_of(rows, 2);
    for (unsigned n = 1;; n++) {
        tp_wal_specs *specs = NULL;
        oom_fail_at(n);
        int32_t status = tp_wal_specs_new(result, &specs, NULL);
        bool failed = oom_reset();
        tp_wal_specs_free(specs);
        if (!failed) {
            assert_int_equal(status, 0);
            assert_true(n > 10);
            break;
        }
        /* shrinking a list is not needed */
        assert_true(status == TRIGPERF_E_NOMEM || status == 0);
    }
    PQclear(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_too_many_keys),
                                       cmocka_unit_test(test_oom)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
