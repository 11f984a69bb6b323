/* The set of fingerprints, against an array of flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "core/fingerprints.h"
#include "effort.h"
#include "oom.h"
#include "prng.h"

/* The hash of a record: of all bits, or with homes, partitions or tags that crowd. */
static tp_hash128 hash_of(uint32_t record, int how) {
    uint64_t state = record;
    tp_hash128 hash = {prng_next(&state), prng_next(&state)};
    switch (how) {
    case 1: /* all homes at the end of one partition: they go round */
        return (tp_hash128){record, UINT64_MAX - (uint64_t)record};
    case 2: /* equal tags and partitions */
        return (tp_hash128){0, hash.high};
    case 3: /* equal words */
        return (tp_hash128){record | (uint64_t)(record % 16) << 60, 7};
    default:
        return hash;
    }
}

static void check_round(tp_fingerprints *set, uint32_t records, int how, uint64_t *random) {
    bool *inside = calloc(records, sizeof *inside);
    uint64_t count = 0;
    assert_non_null(inside);
    for (uint32_t i = 0; i < 2 * records; i++) {
        uint32_t record = prng_below(random, records);
        tp_fingerprints_foresee(set, hash_of(record, how));
        assert_int_equal(tp_fingerprints_add(set, hash_of(record, how)), inside[record] ? 0 : 1);
        count += inside[record] ? 0 : 1;
        inside[record] = true;
        assert_int_equal(tp_fingerprints_count(set), count);
    }
    for (uint32_t record = 0; record < records; record++) {
        assert_int_equal(tp_fingerprints_add(set, hash_of(record, how)), inside[record] ? 0 : 1);
    }
    assert_int_equal(tp_fingerprints_count(set), records);
    tp_fingerprints_clear(set);
    assert_int_equal(tp_fingerprints_count(set), 0);
    free(inside);
}

static void test_against_flags(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 9, 10, 11, 150, 1000, 20000};
    uint64_t random = 1;
    for (int how = 0; how < 4; how++) {
        tp_fingerprints *set = tp_fingerprints_new();
        assert_non_null(set);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            check_round(set, how == 1 && sizes[i] > 1000 ? 1000 : sizes[i], how, &random);
        }
        check_round(set, 11, how, &random);
        tp_fingerprints_free(set);
    }
}

static void test_takes_at_most_16_bytes_a_record(void **state) {
    (void)state;
    tp_fingerprints *grown = tp_fingerprints_new();
    double worst = 0;
    for (uint32_t i = 1; i <= EFFORT_ROUNDS(1000000); i++) {
        tp_hash128 hash = hash_of(i, 0);
        assert_int_equal(tp_fingerprints_add(grown, hash), 1);
        double bytes = (double)tp_fingerprints_bytes(grown) / i;
        worst = i >= 200000 && bytes > worst ? bytes : worst;
    }
    assert_true(worst <= 16.0);
    tp_fingerprints_free(grown);
    tp_fingerprints *reserved = tp_fingerprints_new();
    assert_true(tp_fingerprints_reserve(reserved, 1000000));
    uint64_t before = tp_fingerprints_bytes(reserved);
    assert_true(before <= 16000000);
    for (uint32_t i = 1; i <= EFFORT_ROUNDS(1000000); i++) {
        assert_int_equal(tp_fingerprints_add(reserved, hash_of(i, 0)), 1);
    }
    assert_int_equal(tp_fingerprints_bytes(reserved), before);
    tp_fingerprints_free(reserved);
}

/* What was put in when generations had the numbers that come round again. */
static void test_generations_wrap(void **state) {
    (void)state;
    tp_fingerprints *set = tp_fingerprints_new();
    assert_true(tp_fingerprints_reserve(set, 1000));
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            assert_int_equal(tp_fingerprints_add(set, hash_of(i, 0)), 1);
        }
        for (uint32_t batch = 0; round == 0 && batch < 0xFFFFFF; batch++) {
            tp_fingerprints_clear(set);
        }
    }
    tp_fingerprints_free(set);
}

static void test_gives_back_what_is_long_unused(void **state) {
    (void)state;
    tp_fingerprints *set = tp_fingerprints_new();
    assert_true(tp_fingerprints_reserve(set, 100000));
    uint64_t before = tp_fingerprints_bytes(set);
    for (uint32_t round = 0; round < 100; round++) {
        assert_int_equal(tp_fingerprints_add(set, hash_of(round, 0)), 1);
        tp_fingerprints_clear(set);
    }
    assert_true(tp_fingerprints_bytes(set) < before / 10);
    tp_fingerprints_free(set);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    tp_fingerprints *set = tp_fingerprints_new();
    assert_true(oom_reset());
    assert_null(set);
    set = tp_fingerprints_new();
    assert_false(tp_fingerprints_reserve(set, UINT64_MAX));
    uint32_t failures = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        oom_fail_from(1);
        int32_t added = tp_fingerprints_add(set, hash_of(i, 0));
        if (!oom_reset()) {
            assert_int_equal(added, 1);
            continue;
        }
        failures++;
        assert_int_equal(added, TRIGPERF_E_NOMEM);
        assert_int_equal(tp_fingerprints_count(set), i);
        oom_fail_from(1); /* what is there is found without memory */
        assert_int_equal(i == 0 ? 0 : tp_fingerprints_add(set, hash_of(i - 1, 0)), 0);
        assert_false(oom_reset());
        assert_int_equal(tp_fingerprints_add(set, hash_of(i, 0)), 1);
    }
    assert_true(failures > 50);
    for (unsigned n = 1; n <= 16; n++) {
        oom_fail_at(n);
        assert_false(tp_fingerprints_reserve(set, 50000 * n));
        assert_true(oom_reset());
        assert_int_equal(tp_fingerprints_add(set, hash_of(n, 0)), 0);
    }
    tp_fingerprints_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_flags),
        cmocka_unit_test(test_takes_at_most_16_bytes_a_record),
        cmocka_unit_test(test_generations_wrap),
        cmocka_unit_test(test_gives_back_what_is_long_unused),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
