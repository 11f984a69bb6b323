/* Who leads: the schema is looked for first, leases are asked for, renewed, lost and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answers.h"
#include "pg/lease.h"

static const char *const names[] = {"alerts", "collect", "kpi"};
static char link_1, link_2;
static unsigned lines;

#define LINK_1 ((tp_connection *)(void *)&link_1)
#define LINK_2 ((tp_connection *)(void *)&link_2)

static void count_line(void *user, int32_t level, const char *text) {
    (void)user;
    (void)level;
    (void)text;
    lines++;
}

static const tp_log loud = {count_line, NULL, TP_LOG_INFO};

static tp_lease new_lease(void) {
    answers_forget();
    lines = 0;
    return (tp_lease){
        .instance = "me", .application = "app", .jobs = names, .count = 3, .log = &loud};
}

static void ground(tp_lease *lease, const char *functions, const char *allowed,
                   tp_lease_ground expected) {
    const char *const row[] = {functions, allowed};
    assert_non_null(strstr(answers_text(), "pg_proc"));
    answers_row(row, 2);
    assert_int_equal(lease->ground, expected);
}

/* Present, on the first link, at a time. */
static tp_lease present_at(uint64_t now_ms) {
    tp_lease lease = new_lease();
    tp_lease_tick(&lease, LINK_1, false, now_ms);
    ground(&lease, "2", "t", TP_LEASE_PRESENT);
    return lease;
}

static void the_schema_is_looked_for_first(void **state) {
    (void)state;
    tp_lease lease = new_lease();
    tp_lease_tick(&lease, NULL, true, 100);
    assert_false(answers_wanted());
    assert_true(tp_lease_deadline(&lease, true) == UINT64_MAX);
    tp_lease_tick(&lease, LINK_1, true, 200);
    tp_lease_tick(&lease, LINK_1, true, 201);
    assert_int_equal(answers_count(), 1);
    ground(&lease, "0", NULL, TP_LEASE_ABSENT);
    assert_int_equal(lines, 1);
    assert_int_equal(tp_lease_deadline(&lease, true), 60201);
    tp_lease_tick(&lease, LINK_1, true, 60200);
    assert_false(answers_wanted());
    tp_lease_tick(&lease, LINK_1, true, 60201);
    ground(&lease, "1", "t", TP_LEASE_ABSENT);
    assert_int_equal(lines, 1);
    tp_lease_tick(&lease, LINK_1, true, 200000);
    ground(&lease, "2", "f", TP_LEASE_FORBIDDEN);
    assert_int_equal(lines, 2);
    tp_lease_tick(&lease, LINK_1, true, 300000);
    ground(&lease, "2", "t", TP_LEASE_PRESENT);
    assert_string_equal(tp_lease_ground_name(&lease), "present");
    assert_int_equal(lines, 2);
}

static void jobs_are_asked_for_when_it_is_time(void **state) {
    static const char *const led[] = {"kpi", "alerts", "of a newer library"};
    (void)state;
    tp_lease lease = present_at(1000);
    assert_true(tp_lease_deadline(&lease, false) == UINT64_MAX);
    tp_lease_tick(&lease, LINK_1, false, 2000);
    assert_false(answers_wanted());
    tp_lease_tick(&lease, LINK_1, true, 3000);
    assert_string_equal(answers_value(0), "me");
    assert_string_equal(answers_value(1), "app");
    assert_string_equal(answers_value(2), "{alerts,collect,kpi}");
    assert_string_equal(answers_value(3), "30000");
    lease.now_ms = 3500;
    answers_column(led, 3);
    assert_int_equal(tp_lease_held(&lease, 3500), 5);
    assert_int_equal(tp_lease_deadline(&lease, true), 13000);
    assert_int_equal(tp_lease_held(&lease, 32999), 5);
    assert_int_equal(tp_lease_held(&lease, 33000), 0);
    tp_lease_tick(&lease, LINK_1, true, 13000);
    answers_column(led, 1);
    assert_int_equal(tp_lease_held(&lease, 13000), 4);
    assert_int_equal(tp_lease_held(&lease, 42999), 4);
    tp_lease_tick(&lease, LINK_1, true, 23000);
    answers_column(led, 0);
    assert_int_equal(tp_lease_held(&lease, 23000), 0);
}

static void another_connection_may_be_another_server(void **state) {
    static const char *const led[] = {"kpi"};
    (void)state;
    tp_lease lease = present_at(0);
    tp_lease_tick(&lease, LINK_1, true, 0);
    answers_column(led, 1);
    tp_lease_tick(&lease, LINK_1, true, 10000);
    tp_lease_tick(&lease, NULL, true, 11000);
    answers_forget();
    assert_int_equal(tp_lease_held(&lease, 12000), 4);
    assert_int_equal(tp_lease_deadline(&lease, true), 30000);
    tp_lease_tick(&lease, LINK_2, true, 12000);
    ground(&lease, "2", "t", TP_LEASE_PRESENT);
    tp_lease_tick(&lease, LINK_2, true, 12000);
    answers_column(led, 1);
    assert_int_equal(tp_lease_held(&lease, 41999), 4);
}

static void failures_are_asked_again(void **state) {
    (void)state;
    tp_lease lease = new_lease();
    tp_lease_tick(&lease, LINK_1, true, 0);
    answers_error();
    assert_int_equal(tp_lease_deadline(&lease, true), 1000);
    answers_fail_next();
    tp_lease_tick(&lease, LINK_1, true, 1000);
    assert_int_equal(tp_lease_deadline(&lease, true), 2000);
    tp_lease_tick(&lease, LINK_1, true, 2000);
    ground(&lease, "2", "t", TP_LEASE_PRESENT);
    tp_lease_tick(&lease, LINK_1, true, 2000);
    answers_error();
    assert_int_equal(tp_lease_deadline(&lease, true), 3000);
    assert_int_equal(tp_lease_held(&lease, 2500), 0);
}

static void given_back_on_the_way_out(void **state) {
    static const char *const led[] = {"collect"};
    (void)state;
    tp_lease lease = present_at(0);
    tp_lease_resign(&lease);
    assert_false(answers_wanted());
    tp_lease_tick(&lease, LINK_1, true, 0);
    answers_column(led, 1);
    tp_lease_resign(&lease);
    assert_non_null(strstr(answers_text(), "job_resign"));
    assert_int_equal(tp_lease_held(&lease, 0), 0);
    tp_lease_resign(&lease);
    assert_int_equal(answers_count(), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_is_looked_for_first),
        cmocka_unit_test(jobs_are_asked_for_when_it_is_time),
        cmocka_unit_test(another_connection_may_be_another_server),
        cmocka_unit_test(failures_are_asked_again),
        cmocka_unit_test(given_back_on_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
