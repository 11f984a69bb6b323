/* Snapshots as positions: text form, visibility, and the promise that a reader which advances page
 * by page sees every committed transaction exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/snapshot.h"
#include "oom.h"
#include "prng.h"

static tp_snapshot parse(const char *text) {
    tp_snapshot snapshot = {0, 0, NULL, 0};
    assert_int_equal(tp_snapshot_parse(text, &snapshot, NULL), TRIGPERF_OK);
    return snapshot;
}

static void assert_text(const tp_snapshot *snapshot, const char *expected) {
    tp_strbuf out = TP_STRBUF_INIT;
    tp_snapshot_format(snapshot, &out);
    assert_string_equal(tp_strbuf_str(&out), expected);
    tp_strbuf_free(&out);
}

static void test_round_trip(void **state) {
    (void)state;
    static const char *const texts[] = {
        "1:1:",       "3:3:",
        "10:20:",     "10:20:10,14,15",
        "10:20:10",   "18446744073709551614:18446744073709551615:18446744073709551614",
        "1:9000000:1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        tp_snapshot snapshot = parse(texts[i]);
        assert_text(&snapshot, texts[i]);
        tp_snapshot_free(&snapshot);
    }
}

static void test_equal_neighbours_count_once(void **state) {
    (void)state;
    tp_snapshot snapshot = parse("10:20:12,12,13");
    assert_text(&snapshot, "10:20:12,13");
    tp_snapshot_free(&snapshot);
}

static void test_refuses(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "1",
                                        "1:",
                                        "1:2",
                                        ":2:",
                                        "1::",
                                        "2:1:",
                                        "0:1:",
                                        "0:0:",
                                        "a:2:",
                                        "1:2:x",
                                        "1:2:2",
                                        "3:9:2",
                                        "1:9:3,2",
                                        "1:9:3,",
                                        "1:9:,3",
                                        "1:9:3,,4",
                                        "1:9:3 ",
                                        " 1:9:3",
                                        "+1:9:3",
                                        "1:9:-3",
                                        "1:9:3:4",
                                        "1:9:3;4",
                                        "1;9:3",
                                        "1:9:0",
                                        "1:18446744073709551616:",
                                        "99999999999999999999999:1:"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        trigperf_error *err = NULL;
        tp_snapshot out = {7, 7, NULL, 7};
        assert_int_equal(tp_snapshot_parse(texts[i], &out, &err), TRIGPERF_E_INVALID);
        assert_int_equal(out.xmin, 7);
        assert_int_equal(out.xip_count, 7);
        assert_non_null(strstr(trigperf_error_message(err), "xmin:xmax:"));
        trigperf_error_free(err);
    }
}

static void test_visibility(void **state) {
    (void)state;
    tp_snapshot snapshot = parse("10:20:10,14,19");
    for (uint64_t xid = 1; xid < 30; xid++) {
        bool expected = xid < 20 && xid != 10 && xid != 14 && xid != 19;
        assert_int_equal(tp_snapshot_visible(&snapshot, xid), expected);
    }
    tp_snapshot_free(&snapshot);
}

static void test_equality(void **state) {
    (void)state;
    static const char *const texts[] = {"10:20:",      "10:20:10", "10:20:11",
                                        "10:20:10,11", "10:21:",   "11:20:"};
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++) {
            tp_snapshot a = parse(texts[i]);
            tp_snapshot b = parse(texts[j]);
            assert_int_equal(tp_snapshot_equal(&a, &b), i == j);
            tp_snapshot_free(&a);
            tp_snapshot_free(&b);
        }
    }
}

static void assert_advance(const char *from_text, const char *target_text, uint64_t old_last,
                           uint64_t new_last, const char *expected) {
    tp_snapshot from = parse(from_text);
    tp_snapshot target = parse(target_text);
    tp_snapshot next = {0, 0, NULL, 0};
    assert_int_equal(tp_snapshot_advance(&from, &target, old_last, new_last, &next, NULL), 0);
    assert_text(&next, expected);
    tp_snapshot_free(&from);
    tp_snapshot_free(&target);
    tp_snapshot_free(&next);
}

static void test_advance(void **state) {
    (void)state;
    assert_advance("10:10:", "10:10:", 0, 0, "10:10:");
    assert_advance("10:10:", "15:15:", 0, 0, "15:15:");
    assert_advance("10:10:", "12:15:12", 0, 0, "12:15:12");
    assert_advance("12:15:12", "20:20:", 0, 0, "20:20:");
    assert_advance("12:15:12", "12:20:12,17", 0, 0, "12:20:12,17");
    assert_advance("10:20:10,12,14", "30:30:", 12, 0, "14:30:14");
    assert_advance("10:20:10,12,14", "12:30:12,25", 14, 0, "12:30:12,25");
    assert_advance("10:10:", "12:20:12,17", 0, 13, "12:14:12");
    assert_advance("10:10:", "12:20:12,17", 0, 18, "12:19:12,17");
    assert_advance("10:20:10,14", "25:30:25", 10, 22, "14:23:14");
    assert_advance("10:10:", "11:11:", 0, 10, "11:11:");
}

static void test_target_older_than_position(void **state) {
    (void)state;
    assert_advance("20:30:20,25", "15:22:15", 0, 0, "25:30:25");
    assert_advance("20:30:20,25", "15:22:20", 0, 0, "20:30:20,25");
    assert_advance("20:20:", "5:5:", 0, 0, "20:20:");
}

static void test_impossible_cuts_are_refused(void **state) {
    (void)state;
    tp_snapshot from = parse("10:20:10,14");
    tp_snapshot target = parse("14:30:14,25");
    tp_snapshot out = {0, 0, NULL, 0};
    static const uint64_t cuts[][2] = {{11, 0}, {14, 0}, {20, 0}, {0, 19}, {0, 25}, {0, 30}};
    for (size_t i = 0; i < 6; i++) {
        trigperf_error *err = NULL;
        assert_int_equal(tp_snapshot_advance(&from, &target, cuts[i][0], cuts[i][1], &out, &err),
                         TRIGPERF_E_INVALID);
        trigperf_error_free(err);
        assert_null(out.xip);
    }
    tp_snapshot_free(&from);
    tp_snapshot_free(&target);
}

/* ---- a small server: transactions that start, commit or abort, and are read in pages ---- */

