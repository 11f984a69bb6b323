/* Rows of a copy in binary form, and when a round is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pg/wal_fetch.h"

#define HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
#define ROW(bytes) "\0\1\0\0\0" bytes /* the last byte of the length comes first */

typedef struct heard {
    char text[64];
    uint32_t count;
} heard;

static void on_message(void *user, const char *bytes, size_t length) {
    heard *told = user;
    snprintf(told->text, sizeof told->text, "%.*s", (int)length, bytes);
    told->count++;
}

static tp_wal_fetch fetch_for(heard *told) {
    return (tp_wal_fetch){.handler = {.user = told, .message = on_message}, .busy = true};
}

#define TAKE(fetch, literal) tp_wal_fetch_take((fetch), literal, sizeof(literal) - 1)

static void assert_name(const char *slot, const char *expected) {
    char name[64];
    tp_wal_fetch_name(slot, name);
    assert_string_equal(name, expected);
}

static void test_names(void **state) {
    (void)state;
    assert_name("trigperf_16384_web", "trigperf_tmp_16384_web");
    assert_name("trigperf_16384_web_tmp", "trigperf_tmp_16384_web_tmp");
    assert_name("other", "trigperf_tmp_other");
    assert_name("trigperf_4294967295_"
                "abcdefghijklmnopqrstuvwxyz0123456789",
                "trigperf_tmp_4294967295_abcdefghijklmnopqrstuvwxyz0123456789");
}

static void test_rows(void **state) {
    (void)state;
    heard told = {.count = 0};
    tp_wal_fetch fetch = fetch_for(&told);
    TAKE(&fetch, HEADER ROW("\5first"));
    assert_string_equal(told.text, "first");
    TAKE(&fetch, ROW("\6second"));
    assert_string_equal(told.text, "second");
    TAKE(&fetch, ROW("\0"));
    assert_string_equal(told.text, "");
    TAKE(&fetch, "\377\377");
    assert_int_equal(told.count, 3);
    assert_int_equal(fetch.taken, 3);
    assert_false(fetch.discards);
}

static void test_no_rows(void **state) {
    (void)state;
    heard told = {.count = 0};
    tp_wal_fetch fetch = fetch_for(&told);
    TAKE(&fetch, HEADER "\377\377");
    assert_int_equal(told.count, 0);
    assert_int_equal(fetch.taken, 0);
    assert_false(fetch.discards);
}

/* What is not understood ends the round: nothing of it is told any more, the stream will. */
static void assert_refused(const char *bytes, size_t length) {
    heard told = {.count = 0};
    tp_wal_fetch fetch = fetch_for(&told);
    TAKE(&fetch, HEADER ROW("\4fine"));
    tp_wal_fetch_take(&fetch, bytes, length);
    assert_true(fetch.discards);
    TAKE(&fetch, ROW("\4fine"));
    assert_int_equal(told.count, 1);
}

static void test_refused(void **state) {
    (void)state;
    assert_refused("", 0);
    assert_refused("\0\1\0", 3);
    assert_refused("\0\2\0\0\0\0", 6);
    assert_refused("\0\1\0\0\0\3ab", 8);
    assert_refused("\0\1\0\0\0\1ab", 8);
    assert_refused("\0\1\377\377\377\377", 6); /* NULL */
    assert_refused("\0\1\0\0\0\1a\377\377", 9);
}

static void test_waited(void **state) {
    (void)state;
    heard told = {.count = 0};
    tp_wal_fetch fetch = fetch_for(&told);
    assert_true(tp_wal_fetch_deadline(&fetch, 500) == 1500);
    assert_false(tp_wal_fetch_waited(&fetch, 1499, 999));
    assert_true(tp_wal_fetch_waited(&fetch, 1500, 1000));
    assert_true(tp_wal_fetch_deadline(&fetch, 500) == UINT64_MAX);
    assert_true(tp_wal_fetch_waited(&fetch, 1501, 0));
    TAKE(&fetch, HEADER ROW("\4late"));
    assert_int_equal(told.count, 0);
}

/* A connection that broke meanwhile is remembered, one that broke afterwards is not. */
static void test_broke(void **state) {
    (void)state;
    heard told = {.count = 0};
    tp_wal_fetch fetch = fetch_for(&told);
    tp_wal_fetch_reset(&fetch);
    assert_true(fetch.broke);
    assert_false(fetch.busy);
    fetch = fetch_for(&told);
    fetch.busy = false;
    tp_wal_fetch_reset(&fetch);
    assert_false(fetch.broke);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_rows), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_waited),  cmocka_unit_test(test_broke)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
