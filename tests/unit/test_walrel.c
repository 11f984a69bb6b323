/* Descriptions of relations: matched by name, compared with the former, matched anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/walrel.h"
#include "oom.h"
#include "pgo_bytes.h"

static const char *const keys[] = {"user_id", "id"};
static const uint32_t types[] = {23, 23};
static const uint8_t forms[] = {TP_WAL_PLAIN, TP_WAL_PLAIN};

static tp_walspec spec_of(uint32_t relid) {
    return (tp_walspec){.relid = relid,
                        .id = 1,
                        .key_count = 2,
                        .keys = keys,
                        .types = types,
                        .forms = forms,
                        .max_keys = 10};
}

static bool take(tp_walrels *rels, uint32_t relid, char identity, uint32_t count,
                 const char *const *names, bool *altered) {
    pgo_bytes bytes;
    tp_pgo_message message;
    const char *why = NULL;
    pgo_relation(&bytes, 0, relid, identity, count, names);
    assert_true(tp_pgo_parse(bytes.data, bytes.length, false, &message, &why));
    return tp_walrels_take(rels, &message, altered);
}

static void test_matching(void **state) {
    (void)state;
    static const char *const names[] = {"*id", "note", "*user_id"};
    static const char *const partly[] = {"*id", "note", "user_id"};
    static const char *const fewer[] = {"*id", "note"};
    tp_walrels *rels = tp_walrels_new();
    tp_walspec spec = spec_of(5);
    bool altered = true;
    tp_walrels_use(rels, &spec, 1);
    assert_null(tp_walrels_find(rels, 5));
    assert_true(take(rels, 5, 'i', 3, names, &altered));
    assert_false(altered);
    const tp_walrel *rel = tp_walrels_find(rels, 5);
    assert_ptr_equal(rel->spec, &spec);
    assert_true(rel->keys_known && rel->identity_covers);
    assert_int_equal(rel->key_at[0], 2);
    assert_int_equal(rel->key_at[1], 0);
    assert_true(take(rels, 5, 'i', 3, names, &altered));
    assert_false(altered);
    assert_true(take(rels, 5, 'd', 3, partly, &altered));
    assert_true(altered);
    rel = tp_walrels_find(rels, 5);
    assert_true(rel->keys_known);
    assert_false(rel->identity_covers);
    assert_true(take(rels, 5, 'd', 2, fewer, &altered));
    assert_false(tp_walrels_find(rels, 5)->keys_known);
    tp_walrels_free(rels);
}

static void test_other_tables(void **state) {
    (void)state;
    static const char *const names[] = {"*id", "*user_id"};
    tp_walrels *rels = tp_walrels_new();
    tp_walspec spec = spec_of(6);
    bool altered;
    assert_true(take(rels, 5, 'f', 2, names, &altered));
    assert_true(take(rels, 6, 'f', 2, names, &altered));
    assert_null(tp_walrels_find(rels, 6)->spec);
    tp_walrels_find(rels, 6)->told = true;
    tp_walrels_use(rels, &spec, 1);
    assert_ptr_equal(tp_walrels_find(rels, 6)->spec, &spec);
    assert_false(tp_walrels_find(rels, 6)->told);
    assert_null(tp_walrels_find(rels, 5)->spec);
    tp_walrels_forget(rels);
    assert_null(tp_walrels_find(rels, 5));
    assert_null(tp_walrels_find(rels, 6));
    tp_walrels_free(rels);
}

/* Partitions: several relations that mean one table. */
static void test_members(void **state) {
    (void)state;
    static const char *const names[] = {"*id", "*user_id"};
    static const char *const turned[] = {"*user_id", "note", "*id"};
    tp_walspec specs[] = {spec_of(3), spec_of(5), spec_of(9), spec_of(3000000000u)};
    tp_walrels *rels = tp_walrels_new();
    bool altered;
    specs[2].id = 2;
    tp_walrels_use(rels, specs, 4);
    for (uint32_t relid = 2; relid < 11; relid++) {
        assert_true(take(rels, relid, 'd', 2, names, &altered));
    }
    assert_true(take(rels, 3000000000u, 'f', 3, turned, &altered));
    assert_int_equal(tp_walrels_find(rels, 3)->spec->id, 1);
    assert_int_equal(tp_walrels_find(rels, 5)->spec->id, 1);
    assert_int_equal(tp_walrels_find(rels, 9)->spec->id, 2);
    assert_int_equal(tp_walrels_find(rels, 3000000000u)->spec->id, 1);
    assert_int_equal(tp_walrels_find(rels, 3)->key_at[0], 1);
    assert_int_equal(tp_walrels_find(rels, 3000000000u)->key_at[0], 0);
    assert_null(tp_walrels_find(rels, 2)->spec);
    assert_null(tp_walrels_find(rels, 4)->spec);
    assert_null(tp_walrels_find(rels, 10)->spec);
    tp_walrels_use(rels, specs, 1);
    assert_ptr_equal(tp_walrels_find(rels, 3)->spec, &specs[0]);
    assert_null(tp_walrels_find(rels, 5)->spec);
    tp_walrels_use(rels, NULL, 0);
    assert_null(tp_walrels_find(rels, 3)->spec);
    tp_walrels_free(rels);
}

