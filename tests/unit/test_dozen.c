/* Twelve counters in 24 bytes, against twelve plain ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/dozen.h"
#include "oom.h"
#include "prng.h"

#define N TP_DOZEN_COUNTERS

static void assert_values(const tp_dozen *dozen, const uint64_t *expected) {
    uint64_t values[N];
    tp_dozen_values(dozen, values);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(tp_dozen_get(dozen, i), expected[i]);
        assert_int_equal(values[i], expected[i]);
    }
}

static void set_one(tp_dozen *dozen, uint32_t at, uint64_t value) {
    uint64_t values[N];
    tp_dozen_values(dozen, values);
    values[at] = value;
    assert_int_equal(tp_dozen_set(dozen, values, NULL), TRIGPERF_OK);
}

static void test_is_24_bytes_until_a_counter_outgrows_its_bits(void **state) {
    (void)state;
    tp_dozen dozen = {{0, 0, 0}};
    uint64_t one[N] = {0};
    uint64_t expected[N];
    for (uint32_t i = 0; i < N; i++) {
        expected[i] = TP_DOZEN_PACKED_MAX;
        set_one(&dozen, i, TP_DOZEN_PACKED_MAX);
    }
    assert_values(&dozen, expected);
    assert_int_equal(tp_dozen_bytes(&dozen), 24);
    one[7] = 1;
    expected[7]++;
    assert_int_equal(tp_dozen_add(&dozen, one, NULL), TRIGPERF_OK);
    assert_values(&dozen, expected);
    assert_int_equal(tp_dozen_bytes(&dozen), 24 + 96);
    assert_int_equal(tp_dozen_total(&dozen), 12 * UINT64_C(32767) + 1);
    set_one(&dozen, 7, 3);
    expected[7] = 3;
    assert_values(&dozen, expected);
    assert_int_equal(tp_dozen_bytes(&dozen), 24);
    tp_dozen_free(&dozen);
}

static void test_overflow_is_refused_whole(void **state) {
    (void)state;
    tp_dozen dozen = {{0, 0, 0}};
    uint64_t amounts[N] = {[0] = 5, [11] = UINT64_MAX};
    const uint64_t more[N] = {[0] = 1, [11] = 1};
    trigperf_error *error = NULL;
    assert_int_equal(tp_dozen_add(&dozen, amounts, NULL), TRIGPERF_OK);
    assert_int_equal(tp_dozen_add(&dozen, more, &error), TRIGPERF_E_LIMIT);
    assert_non_null(strstr(trigperf_error_message(error), "family 11"));
    trigperf_error_free(error);
    assert_values(&dozen, amounts);
    assert_int_equal(tp_dozen_total(&dozen), UINT64_MAX);
    tp_dozen_free(&dozen);
    amounts[0] = amounts[11] = 0;
    assert_values(&dozen, amounts);
}

/* Codes survive a round trip, and are as short as they can be. */
static void check_code(const tp_dozen *dozen) {
    uint8_t code[TP_DOZEN_CODE_WIDE];
    uint8_t again[TP_DOZEN_CODE_WIDE];
    uint64_t values[N];
    tp_dozen copy = {{0, 0, 0}};
    bool small = true;
    tp_dozen_values(dozen, values);
    for (uint32_t i = 0; i < N; i++) {
        small = small && values[i] <= TP_DOZEN_PACKED_MAX;
    }
    uint32_t length = tp_dozen_encode(dozen, code);
    assert_int_equal(length, small ? TP_DOZEN_CODE_PACKED : TP_DOZEN_CODE_WIDE);
    assert_int_equal(tp_dozen_decode(&copy, code, length, NULL), TRIGPERF_OK);
    assert_values(&copy, values);
    assert_int_equal(tp_dozen_encode(&copy, again), length);
    assert_memory_equal(code, again, length);
    tp_dozen_free(&copy);
}

