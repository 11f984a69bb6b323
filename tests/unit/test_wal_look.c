/* Ids of 32 bits against snapshots of 64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pg/wal_look.h"

static void assert_visible(const char *snapshot, uint32_t xid, bool expected) {
    tp_wal_look look = {.connection = NULL};
    assert_int_equal(tp_snapshot_parse(snapshot, &look.seen, NULL), 0);
    if (tp_wal_look_visible(&look, xid) != expected) {
        fail_msg("%u in %s: expected %d", xid, snapshot, expected);
    }
    tp_wal_look_reset(&look);
    assert_false(tp_wal_look_visible(&look, xid));
}

static void test_first_epoch(void **state) {
    (void)state;
    assert_visible("10:20:15", 9, true);
    assert_visible("10:20:15", 15, false);
    assert_visible("10:20:15", 16, true);
    assert_visible("10:20:15", 20, false);
    assert_visible("10:20:15", 4000000000u, false);
}

/* 4294967296 is the first id of the second epoch. */
static void test_around_the_end(void **state) {
    (void)state;
    assert_visible("4294967290:4294967310:4294967295,4294967300", 4294967290u, true);
    assert_visible("4294967290:4294967310:4294967295,4294967300", 4294967295u, false);
    assert_visible("4294967290:4294967310:4294967295,4294967300", 3, true);
    assert_visible("4294967290:4294967310:4294967295,4294967300", 4, false);
    assert_visible("4294967290:4294967310:4294967295,4294967300", 14, false);
    assert_visible("4294967290:4294967294:", 5, false);
    assert_visible("8589934700:8589934700:", 4294967200u, true);
    assert_visible("8589934700:8589934700:", 107, true);
    assert_visible("8589934700:8589934700:", 108, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_epoch),
                                       cmocka_unit_test(test_around_the_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
