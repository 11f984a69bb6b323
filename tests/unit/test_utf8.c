/* UTF-8: what is valid, and how many characters it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/utf8.h"
#include "prng.h"

static void assert_valid(const char *text, size_t length, size_t characters) {
    size_t found = 999;
    assert_true(tp_utf8_check(text, length, &found));
    assert_int_equal(found, characters);
}

static void assert_bad(const char *text, size_t length) {
    size_t found = 999;
    assert_false(tp_utf8_check(text, length, &found));
    assert_int_equal(found, 999);
}

static void test_valid(void **state) {
    (void)state;
    assert_valid("", 0, 0);
    assert_valid("abcdefgh", 8, 8);
    assert_valid("abcdefghijklmnopq", 17, 17);
    assert_valid("\xC3\xA9", 2, 1);
    assert_valid("\xE2\x82\xAC", 3, 1);
    assert_valid("\xF0\x9F\x98\x80", 4, 1);
    assert_valid("aaaaaaa\xC3\xA9zzzzzzzz", 17, 16);
    assert_valid("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", 10, 3);
    assert_true(tp_utf8_check("x", 1, NULL));
}

static void test_invalid(void **state) {
    (void)state;
    assert_bad("\0", 1);
    assert_bad("abcdefg\0hijklmno", 16);
    assert_bad("\x80", 1);
    assert_bad("\xC0\xAF", 2);
    assert_bad("\xC1\xBF", 2);
    assert_bad("\xC3", 1);
    assert_bad("\xC3(", 2);
    assert_bad("\xE0\x9F\xBF", 3);
    assert_bad("\xE2\x82", 2);
    assert_bad("\xED\xA0\x80", 3);
    assert_bad("\xF0\x8F\xBF\xBF", 4);
    assert_bad("\xF4\x90\x80\x80", 4);
    assert_bad("\xF5\x80\x80\x80", 4);
    assert_bad("\xFF", 1);
}

static size_t encode(uint32_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static void test_every_character_comes_back(void **state) {
    (void)state;
    char text[4];
    for (uint32_t c = 1; c <= 0x10FFFF; c++) {
        size_t length = encode(c, text);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        assert_int_equal(tp_utf8_check(text, length, NULL), !surrogate);
        size_t at = 0;
        if (!surrogate) {
            assert_int_equal(tp_utf8_next(text, length, &at), c);
            assert_int_equal(at, length);
        }
    }
}

static void test_random_texts(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char text[128];
        size_t length = 0;
        size_t count = prng_below(&seed, 30);
        for (size_t i = 0; i < count; i++) {
            uint32_t limit = prng_below(&seed, 4) == 0 ? 0x10FFFF : 0x7F;
            uint32_t c = 1 + prng_below(&seed, limit);
            length += encode(c >= 0xD800 && c <= 0xDFFF ? 'x' : c, text + length);
        }
        assert_valid(text, length, count);
        if (length > 0) {
            text[prng_below(&seed, (uint32_t)length)] = '\xFF';
            assert_bad(text, length);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_every_character_comes_back),
        cmocka_unit_test(test_random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
