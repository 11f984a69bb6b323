/* A set of sixteen ways, by its policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache_set.h"
#include "prng.h"

static bool nobody_is_dead(void *user, const tp_cache_set *set, uint32_t way, uint32_t terms) {
    (void)user;
    (void)set;
    (void)way;
    return terms == 666;
}

static const tp_set_owner owner = {nobody_is_dead, NULL, NULL};

static uint32_t insert(tp_cache_set *set, tp_cache_policy policy, uint32_t tag, bool known) {
    tp_cache_entry entry = {(uint64_t)tag << 16 | tag, tag, 0};
    uint32_t way;
    tp_set_lock(set);
    tp_set_insert(set, policy, &entry, known, tp_set_match(set, 0), &owner, &way);
    tp_set_unlock(set, true);
    return way;
}

static bool has(const tp_cache_set *set, uint32_t tag) {
    tp_cache_entry entry;
    uint64_t mark = (uint64_t)tag << 16 | tag;
    return tp_set_find(set, mark, tp_set_match(set, tag), &entry) != TP_SET_NOWHERE &&
           entry.verdict == (tag & 0xFFFF);
}

static void ask(tp_cache_set *set, uint32_t tag) {
    tp_cache_entry entry;
    uint32_t way = tp_set_find(set, (uint64_t)tag << 16 | tag, tp_set_match(set, tag), &entry);
    assert_true(way != TP_SET_NOWHERE);
    tp_set_touch(set, way);
}

static void test_its_size(void **state) {
    (void)state;
    assert_int_equal(sizeof(tp_cache_set), 256);
    assert_int_equal(offsetof(tp_cache_set, entries), 64);
}

static void test_marks_are_compared_whole(void **state) {
    (void)state;
    tp_cache_set set = {0};
    uint64_t mark = UINT64_C(0x0123456789ABCDEF);
    tp_cache_entry entry = {mark, 77, 0};
    tp_set_write(&set, 5, &entry);
    assert_int_equal(tp_set_match(&set, 0xCDEF), 1u << 5);
    for (int bit = 16; bit < 64; bit++) {
        tp_cache_entry found;
        assert_int_equal(tp_set_find(&set, mark ^ UINT64_C(1) << bit, 1u << 5, &found),
                         TP_SET_NOWHERE);
    }
    assert_int_equal(tp_set_find(&set, mark, 1u << 5, &entry), 5);
    assert_int_equal(entry.verdict, 77);
    tp_set_read(&set, 5, &entry);
    assert_true(entry.mark == mark);
    tp_set_clear(&set, 5);
    assert_int_equal(tp_set_match(&set, 0xCDEF), 0);
    assert_true(tp_set_mark(UINT64_C(0x10000)) == 0x10001);
    assert_true(tp_set_mark(5) == 5);
}

static void test_sixteen_fit(void **state) {
    (void)state;
    for (int policy = 0; policy < 2; policy++) {
        tp_cache_set set = {0};
        for (uint32_t tag = 1; tag <= 16; tag++) {
            insert(&set, (tp_cache_policy)policy, tag, false);
        }
        for (uint32_t tag = 1; tag <= 16; tag++) {
            assert_true(has(&set, tag));
        }
        insert(&set, (tp_cache_policy)policy, 17, false);
        assert_true(has(&set, 17) && !has(&set, 1));
    }
}

/* Who was asked for stays while any number of others pass through. */
static void test_a_scan_passes_through(void **state) {
    (void)state;
    tp_cache_set set = {0};
    for (uint32_t tag = 1; tag <= 16; tag++) {
        insert(&set, TP_CACHE_S3FIFO, tag, false);
        if (tag <= 6) {
            ask(&set, tag);
        }
    }
    for (uint32_t tag = 100; tag < 1000; tag++) {
        insert(&set, TP_CACHE_S3FIFO, tag, false);
    }
    for (uint32_t tag = 1; tag <= 6; tag++) {
        assert_true(has(&set, tag));
    }
}

static void test_who_was_turned_away_is_known(void **state) {
    (void)state;
    tp_cache_set set = {0};
    for (uint32_t tag = 1; tag <= 17; tag++) {
        insert(&set, TP_CACHE_S3FIFO, tag, false);
    }
    assert_true(tp_set_has_ghost(&set, 1));
    assert_false(tp_set_has_ghost(&set, 2));
}

static void test_lru_order(void **state) {
    (void)state;
    tp_cache_set set = {0};
    uint32_t order[16];
    uint32_t next = 17;
    uint64_t seed = 4;
    for (uint32_t i = 0; i < 16; i++) {
        insert(&set, TP_CACHE_LRU, i + 1, false);
        memmove(order + 1, order, i * sizeof order[0]);
        order[0] = i + 1;
    }
    for (int step = 0; step < 5000; step++) {
        uint32_t at = prng_below(&seed, 17);
        uint32_t tag = at < 16 ? order[at] : next++;
        if (at < 16) {
            tp_cache_entry entry;
            uint64_t mark = (uint64_t)tag << 16 | tag;
            tp_set_touch_lru(&set, tp_set_find(&set, mark, tp_set_match(&set, tag), &entry));
        } else {
            at = 15;
            insert(&set, TP_CACHE_LRU, tag, false);
        }
        memmove(order + 1, order, at * sizeof order[0]);
        order[0] = tag;
        for (int i = 0; i < 16; i++) {
            assert_true(has(&set, order[i]));
        }
    }
}

static void test_the_dead_leave_no_trace(void **state) {
    (void)state;
    tp_cache_set set = {0};
    uint32_t way;
    for (uint32_t tag = 1; tag <= 16; tag++) {
        tp_cache_entry entry = {(uint64_t)tag << 16 | tag, tag, 666};
        tp_set_insert(&set, TP_CACHE_S3FIFO, &entry, false, tp_set_match(&set, 0), &owner, &way);
    }
    tp_cache_entry entry = {(uint64_t)99 << 16 | 99, 99, 0};
    assert_int_equal(tp_set_insert(&set, TP_CACHE_S3FIFO, &entry, false, 0, &owner, &way),
                     TP_SET_DEAD);
    for (uint32_t tag = 1; tag <= 16; tag++) {
        assert_false(tp_set_has_ghost(&set, tag));
    }
}

static void test_versions(void **state) {
    (void)state;
    tp_cache_set set = {0};
    assert_int_equal(tp_set_version(&set), 0);
    tp_set_lock(&set);
    assert_int_equal(tp_set_version(&set), 1);
    tp_set_unlock(&set, false);
    assert_int_equal(tp_set_version(&set), 0);
    tp_set_lock(&set);
    tp_set_unlock(&set, true);
    assert_int_equal(tp_set_version(&set), 2);
    assert_int_equal(tp_set_state(&set), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_size),
        cmocka_unit_test(test_marks_are_compared_whole),
        cmocka_unit_test(test_sixteen_fit),
        cmocka_unit_test(test_a_scan_passes_through),
        cmocka_unit_test(test_who_was_turned_away_is_known),
        cmocka_unit_test(test_lru_order),
        cmocka_unit_test(test_the_dead_leave_no_trace),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