static void test_against_plain_counters(void **state) {
    (void)state;
    uint64_t random = 1;
    for (uint32_t round = 0; round < 300; round++) {
        tp_dozen dozens[2] = {{{0, 0, 0}}, {{0, 0, 0}}};
        uint64_t plain[2][N] = {{0}};
        for (uint32_t step = 0; step < 100; step++) {
            uint32_t which = prng_below(&random, 2);
            uint64_t amounts[N] = {0};
            if (prng_below(&random, 10) == 0) {
                memcpy(amounts, plain[1 - which], sizeof amounts); /* merge: packed or spilled */
            } else {
                uint32_t bits = prng_below(&random, round % 2 == 0 ? 9 : 30);
                amounts[prng_below(&random, N)] = prng_next(&random) >> (63 - bits);
            }
            assert_int_equal(tp_dozen_add(&dozens[which], amounts, NULL), TRIGPERF_OK);
            for (uint32_t i = 0; i < N; i++) {
                plain[which][i] += amounts[i];
            }
            assert_values(&dozens[which], plain[which]);
        }
        check_code(&dozens[0]);
        check_code(&dozens[1]);
        tp_dozen_free(&dozens[0]);
        tp_dozen_free(&dozens[1]);
    }
}

static void test_garbage_is_refused(void **state) {
    (void)state;
    uint64_t random = 2;
    tp_dozen dozen = {{0, 0, 0}};
    set_one(&dozen, 3, 4);
    uint8_t bytes[200] = {0};
    for (uint32_t length = 0; length < sizeof bytes; length++) {
        int32_t expected = length == 24 ? TRIGPERF_OK : TRIGPERF_E_INVALID;
        tp_dozen other = {{0, 0, 0}};
        assert_int_equal(tp_dozen_decode(&other, bytes, length, NULL), expected);
    }
    bytes[8] = 1; /* a reserved bit */
    assert_int_equal(tp_dozen_decode(&dozen, bytes, 24, NULL), TRIGPERF_E_INVALID);
    bytes[8] = 0;
    bytes[0] = 1; /* wide, though all is small */
    assert_int_equal(tp_dozen_decode(&dozen, bytes, 104, NULL), TRIGPERF_E_INVALID);
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t length = prng_below(&random, 2) == 0 ? 24 : 104;
        for (uint32_t at = 0; at < length; at++) {
            bytes[at] = (uint8_t)(prng_next(&random) & prng_next(&random) & prng_next(&random));
        }
        tp_dozen other = {{0, 0, 0}};
        if (tp_dozen_decode(&other, bytes, length, NULL) == TRIGPERF_OK) {
            uint8_t again[TP_DOZEN_CODE_WIDE];
            assert_int_equal(tp_dozen_encode(&other, again), length);
            assert_memory_equal(again, bytes, length);
        }
        tp_dozen_free(&other);
    }
    assert_int_equal(tp_dozen_get(&dozen, 3), 4);
    tp_dozen_free(&dozen);
}

static void test_out_of_memory_changes_nothing(void **state) {
    (void)state;
    tp_dozen dozen = {{0, 0, 0}};
    uint64_t values[N] = {1, 2, 3};
    uint64_t large[N] = {[5] = 40000};
    uint8_t code[TP_DOZEN_CODE_WIDE];
    tp_dozen source = {{0, 0, 0}};
    assert_int_equal(tp_dozen_set(&source, large, NULL), TRIGPERF_OK);
    uint32_t length = tp_dozen_encode(&source, code);
    tp_dozen_free(&source);
    assert_int_equal(tp_dozen_set(&dozen, values, NULL), TRIGPERF_OK);
    for (int what = 0; what < 3; what++) {
        oom_fail_from(1);
        int32_t status = what == 0   ? tp_dozen_add(&dozen, large, NULL)
                         : what == 1 ? tp_dozen_set(&dozen, large, NULL)
                                     : tp_dozen_decode(&dozen, code, length, NULL);
        assert_true(oom_reset());
        assert_int_equal(status, TRIGPERF_E_NOMEM);
        assert_values(&dozen, values);
        assert_int_equal(tp_dozen_bytes(&dozen), 24);
    }
    assert_int_equal(tp_dozen_prepare(&dozen, large, NULL), TRIGPERF_OK);
    assert_values(&dozen, values);
    tp_dozen_commit(&dozen, large);
    assert_int_equal(tp_dozen_get(&dozen, 5), 40000);
    tp_dozen_free(&dozen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_24_bytes_until_a_counter_outgrows_its_bits),
        cmocka_unit_test(test_overflow_is_refused_whole),
        cmocka_unit_test(test_against_plain_counters),
        cmocka_unit_test(test_garbage_is_refused),
        cmocka_unit_test(test_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
