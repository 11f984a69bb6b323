/* Which records came before in their batch, and how many did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tracker.h"
#include "oom.h"
#include "prng.h"

static const char *const names[] = {"nutrition", "symptoms", "activity"};

static tp_dedup *families(void) {
    tp_dedup *dedup = NULL;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    assert_int_equal(tp_dedup_new(&key, names, 3, &dedup, NULL), TRIGPERF_OK);
    return dedup;
}

static int32_t see(tp_tracker *tracker, uint32_t family, const char *key) {
    tp_record record = {key, (uint32_t)strlen(key), family};
    return tp_tracker_see(tracker, &record);
}

static void test_a_batch(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        tp_dedup *dedup = families();
        tp_tracker *tracker = tp_tracker_new(dedup, exact != 0);
        tp_dozen records = {{0, 0, 0}};
        tp_dozen duplicates = {{0, 0, 0}};
        assert_int_equal(see(tracker, 0, "a"), 0);
        assert_int_equal(see(tracker, 0, "a"), 1);
        assert_int_equal(see(tracker, 1, "a"), 0);
        assert_int_equal(see(tracker, 0, ""), 0);
        assert_int_equal(see(tracker, 0, ""), 1);
        assert_int_equal(tp_tracker_counts(tracker)->records[0], 4);
        assert_int_equal(tp_tracker_counts(tracker)->duplicates[0], 2);
        assert_int_equal(tp_tracker_end(tracker, &records, &duplicates, NULL), TRIGPERF_OK);
        assert_int_equal(see(tracker, 0, "a"), 0);
        tp_tracker_abandon(tracker);
        assert_int_equal(see(tracker, 0, "a"), 0);
        assert_int_equal(tp_tracker_end(tracker, NULL, &duplicates, NULL), TRIGPERF_OK);
        assert_int_equal(tp_dozen_get(&records, 0), 4);
        assert_int_equal(tp_dozen_get(&records, 1), 1);
        assert_int_equal(tp_dozen_get(&duplicates, 0), 2);
        assert_int_equal(tp_dozen_get(&duplicates, 1), 0);
        tp_dedup_counts totals;
        tp_dedup_totals(dedup, &totals);
        assert_int_equal(totals.batches, 2);
        assert_int_equal(totals.records[0], 5);
        tp_dedup_unref(dedup);
        tp_tracker_free(tracker); /* keeps its families alive */
    }
}

#define KEYS 4000u
#define MANY 700u

/* One at a time and many at once, beside an array of flags. */
static void check_model(bool exact) {
    static char text[MANY][24];
    const char *keys[MANY];
    uint64_t lengths[MANY];
    uint8_t seen[MANY];
    uint32_t ids[MANY];
    uint64_t random = exact ? 1 : 2;
    tp_dedup *dedup = families();
    tp_tracker *tracker = tp_tracker_new(dedup, exact);
    assert_true(tp_tracker_reserve(tracker, 1000));
    for (uint32_t batch = 0; batch < 20; batch++) {
        bool inside[3][KEYS] = {{false}};
        uint64_t records = 0;
        uint64_t duplicates = 0;
        for (uint32_t step = 0; step < 20; step++) {
            uint32_t family = prng_below(&random, 3);
            uint32_t count = prng_below(&random, MANY + 1);
            for (uint32_t i = 0; i < count; i++) {
                ids[i] = prng_below(&random, KEYS);
                lengths[i] = (uint64_t)snprintf(text[i], sizeof text[i], "key:%u", ids[i]);
                keys[i] = text[i];
            }
            if (step % 4 == 0 && count > 0) {
                seen[0] = (uint8_t)see(tracker, family, keys[0]);
                count = 1;
            } else {
                assert_int_equal(tp_tracker_see_many(tracker, family, keys, lengths, count, seen),
                                 count);
            }
            for (uint32_t i = 0; i < count; i++) {
                assert_int_equal(seen[i], inside[family][ids[i]]);
                duplicates += inside[family][ids[i]];
                inside[family][ids[i]] = true;
            }
            records += count;
        }
        const tp_dedup_counts *counts = tp_tracker_counts(tracker);
        assert_int_equal(counts->records[0] + counts->records[1] + counts->records[2], records);
        assert_int_equal(counts->duplicates[0] + counts->duplicates[1] + counts->duplicates[2],
                         duplicates);
        assert_int_equal(tp_tracker_end(tracker, NULL, NULL, NULL), TRIGPERF_OK);
    }
    assert_true(tp_tracker_bytes(tracker) > 0);
    tp_tracker_free(tracker);
    tp_dedup_unref(dedup);
}