#define TRANSACTIONS 400u
#define FIRST 100u

typedef struct server {
    uint64_t random;
    uint8_t state[TRANSACTIONS]; /* 0 not begun, 1 running, 2 committed, 3 aborted */
    uint32_t seen[TRANSACTIONS];
    uint32_t next;
} server;

static void work(server *s) {
    for (uint32_t i = prng_below(&s->random, 12); i > 0; i--) {
        if (s->next < TRANSACTIONS && prng_below(&s->random, 2) == 0) {
            s->state[s->next++] = 1;
        }
        for (uint32_t t = 0; t < s->next; t++) {
            if (s->state[t] == 1 && prng_below(&s->random, 8) == 0) {
                s->state[t] = prng_below(&s->random, 10) == 0 ? 3 : 2;
            }
        }
    }
}

static tp_snapshot take(const server *s) {
    tp_strbuf text = TP_STRBUF_INIT;
    uint32_t oldest = s->next;
    for (uint32_t t = s->next; t > 0; t--) {
        oldest = s->state[t - 1] == 1 ? t - 1 : oldest;
    }
    tp_strbuf_printf(&text, "%u:%u:", oldest + FIRST, s->next + FIRST);
    for (uint32_t t = oldest, any = 0; t < s->next; t++) {
        if (s->state[t] == 1) {
            tp_strbuf_printf(&text, "%s%u", any++ > 0 ? "," : "", t + FIRST);
        }
    }
    tp_snapshot snapshot = parse(tp_strbuf_str(&text));
    tp_strbuf_free(&text);
    return snapshot;
}

/* Reads up to `limit` transactions of one half; returns the last one when it was cut short. */
static uint64_t read_half(server *s, const tp_snapshot *from, const tp_snapshot *target, bool old,
                          uint32_t limit) {
    uint64_t last = 0;
    for (uint32_t t = 0; t < s->next; t++) {
        uint64_t xid = t + FIRST;
        bool in_half =
            old ? xid < from->xmax && !tp_snapshot_visible(from, xid) : xid >= from->xmax;
        if (!in_half || s->state[t] != 2 || !tp_snapshot_visible(target, xid)) {
            continue;
        }
        if (limit == 0) {
            return last;
        }
        limit--;
        s->seen[t]++;
        last = xid;
    }
    return 0;
}

static void read_page(server *s, tp_snapshot *position, const tp_snapshot *target, uint32_t limit) {
    uint64_t old_last = read_half(s, position, target, true, limit);
    uint64_t new_last = read_half(s, position, target, false, limit);
    tp_snapshot next = {0, 0, NULL, 0};
    assert_int_equal(tp_snapshot_advance(position, target, old_last, new_last, &next, NULL), 0);
    assert_true(next.xmax >= position->xmax);
    assert_true(next.xmin >= position->xmin);
    tp_snapshot_free(position);
    *position = next;
}

static void run_server(uint64_t seed) {
    server s = {.random = seed};
    tp_snapshot position = take(&s);
    while (s.next < TRANSACTIONS) {
        work(&s);
        tp_snapshot target = take(&s);
        for (uint32_t pages = prng_below(&s.random, 4); pages > 0; pages--) {
            read_page(&s, &position, &target, 1 + prng_below(&s.random, 5));
        }
        tp_snapshot_free(&target);
    }
    tp_snapshot target = take(&s);
    read_page(&s, &position, &target, TRANSACTIONS);
    for (uint32_t t = 0; t < TRANSACTIONS; t++) {
        assert_int_equal(s.seen[t], s.state[t] == 2 ? 1 : 0);
    }
    assert_true(tp_snapshot_equal(&position, &target));
    tp_snapshot_free(&target);
    tp_snapshot_free(&position);
}

static void test_every_committed_transaction_once(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        run_server(seed);
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_snapshot out = {0, 0, NULL, 0};
    oom_fail_at(1);
    assert_int_equal(tp_snapshot_parse("1:9:3,4", &out, NULL), TRIGPERF_E_NOMEM);
    assert_true(oom_reset());
    assert_null(out.xip);
    tp_snapshot from = parse("1:9:3,4");
    tp_snapshot target = parse("3:12:3,10");
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        int32_t status = tp_snapshot_advance(&from, &target, 0, 0, &out, NULL);
        if (!oom_reset()) {
            assert_int_equal(status, TRIGPERF_OK);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
    assert_text(&out, "3:12:3,10");
    tp_snapshot_free(&out);
    tp_snapshot_free(&from);
    tp_snapshot_free(&target);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_equal_neighbours_count_once),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_visibility),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_advance),
        cmocka_unit_test(test_target_older_than_position),
        cmocka_unit_test(test_impossible_cuts_are_refused),
        cmocka_unit_test(test_every_committed_transaction_once),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
