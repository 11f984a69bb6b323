/* Distinct tuples: found by walking while they are few, through the index when they are many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/tuple.h"
#include "core/tupleset.h"
#include "oom.h"

static tp_hash_key secret; /* all zeroes */

static tp_tuple *stage(tp_tupleset *set, uint32_t table, const char *text) {
    tp_value value = {text, text == NULL ? 0 : (uint32_t)strlen(text)};
    return tp_tupleset_stage(set, table, &value, 1, (uint32_t)tp_tuple_length(&value, 1));
}

static bool has(tp_tupleset *set, uint32_t table, const char *text) {
    tp_tuple *staged = stage(set, table, text);
    assert_non_null(staged);
    return tp_tupleset_find(set, &secret, staged) != NULL;
}

static void add(tp_tupleset *set, uint32_t table, const char *text) {
    tp_tuple *staged = stage(set, table, text);
    assert_non_null(staged);
    assert_null(tp_tupleset_find(set, &secret, staged));
    assert_true(tp_tupleset_keep(set, &secret, staged));
}

static void assert_text(const tp_tuple *tuple, const char *expected) {
    assert_non_null(tuple);
    assert_string_equal(tp_tuple_value(tuple->bytes, 0).data, expected);
}

static void test_finds_what_was_kept(void **state) {
    (void)state;
    tp_tupleset set = {.count = 0};
    char text[16];
    for (int round = 0; round < 3; round++) {
        assert_false(has(&set, 0, "0"));
        for (int i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "%d", i);
            add(&set, 7, text);
            for (int j = i; j >= 0; j -= i / 5 + 1) {
                snprintf(text, sizeof text, "%d", j);
                assert_true(has(&set, 7, text));
                assert_false(has(&set, 8, text));
            }
        }
        assert_int_equal(set.count, 1000);
        int at = 0;
        for (const tp_tuple *t = NULL; (t = tp_tupleset_next(&set, t)) != NULL; at++) {
            snprintf(text, sizeof text, "%d", at);
            assert_text(t, text);
            assert_int_equal(t->table, 7);
            assert_int_equal(t->ops, 0);
        }
        assert_int_equal(at, 1000);
        assert_true(tp_tupleset_bytes(&set) > 0);
        tp_tupleset_clear(&set);
        assert_int_equal(tp_tupleset_bytes(&set), 0);
        assert_null(tp_tupleset_next(&set, NULL));
    }
    tp_tupleset_free(&set);
}

/* On both sides of the number from which an index is kept. */
static void test_tables_nulls_and_operations(void **state) {
    (void)state;
    tp_tupleset set = {.count = 0};
    for (uint32_t i = 0; i < 20; i++) {
        add(&set, i, "same");
        add(&set, i, NULL);
        assert_true(has(&set, i, "same"));
        assert_true(has(&set, i, NULL));
        assert_false(has(&set, i, ""));
        tp_tuple *found = tp_tupleset_find(&set, &secret, stage(&set, i, "same"));
        assert_int_equal(found->table, i);
        found->ops |= i;
    }
    uint32_t at = 0;
    for (const tp_tuple *t = NULL; (t = tp_tupleset_next(&set, t)) != NULL; at++) {
        assert_int_equal(t->table, at / 2);
        assert_int_equal(t->ops, at % 2 == 0 ? at / 2 : 0);
    }
    assert_int_equal(at, 40);
    tp_tupleset_free(&set);
}

static void test_what_is_staged_is_not_kept(void **state) {
    (void)state;
    tp_tupleset set = {.count = 0};
    add(&set, 1, "a");
    assert_non_null(stage(&set, 1, "much longer than the next one"));
    assert_false(has(&set, 1, "b"));
    add(&set, 1, "c");
    const tp_tuple *first = tp_tupleset_next(&set, NULL);
    assert_text(first, "a");
    const tp_tuple *second = tp_tupleset_next(&set, first);
    assert_text(second, "c");
    assert_null(tp_tupleset_next(&set, second));
    tp_tupleset_free(&set);
}

/* What did not fit is not there, what was there before is, and another attempt succeeds. */
static void test_out_of_memory(void **state) {
    (void)state;
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        tp_tupleset set = {.count = 0};
        char text[16];
        uint32_t kept = 0;
        oom_fail_at(n);
        for (int i = 0; i < 40; i++) {
            snprintf(text, sizeof text, "%d", i);
            tp_tuple *staged = stage(&set, 1, text);
            bool fresh = staged != NULL && tp_tupleset_find(&set, &secret, staged) == NULL;
            kept += fresh && tp_tupleset_keep(&set, &secret, staged) ? 1 : 0;
        }
        failed = oom_reset();
        assert_int_equal(set.count, kept);
        assert_int_equal(kept, failed ? 39 : 40);
        for (int i = 0; i < 40; i++) {
            snprintf(text, sizeof text, "%d", i);
            kept -= has(&set, 1, text) ? 1 : 0;
        }
        assert_int_equal(kept, 0);
        tp_tupleset_free(&set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_kept),
        cmocka_unit_test(test_tables_nulls_and_operations),
        cmocka_unit_test(test_what_is_staged_is_not_kept),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