/* A watched column that is not there any more: any of the others may be the one that was meant. */
static void test_watched(void **state) {
    (void)state;
    static const char *const watch[] = {"note", "seen"};
    static const char *const both[] = {"*id", "*user_id", "*seen", "*extra", "*note"};
    static const char *const renamed[] = {"*id", "*user_id", "*seen", "*extra", "*remark"};
    static const unsigned char counts[] = {1, 1, 1, 0, 1};
    static const unsigned char all[] = {1, 1, 1, 1, 1};
    tp_walrels *rels = tp_walrels_new();
    tp_walspec spec = spec_of(5);
    bool altered;
    spec.watch = watch;
    spec.watch_count = 2;
    tp_walrels_use(rels, &spec, 1);
    assert_true(take(rels, 5, 'f', 5, both, &altered));
    assert_memory_equal(tp_walrels_find(rels, 5)->compared, counts, 5);
    assert_true(take(rels, 5, 'f', 5, renamed, &altered));
    assert_true(altered);
    assert_memory_equal(tp_walrels_find(rels, 5)->compared, all, 5);
    spec.watch_count = 0;
    tp_walrels_use(rels, &spec, 1);
    assert_memory_equal(tp_walrels_find(rels, 5)->compared, all, 5);
    tp_walrels_free(rels);
}

/* The type that the description tells counts, not the one of the catalogs that were read. */
static void test_types(void **state) {
    (void)state;
    static const char *const names[] = {"*id", "*user_id"};
    static const struct {
        uint32_t read;
        uint8_t form;
        uint32_t told;
        uint8_t expected;
    } cases[] = {{16, TP_WAL_BOOL, 16, TP_WAL_BOOL},
                 {16, TP_WAL_BOOL, 25, TP_WAL_PLAIN},
                 {25, TP_WAL_PLAIN, 16, TP_WAL_BOOL},
                 {25, TP_WAL_PLAIN, 1042, TP_WAL_BLANKS},
                 {25, TP_WAL_PLAIN, 869, TP_WAL_INET},
                 {869, TP_WAL_INET, 16383, TP_WAL_PLAIN},
                 {16400, TP_WAL_BOOL, 16400, TP_WAL_BOOL},
                 {16400, TP_WAL_BOOL, 16401, TP_WAL_UNKNOWN},
                 {25, TP_WAL_PLAIN, 3000000000u, TP_WAL_UNKNOWN},
                 {16400, TP_WAL_UNKNOWN, 16400, TP_WAL_UNKNOWN}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t of_keys[] = {23, cases[i].read};
        const uint8_t forms_of_keys[] = {TP_WAL_PLAIN, cases[i].form};
        pgo_bytes bytes;
        tp_pgo_message message;
        const char *why = NULL;
        bool altered;
        tp_walrels *rels = tp_walrels_new();
        tp_walspec spec = spec_of(5);
        spec.types = of_keys;
        spec.forms = forms_of_keys;
        tp_walrels_use(rels, &spec, 1);
        pgo_relation_typed(&bytes, 0, 5, 'f', 2, names, (const uint32_t[]){cases[i].told, 23});
        assert_true(tp_pgo_parse(bytes.data, bytes.length, false, &message, &why));
        assert_true(tp_walrels_take(rels, &message, &altered));
        const tp_walrel *rel = tp_walrels_find(rels, 5);
        assert_int_equal(rel->forms[1], cases[i].expected);
        assert_int_equal(rel->keys_known, cases[i].expected != TP_WAL_UNKNOWN);
        tp_walrels_free(rels);
    }
}

static void test_oom(void **state) {
    (void)state;
    static const char *const names[] = {"*id", "*user_id"};
    for (unsigned n = 1;; n++) {
        bool altered;
        oom_fail_at(n);
        tp_walrels *rels = tp_walrels_new();
        bool taken = rels != NULL && take(rels, 5, 'f', 2, names, &altered);
        bool failed = oom_reset();
        assert_int_equal(taken, rels != NULL && tp_walrels_find(rels, 5) != NULL);
        tp_walrels_free(rels);
        if (!failed) {
            assert_true(taken && n > 4);
            return;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching), cmocka_unit_test(test_other_tables),
        cmocka_unit_test(test_members),  cmocka_unit_test(test_watched),
        cmocka_unit_test(test_types),    cmocka_unit_test(test_oom)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
