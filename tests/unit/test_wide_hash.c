/* The keyed wide hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wide_hash.h"

static tp_wide_key key;

static int set_up(void **state) {
    (void)state;
    tp_wide_key_seed(&key, 7);
    return 0;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void assert_all_differ(uint64_t *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    for (size_t i = 1; i < count; i++) {
        assert_true(values[i - 1] != values[i]);
    }
}

/* The same byte again and again: only the length differs. */
static void test_lengths_differ(void **state) {
    (void)state;
    static unsigned char zeroes[2000];
    static uint64_t marks[2001];
    static uint64_t places[2001];
    for (size_t length = 0; length <= 2000; length++) {
        tp_wide_hash hash = tp_wide_hash_of(&key, 0, zeroes, length);
        marks[length] = hash.mark;
        places[length] = hash.place;
    }
    assert_all_differ(marks, 2001);
    assert_all_differ(places, 2001);
}

/* Every single bit of messages of all forms matters, to both results. */
static void test_every_bit_matters(void **state) {
    (void)state;
    static const size_t lengths[] = {1,  2,  3,  4,  5,  7,   8,   9,   15,
                                     16, 17, 24, 31, 33, 255, 256, 257, 600};
    unsigned char message[600];
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        memset(message, 0x5A, sizeof message);
        tp_wide_hash plain = tp_wide_hash_of(&key, 3, message, lengths[l]);
        for (size_t bit = 0; bit < lengths[l] * 8; bit++) {
            message[bit / 8] ^= (unsigned char)(1u << bit % 8);
            tp_wide_hash other = tp_wide_hash_of(&key, 3, message, lengths[l]);
            assert_true(plain.mark != other.mark);
            assert_true(plain.place != other.place);
            message[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        tp_wide_hash salted = tp_wide_hash_of(&key, 4, message, lengths[l]);
        assert_true(plain.mark != salted.mark && plain.place != salted.place);
    }
}

static void test_keys_differ(void **state) {
    (void)state;
    tp_wide_key other;
    tp_wide_key_seed(&other, 8);
    for (size_t length = 0; length < 40; length++) {
        char message[40] = "the same message under another key.....";
        assert_true(tp_wide_hash_of(&key, 0, message, length).mark !=
                    tp_wide_hash_of(&other, 0, message, length).mark);
    }
}

static void test_bytes_beyond_do_not_matter(void **state) {
    (void)state;
    for (size_t length = 0; length <= 300; length++) {
        unsigned char *exact = malloc(length + 1);
        unsigned char longer[320];
        memset(longer, 0xEE, sizeof longer);
        memset(exact, 0x11, length + 1);
        memset(longer, 0x11, length);
        assert_true(tp_wide_hash_of(&key, 9, exact, length).mark ==
                    tp_wide_hash_of(&key, 9, longer, length).mark);
        free(exact);
    }
}

/* Numbers one after the other, the weakest input there is: upper and lower bits are even. */
static void test_places_are_even(void **state) {
    (void)state;
    unsigned upper[64] = {0};
    unsigned lower[64] = {0};
    for (uint64_t i = 0; i < 64000; i++) {
        tp_wide_hash hash = tp_wide_hash_of(&key, 0, &i, sizeof i);
        upper[hash.place >> 58]++;
        lower[hash.mark & 63]++;
    }
    for (int i = 0; i < 64; i++) {
        assert_in_range(upper[i], 800, 1200);
        assert_in_range(lower[i], 800, 1200);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_differ),  cmocka_unit_test(test_every_bit_matters),
        cmocka_unit_test(test_keys_differ),     cmocka_unit_test(test_bytes_beyond_do_not_matter),
        cmocka_unit_test(test_places_are_even),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