static void test_against_flags(void **state) {
    (void)state;
    check_model(false);
    check_model(true);
}

static void test_out_of_memory(void **state) {
    (void)state;
    const char *keys[40];
    uint64_t lengths[40];
    char text[40][8];
    uint8_t seen[40];
    tp_dedup *dedup = families();
    for (uint32_t i = 0; i < 40; i++) {
        lengths[i] = (uint64_t)snprintf(text[i], sizeof text[i], "%u", i);
        keys[i] = text[i];
    }
    for (int exact = 0; exact < 2; exact++) {
        tp_tracker *tracker = NULL;
        for (unsigned n = 1; tracker == NULL; n++) {
            oom_fail_at(n);
            tracker = tp_tracker_new(dedup, exact != 0);
            assert_int_equal(oom_reset(), tracker == NULL);
        }
        bool complete = false;
        for (unsigned n = 1; !complete; n++) {
            oom_fail_from(n);
            uint32_t taken = tp_tracker_see_many(tracker, 2, keys, lengths, 40, seen);
            complete = !oom_reset();
            assert_int_equal(complete, taken == 40);
            for (uint32_t i = 0; i < taken; i++) {
                assert_int_equal(seen[i], 0);
            }
            assert_int_equal(tp_tracker_counts(tracker)->records[2], taken);
            assert_int_equal(tp_tracker_see_many(tracker, 2, keys, lengths, taken, seen), taken);
            tp_tracker_abandon(tracker);
            tp_tracker_free(tracker);
            tracker = tp_tracker_new(dedup, exact != 0);
        }
        tp_tracker_free(tracker);
    }
    tp_dedup_unref(dedup);
}

/* A batch that cannot be counted goes on. */
static void test_ending_fails_whole(void **state) {
    (void)state;
    tp_dedup *dedup = families();
    tp_tracker *tracker = tp_tracker_new(dedup, false);
    uint64_t full[TP_DOZEN_COUNTERS] = {[1] = UINT64_MAX};
    uint64_t packed_full[TP_DOZEN_COUNTERS] = {[1] = TP_DOZEN_PACKED_MAX};
    tp_dozen records = {{0, 0, 0}};
    tp_dozen duplicates = {{0, 0, 0}};
    assert_int_equal(tp_dozen_set(&duplicates, full, NULL), TRIGPERF_OK);
    see(tracker, 1, "a");
    see(tracker, 1, "a");
    assert_int_equal(tp_tracker_end(tracker, &records, &duplicates, NULL), TRIGPERF_E_LIMIT);
    assert_int_equal(tp_dozen_total(&records), 0);
    assert_int_equal(tp_dozen_set(&duplicates, packed_full, NULL), TRIGPERF_OK);
    oom_fail_from(1);
    assert_int_equal(tp_tracker_end(tracker, &records, &duplicates, NULL), TRIGPERF_E_NOMEM);
    assert_true(oom_reset());
    assert_int_equal(tp_dozen_total(&records), 0);
    assert_int_equal(see(tracker, 1, "a"), 1);
    assert_int_equal(tp_tracker_end(tracker, &records, &duplicates, NULL), TRIGPERF_OK);
    assert_int_equal(tp_dozen_get(&records, 1), 3);
    assert_int_equal(tp_dozen_get(&duplicates, 1), TP_DOZEN_PACKED_MAX + 2);
    tp_dedup_counts totals;
    tp_dedup_totals(dedup, &totals);
    assert_int_equal(totals.batches, 1);
    tp_dozen_free(&records);
    tp_dozen_free(&duplicates);
    tp_tracker_free(tracker);
    tp_dedup_unref(dedup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch),
        cmocka_unit_test(test_against_flags),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_ending_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
