/* Announcements of the notifier: what is written can be read, and when rows connect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/wake.h"

static tp_snapshot parse(const char *text) {
    tp_snapshot snapshot = {0};
    assert_int_equal(tp_snapshot_parse(text, &snapshot, NULL), TRIGPERF_OK);
    return snapshot;
}

static void assert_covers(const char *a, const char *b, bool expected) {
    tp_snapshot first = parse(a);
    tp_snapshot second = parse(b);
    if (tp_snapshot_covers(&first, &second) != expected) {
        fail_msg("%s covers %s: expected %d", a, b, expected);
    }
    tp_snapshot_free(&first);
    tp_snapshot_free(&second);
}

static void test_covers(void **state) {
    (void)state;
    assert_covers("10:10:", "10:10:", true);
    assert_covers("12:12:", "10:10:", true);
    assert_covers("10:10:", "12:12:", false);
    assert_covers("10:12:10", "10:12:10", true);
    assert_covers("10:12:10", "12:12:", false);
    assert_covers("10:12:10", "10:11:10", true);
    assert_covers("10:14:10,12", "10:12:10", true);
    assert_covers("10:14:10,11", "10:12:10", false);
    assert_covers("11:14:11", "10:11:10", true);
}

/* Every xid visible in b must be visible in a: compared with the definition itself. */
static void test_covers_by_definition(void **state) {
    (void)state;
    static const char *const all[] = {"3:3:", "4:4:",  "3:5:3",   "3:5:3,4", "4:5:4",
                                      "5:5:", "3:6:3", "3:6:3,5", "4:7:4,6", "7:7:"};
    size_t count = sizeof all / sizeof all[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            tp_snapshot a = parse(all[i]);
            tp_snapshot b = parse(all[j]);
            bool expected = true;
            for (uint64_t xid = 3; xid < 8; xid++) {
                expected =
                    expected && (!tp_snapshot_visible(&b, xid) || tp_snapshot_visible(&a, xid));
            }
            tp_snapshot_free(&a);
            tp_snapshot_free(&b);
            assert_covers(all[i], all[j], expected);
        }
    }
}

static void test_kinds(void **state) {
    (void)state;
    static const struct {
        const char *payload;
        tp_wake_kind kind;
    } cases[] = {{"{\"k\":\"b\"}", TP_WAKE_BEAT},
                 {"{\"k\":\"q\"}", TP_WAKE_RESIGN},
                 {"{\"k\":\"s\",\"n\":\"abc\"}", TP_WAKE_SELFTEST},
                 {"{\"k\":\"w\",\"t\":\"5:5:\",\"l\":\"0/1\"}", TP_WAKE_POSITION},
                 {"{\"k\":\"c\",\"c\":\"web\"}", TP_WAKE_CLAIM}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tp_wake *wake = tp_wake_decode(cases[i].payload);
        assert_non_null(wake);
        assert_int_equal(tp_wake_kind_of(wake), cases[i].kind);
        tp_wake_free(wake);
    }
}

static void test_claims(void **state) {
    (void)state;
    static const struct {
        const char *payload;
        bool of_web;
    } cases[] = {{"{\"k\":\"c\",\"c\":\"web\"}", true},
                 {"{\"k\":\"c\",\"c\":\"we\"}", true}, /* a longer name's beginning */
                 {"{\"k\":\"c\",\"c\":\"web-1\"}", false},
                 {"{\"k\":\"c\"}", false},
                 {"{\"k\":\"b\",\"c\":\"web\"}", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tp_wake *wake = tp_wake_decode(cases[i].payload);
        assert_non_null(wake);
        assert_int_equal(tp_wake_claims(wake, "web"), cases[i].of_web);
        tp_wake_free(wake);
    }
}

/* What anybody might send never crashes and is never taken for an announcement. */
static void test_malformed(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "{}",
                                      "{\"k\":1}",
                                      "{\"k\":\"\"}",
                                      "{\"k\":\"z\"}",
                                      "{\"k\":\"w\"}",
                                      "{\"k\":\"w\",\"t\":\"5:5:\"}",
                                      "{\"k\":\"w\",\"t\":\"5\",\"l\":\"0/1\"}",
                                      "{\"k\":\"r\",\"t\":\"5:5:\",\"l\":\"0/1\"}",
                                      "{\"k\":\"r\",\"f\":7,\"t\":\"5:5:\",\"l\":\"0/1\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(tp_wake_decode(bad[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_covers),
                                       cmocka_unit_test(test_covers_by_definition),
                                       cmocka_unit_test(test_kinds), cmocka_unit_test(test_claims),
                                       cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
