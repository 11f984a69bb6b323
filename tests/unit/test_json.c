/* Writing JSON; a parser is the judge. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/json.h"
#include "oom.h"
#include "prng.h"

static void assert_string(const char *bytes, size_t length, const char *expected) {
    tp_strbuf out = TP_STRBUF_INIT;
    tp_json_string(&out, bytes, length);
    assert_string_equal(tp_strbuf_str(&out), expected);
    json_t *parsed = json_loadb(out.data, out.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
    tp_strbuf_free(&out);
}

static void test_strings(void **state) {
    (void)state;
    assert_string("", 0, "\"\"");
    assert_string("plain text", 10, "\"plain text\"");
    assert_string("\"\\/", 3, "\"\\\"\\\\/\"");
    assert_string("\b\t\n\v\f\r", 6, "\"\\b\\t\\n\\u000b\\f\\r\"");
    assert_string("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"");
    assert_string("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9,
                  "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

#define R "\xEF\xBF\xBD"

static void test_invalid_utf8_is_replaced(void **state) {
    (void)state;
    assert_string("\x80", 1, "\"" R "\"");
    assert_string("a\xFFz", 3, "\"a" R "z\"");
    assert_string("\xC3", 1, "\"" R "\"");
    assert_string("\xC3(", 2, "\"" R "(\"");
    assert_string("\xC0\xAF", 2, "\"" R R "\"");
    assert_string("\xE0\x80\xAF", 3, "\"" R R R "\"");
    assert_string("\xED\xA0\x80", 3, "\"" R R R "\"");
    assert_string("\xED\x9F\xBF", 3, "\"\xED\x9F\xBF\"");
    assert_string("\xF0\x80\x80\x80", 4, "\"" R R R R "\"");
    assert_string("\xF4\x8F\xBF\xBF", 4, "\"\xF4\x8F\xBF\xBF\"");
    assert_string("\xF4\x90\x80\x80", 4, "\"" R R R R "\"");
    assert_string("\xF5\x80\x80\x80", 4, "\"" R R R R "\"");
    assert_string("\xF0\x9F\x98", 3, "\"" R R R "\"");
}

static void test_random_bytes_give_valid_json(void **state) {
    (void)state;
    uint64_t random = 11;
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        uint32_t length = prng_below(&random, sizeof bytes + 1);
        for (uint32_t i = 0; i < length; i++) {
            uint32_t kind = prng_below(&random, 3);
            bytes[i] = (char)(kind == 0   ? prng_below(&random, 256)
                              : kind == 1 ? 0x80 + prng_below(&random, 64)
                                          : 0xC0 + prng_below(&random, 64));
        }
        tp_strbuf out = TP_STRBUF_INIT;
        tp_json_string(&out, bytes, length);
        json_t *parsed = json_loadb(out.data, out.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(parsed);
        json_decref(parsed);
        tp_strbuf_free(&out);
    }
}

static void test_nesting(void **state) {
    (void)state;
    tp_strbuf out = TP_STRBUF_INIT;
    tp_json_open(&out, NULL, '{');
    tp_json_text(&out, "text", "a,b:[{");
    tp_json_text(&out, "none", NULL);
    tp_json_bytes(&out, "bytes", "xyz", 2);
    tp_json_uint(&out, "uint", UINT64_MAX);
    tp_json_int(&out, "int", INT64_MIN);
    tp_json_bool(&out, "yes", true);
    tp_json_bool(&out, "no", false);
    tp_json_null(&out, "null");
    tp_json_raw(&out, "raw", "[1]");
    tp_json_open(&out, "array", '[');
    tp_json_open(&out, NULL, '[');
    tp_json_close(&out, ']');
    tp_json_uint(&out, NULL, 1);
    tp_json_text(&out, NULL, "two");
    tp_json_open(&out, NULL, '{');
    tp_json_close(&out, '}');
    tp_json_close(&out, ']');
    tp_json_int(&out, "last", 5);
    tp_json_close(&out, '}');
    assert_string_equal(tp_strbuf_str(&out),
                        "{\"text\":\"a,b:[{\",\"none\":null,\"bytes\":\"xy\","
                        "\"uint\":18446744073709551615,\"int\":-9223372036854775808,\"yes\":true,"
                        "\"no\":false,\"null\":null,\"raw\":[1],\"array\":[[],1,\"two\",{}],"
                        "\"last\":5}");
    tp_strbuf_free(&out);
}

static void test_lines(void **state) {
    (void)state;
    tp_strbuf out = TP_STRBUF_INIT;
    for (int i = 0; i < 2; i++) {
        tp_json_open(&out, NULL, '{');
        tp_json_close(&out, '}');
        tp_strbuf_putc(&out, '\n');
    }
    assert_string_equal(tp_strbuf_str(&out), "{}\n{}\n");
    tp_strbuf_free(&out);
}

static void assert_double(double number, const char *expected) {
    tp_strbuf out = TP_STRBUF_INIT;
    tp_json_double(&out, NULL, number);
    assert_string_equal(tp_strbuf_str(&out), expected);
    tp_strbuf_free(&out);
}

static void test_doubles(void **state) {
    (void)state;
    assert_double(0, "0");
    assert_double(-1.5, "-1.5");
    assert_double(0.1, "0.1");
    assert_double(1.0 / 3.0, "0.3333333333333333");
    assert_double(1e300, "1e+300");
    assert_double(-2.5e-7, "-2.5e-07");
    assert_double(123456789012345680.0, "1.2345678901234568e+17");
    assert_double(NAN, "null");
    assert_double(INFINITY, "null");
    assert_double(-INFINITY, "null");
}

static void test_doubles_in_the_locale_of_the_host(void **state) {
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    for (size_t i = 0; i < 3; i++) {
        if (setlocale(LC_NUMERIC, locales[i]) != NULL) { /* whichever is installed */
            assert_double(-1.5, "-1.5");
            assert_double(0.1, "0.1");
        }
    }
    setlocale(LC_NUMERIC, "C");
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_strbuf out = TP_STRBUF_INIT;
    oom_fail_at(1);
    tp_json_open(&out, NULL, '{');
    tp_json_text(&out, "a", "b");
    tp_json_close(&out, '}');
    assert_true(oom_reset());
    assert_true(out.failed);
    tp_strbuf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_invalid_utf8_is_replaced),
        cmocka_unit_test(test_random_bytes_give_valid_json),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_doubles_in_the_locale_of_the_host),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
