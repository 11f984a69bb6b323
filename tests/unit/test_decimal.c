/* Exact decimals: reading, rounding, comparing, beside 128-bit integers as a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/decimal.h"
#include "prng.h"

static tp_decimal read_one(const char *text) {
    tp_decimal number;
    assert_int_equal(tp_decimal_read(text, strlen(text), &number), TP_DECIMAL_OK);
    return number;
}

static void assert_parse(const char *text, tp_decimal_parse expected) {
    tp_decimal number;
    assert_int_equal(tp_decimal_read(text, strlen(text), &number), expected);
}

static int sign_of(int number) {
    return (number > 0) - (number < 0);
}

static void assert_order(const char *low, const char *high, int expected) {
    tp_decimal a = read_one(low);
    tp_decimal b = read_one(high);
    assert_int_equal(sign_of(tp_decimal_compare(&a, &b)), expected);
    assert_int_equal(sign_of(tp_decimal_compare(&b, &a)), -expected);
}

static void test_reads(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"1.0", "1.00"}, {"0", "-0"},          {"0.0", "0e5"},        {".5", "0.5"},
        {"5.", "5"},     {"1e3", "1000"},      {"1E+3", "1000"},      {"15e-1", "1.5"},
        {"00012", "12"}, {"0.00120", "12e-4"}, {" \t7\n ", "7"},      {"+7", "7"},
        {"nan", "NaN"},  {"inf", "Infinity"},  {"-INF", "-infinity"},
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_order(same[i][0], same[i][1], 0);
    }
}

static void test_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {"",   " ",   ".",   "-",   "e5", "1e",   "1e+",  "1.2.3",
                                      "1x", "--1", "+-1", "1 2", "in", "-nan", "1e5.", "Infinit"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_parse(bad[i], TP_DECIMAL_MALFORMED);
    }
    static const char *const beyond[] = {"0x1F",   "0b1",     "0o7",           "1_000",
                                         "1e1001", "1e-1001", "1e999999999999"};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        assert_parse(beyond[i], TP_DECIMAL_BEYOND);
    }
    char text[400];
    memset(text, '7', sizeof text);
    tp_decimal number;
    assert_int_equal(tp_decimal_read(text, 256, &number), TP_DECIMAL_OK);
    assert_int_equal(tp_decimal_read(text, 257, &number), TP_DECIMAL_BEYOND);
    memset(text, '0', 300);
    text[299] = '1';
    assert_int_equal(tp_decimal_read(text, 300, &number), TP_DECIMAL_OK);
    assert_int_equal(number.count, 1);
}

static void test_orders(void **state) {
    (void)state;
    static const char *const up[] = {
        "-inf", "-1e300", "-10",   "-9.99",   "-0.01", "-0.001",
        "0",    "1e-999", "0.1",   "0.10001", "1",     "1.000000000000000000000001",
        "2",    "10",     "1e999", "inf",     "nan"};
    uint32_t count = sizeof up / sizeof up[0];
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < count; j++) {
            assert_order(up[i], up[j], (i > j) - (i < j));
        }
    }
}

static void assert_rounds(const char *text, int32_t scale, const char *expected) {
    tp_decimal a = read_one(text);
    tp_decimal b = read_one(expected);
    tp_decimal_round(&a, scale);
    assert_int_equal(tp_decimal_compare(&a, &b), 0);
}

static void test_rounds(void **state) {
    (void)state;
    assert_rounds("1.005", 2, "1.01");
    assert_rounds("-1.005", 2, "-1.01");
    assert_rounds("1.004999", 2, "1");
    assert_rounds("0.5", 0, "1");
    assert_rounds("0.49", 0, "0");
    assert_rounds("-0.5", 0, "-1");
    assert_rounds("9.995", 2, "10");
    assert_rounds("999.999", 2, "1000");
    assert_rounds("149", -2, "100");
    assert_rounds("150", -2, "200");
    assert_rounds("50", -2, "100");
    assert_rounds("49", -2, "0");
    assert_rounds("5", -2, "0");
    assert_rounds("0.0004", 3, "0");
    assert_rounds("nan", 3, "nan");
    assert_rounds("inf", 3, "inf");
    tp_decimal zero = read_one("-0.4");
    tp_decimal_round(&zero, 0);
    assert_false(zero.negative);
}

static void test_fits(void **state) {
    (void)state;
    tp_decimal number = read_one("99.99");
    assert_true(tp_decimal_fits(&number, 2));
    assert_false(tp_decimal_fits(&number, 1));
    number = read_one("0.00999");
    assert_true(tp_decimal_fits(&number, -2));
    assert_false(tp_decimal_fits(&number, -3));
    number = read_one("0");
    assert_true(tp_decimal_fits(&number, -300));
}

static void test_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {" +12 ", 12},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"0000000000000000000000000000012", 12}};
    int64_t number;
    bool overflow;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(
            tp_decimal_read_integer(good[i].text, strlen(good[i].text), &number, &overflow),
            TP_DECIMAL_OK);
        assert_true(number == good[i].value);
        tp_decimal a = read_one(good[i].text);
        tp_decimal b;
        tp_decimal_from_integer(&b, number);
        assert_int_equal(tp_decimal_compare(&a, &b), 0);
    }
    static const char *const over[] = {"9223372036854775808", "-9223372036854775809",
                                       "99999999999999999999999"};
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        assert_int_equal(tp_decimal_read_integer(over[i], strlen(over[i]), &number, &overflow),
                         TP_DECIMAL_MALFORMED);
        assert_true(overflow);
    }
    static const char *const bad[] = {"", "1.0", "1e5", "x", "1 1", "+"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(tp_decimal_read_integer(bad[i], strlen(bad[i]), &number, &overflow),
                         TP_DECIMAL_MALFORMED);
        assert_false(overflow);
    }
    assert_int_equal(tp_decimal_read_integer("0x1F", 4, &number, &overflow), TP_DECIMAL_BEYOND);
}

/* A model: all numbers as 128-bit integers of units of 10^-9. */
static void test_like_scaled_integers(void **state) {
    (void)state;
    uint64_t seed = 7;
    static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    for (int round = 0; round < 50000; round++) {
        int64_t whole[2];
        tp_decimal numbers[2];
        for (int i = 0; i < 2; i++) {
            int64_t units = (int64_t)(prng_next(&seed) % 4000) * powers[prng_below(&seed, 7)];
            units = prng_below(&seed, 2) == 0 ? units : -units;
            whole[i] = units;
            char text[64];
            int64_t size = units < 0 ? -units : units;
            snprintf(text, sizeof text, "%s%lld.%06lld", units < 0 ? "-" : "",
                     (long long)(size / 1000000), (long long)(size % 1000000));
            numbers[i] = read_one(text);
        }
        assert_int_equal(sign_of(tp_decimal_compare(&numbers[0], &numbers[1])),
                         (whole[0] > whole[1]) - (whole[0] < whole[1]));
        uint32_t scale = prng_below(&seed, 7);
        int64_t unit = powers[6 - scale];
        int64_t size = whole[0] < 0 ? -whole[0] : whole[0];
        int64_t rounded = (size + unit / 2) / unit * unit;
        char text[64];
        snprintf(text, sizeof text, "%s%lld.%06lld", whole[0] < 0 ? "-" : "",
                 (long long)(rounded / 1000000), (long long)(rounded % 1000000));
        tp_decimal expected = read_one(text);
        tp_decimal_round(&numbers[0], (int32_t)scale);
        assert_int_equal(tp_decimal_compare(&numbers[0], &expected), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_like_scaled_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
