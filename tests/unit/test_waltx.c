/* Tuples of a transaction: distinct, bounded by bytes too, walked in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/change.h"
#include "core/tuple.h"
#include "core/waltx.h"
#include "oom.h"

static const char *const keys[] = {"id"};

static tp_walspec spec_of(int32_t id) {
    return (tp_walspec){.id = id, .key_count = 1, .keys = keys, .max_keys = 1000};
}

static void add(tp_waltx *tx, uint32_t subxid, int32_t table, uint32_t op, const char *text) {
    tp_walspec spec = spec_of(table);
    tp_value value = {text, text == NULL ? 0 : (uint32_t)strlen(text)};
    tp_waltx_add(tx, subxid, &spec, op, &value);
}

static void test_walk(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_waltx *tx = tp_waltx_new(&key, 9);
    add(tx, 0, 1, TP_OP_INSERT, "a");
    add(tx, 0, 2, TP_OP_INSERT, "a");
    add(tx, 5, 1, TP_OP_UPDATE, "b");
    add(tx, 0, 1, TP_OP_DELETE, "a");
    add(tx, 0, 1, TP_OP_DELETE, NULL);
    char text[100] = "";
    tp_waltx_cursor cursor = {0, NULL};
    tp_waltx_change change;
    while (tp_waltx_next(tx, &cursor, &change)) {
        tp_value value = tp_tuple_value(change.tuple, 0);
        sprintf(text + strlen(text), "%d:%u%s ", change.table, change.ops,
                value.data == NULL ? "-" : value.data);
    }
    assert_string_equal(text, "1:3a 2:2a 1:1- 1:8b ");
    tp_waltx_resync(tx, 1);
    cursor = (tp_waltx_cursor){0, NULL};
    assert_true(tp_waltx_next(tx, &cursor, &change));
    assert_int_equal(change.table, 2);
    assert_false(tp_waltx_next(tx, &cursor, &change));
    tp_waltx_abort(tx, 0);
    cursor = (tp_waltx_cursor){0, NULL};
    assert_false(tp_waltx_next(tx, &cursor, &change));
    tp_waltx_free(tx);
}

/* 16 MB of keys are told, more are a resync. */
static void test_bytes(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_waltx *tx = tp_waltx_new(&key, 9);
    size_t length = (size_t)5 << 20;
    char *large = malloc(length + 1);
    memset(large, 'x', length);
    large[length] = '\0';
    tp_waltx_table table;
    for (int i = 0; i < 4; i++) {
        large[0] = (char)('a' + i);
        add(tx, 0, 1, TP_OP_INSERT, large);
        assert_true(tp_waltx_table_at(tx, 0, &table));
        assert_int_equal(table.resync, i == 3);
    }
    assert_false(tp_waltx_table_at(tx, 1, &table));
    free(large);
    tp_waltx_free(tx);
}

/* A small one is used again as if it were new, a large one is not kept. */
static void test_renew(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_waltx_cursor cursor = {0, NULL};
    tp_waltx_change change;
    tp_waltx_table table;
    tp_waltx *tx = tp_waltx_new(&key, 9);
    uint64_t empty = tp_waltx_bytes(tx);
    assert_true(tp_waltx_renew(tx));
    for (int i = 0; i < 3; i++) {
        add(tx, 5, 1, TP_OP_INSERT, "a");
        add(tx, 6, 1, TP_OP_INSERT, "b");
        tp_waltx_resync(tx, 2);
        tp_waltx_facts_of(tx)->mark = 3;
        tp_waltx_facts_of(tx)->everything = true;
        assert_true(tp_waltx_renew(tx));
        assert_int_equal(tp_waltx_facts_of(tx)->mark, 0);
        assert_false(tp_waltx_facts_of(tx)->everything);
        assert_false(tp_waltx_table_at(tx, 0, &table));
        cursor = (tp_waltx_cursor){0, NULL};
        assert_false(tp_waltx_next(tx, &cursor, &change));
        assert_true(tp_waltx_bytes(tx) >= empty);
    }
    add(tx, 0, 1, TP_OP_UPDATE, "c");
    cursor = (tp_waltx_cursor){0, NULL};
    assert_true(tp_waltx_next(tx, &cursor, &change));
    assert_string_equal(tp_tuple_value(change.tuple, 0).data, "c");
    assert_int_equal(change.ops, TP_OP_UPDATE);
    assert_false(tp_waltx_next(tx, &cursor, &change));
    char text[24];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        add(tx, 0, 1, TP_OP_INSERT, text);
    }
    assert_false(tp_waltx_renew(tx));
    tp_waltx_free(tx);
}

static void test_oom(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        tp_waltx *tx = tp_waltx_new(&key, 9);
        if (tx != NULL) {
            add(tx, 0, 1, TP_OP_INSERT, "a");
            tp_waltx_truncate(tx, 2);
            tp_waltx_resync(tx, 3);
        }
        bool failed = oom_reset();
        tp_waltx_table table = {0};
        bool resync = tx != NULL && (tp_waltx_facts_of(tx)->everything ||
                                     (tp_waltx_table_at(tx, 0, &table) && table.resync));
        assert_true(!failed || tx == NULL || resync);
        tp_waltx_free(tx);
        if (!failed) {
            assert_true(n > 4);
            return;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walk), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_renew), cmocka_unit_test(test_oom)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
