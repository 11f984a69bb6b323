/* Types of columns: what texts they take, and as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "core/column_type.h"

static tp_coercion read_text(const tp_column_type *type, const char *text, tp_datum *out) {
    return tp_column_type_read(type, (tp_value){text, text == NULL ? 0 : (uint32_t)strlen(text)},
                               out);
}

static void assert_reads(const tp_column_type *type, const char *text, tp_coercion expected) {
    tp_datum datum;
    if (read_text(type, text, &datum) != expected) {
        fail_msg("'%s': expected %d", text, (int)expected);
    }
}

static void test_null(void **state) {
    (void)state;
    for (int kind = TP_TYPE_TEXT; kind <= TP_TYPE_OPAQUE; kind++) {
        tp_column_type type = {.kind = (tp_type_kind)kind, .width = 4};
        tp_datum datum;
        assert_int_equal(read_text(&type, NULL, &datum), TP_COERCION_OK);
        assert_int_equal(datum.kind, TP_DATUM_NULL);
    }
}

static void test_integers(void **state) {
    (void)state;
    static const struct {
        uint32_t width;
        const char *low;
        const char *below;
        const char *high;
        const char *above;
    } widths[] = {{2, "-32768", "-32769", "32767", "32768"},
                  {4, "-2147483648", "-2147483649", "2147483647", "2147483648"},
                  {8, "-9223372036854775808", "-9223372036854775809", "9223372036854775807",
                   "9223372036854775808"}};
    for (size_t i = 0; i < 3; i++) {
        tp_column_type type = {.kind = TP_TYPE_INTEGER, .width = widths[i].width};
        assert_reads(&type, widths[i].low, TP_COERCION_OK);
        assert_reads(&type, widths[i].high, TP_COERCION_OK);
        assert_reads(&type, widths[i].below, TP_COERCION_REFUSED);
        assert_reads(&type, widths[i].above, TP_COERCION_REFUSED);
        assert_reads(&type, " 7 ", TP_COERCION_OK);
        assert_reads(&type, "7.0", TP_COERCION_REFUSED);
        assert_reads(&type, "", TP_COERCION_REFUSED);
        assert_reads(&type, "0x7", TP_COERCION_UNDECIDED);
    }
}

static void test_numerics(void **state) {
    (void)state;
    tp_column_type any = {.kind = TP_TYPE_NUMERIC};
    tp_column_type fixed = {.kind = TP_TYPE_NUMERIC, .precision = 5, .scale = 2};
    assert_reads(&any, "1e300", TP_COERCION_OK);
    assert_reads(&any, "1e3000", TP_COERCION_UNDECIDED);
    assert_reads(&any, "Infinity", TP_COERCION_OK);
    assert_reads(&fixed, "999.994", TP_COERCION_OK);
    assert_reads(&fixed, "999.995", TP_COERCION_REFUSED);
    assert_reads(&fixed, "Infinity", TP_COERCION_REFUSED);
    assert_reads(&fixed, "NaN", TP_COERCION_OK);
    assert_reads(&fixed, "abc", TP_COERCION_REFUSED);
    tp_datum datum;
    tp_datum cent = {.kind = TP_DATUM_DECIMAL};
    assert_int_equal(read_text(&fixed, "0.005", &datum), TP_COERCION_OK);
    assert_int_equal(tp_decimal_read("0.01", 4, &cent.decimal), TP_DECIMAL_OK);
    assert_int_equal(tp_datum_compare_numbers(&datum, &cent), 0);
}

static void assert_real(const char *text, double expected) {
    tp_column_type type = {.kind = TP_TYPE_REAL};
    tp_datum datum;
    assert_int_equal(read_text(&type, text, &datum), TP_COERCION_OK);
    assert_int_equal(datum.kind, TP_DATUM_REAL);
    assert_true(datum.real == expected || (isnan(datum.real) && isnan(expected)));
}

static void test_reals(void **state) {
    (void)state;
    tp_column_type type = {.kind = TP_TYPE_REAL};
    assert_real("0", 0);
    assert_real("-1.5", -1.5);
    assert_real("0.1", 0.1);
    assert_real("123456789.125e-3", 123456.789125);
    assert_real(".5e1", 5);
    assert_real("1e308", 1e308);
    assert_real("1e999", (double)INFINITY);
    assert_real("1e-999", 0);
    assert_real(" inf ", (double)INFINITY);
    assert_real("-Infinity", -(double)INFINITY);
    assert_real("NaN", (double)NAN);
    assert_real("2.2250738585072014e-308", 2.2250738585072014e-308);
    assert_reads(&type, "0x1p3", TP_COERCION_REFUSED);
    assert_reads(&type, "1,5", TP_COERCION_REFUSED);
    assert_reads(&type, "", TP_COERCION_REFUSED);
    assert_reads(&type, "nan(1)", TP_COERCION_REFUSED);
}

static void test_texts(void **state) {
    (void)state;
    tp_column_type any = {.kind = TP_TYPE_TEXT};
    tp_column_type three = {.kind = TP_TYPE_TEXT, .max_characters = 3};
    tp_datum datum;
    assert_reads(&any, "\xFF", TP_COERCION_REFUSED);
    assert_int_equal(tp_column_type_read(&any, (tp_value){"a\0b", 3}, &datum), TP_COERCION_REFUSED);
    assert_int_equal(read_text(&any, "a\xC3\xA9", &datum), TP_COERCION_OK);
    assert_int_equal(datum.characters, 2);
    assert_reads(&three, "\xC3\xA9\xC3\xA9\xC3\xA9", TP_COERCION_OK);
    assert_reads(&three, "abcd", TP_COERCION_REFUSED);
    assert_reads(&three, "abc d", TP_COERCION_REFUSED);
    assert_int_equal(read_text(&three, "\xC3\xA9 b    ", &datum), TP_COERCION_OK);
    assert_int_equal(datum.characters, 3);
    assert_int_equal(datum.text.length, 4);
    assert_int_equal(read_text(&three, "a     ", &datum), TP_COERCION_OK);
    assert_int_equal(datum.text.length, 3);
}

static void test_enums(void **state) {
    (void)state;
    const tp_value labels[] = {{"red", 3}, {"blue", 4}};
    tp_wordset *set = tp_wordset_new(labels, 2);
    tp_column_type type = {.kind = TP_TYPE_ENUM, .labels = set};
    assert_reads(&type, "red", TP_COERCION_OK);
    assert_reads(&type, "red ", TP_COERCION_REFUSED);
    assert_reads(&type, "", TP_COERCION_REFUSED);
    tp_wordset_free(set);
}

static int order(const char *a, const char *b) {
    tp_datum x = {.text = {a, (uint32_t)strlen(a)}};
    tp_datum y = {.text = {b, (uint32_t)strlen(b)}};
    int found = tp_datum_compare_texts(&x, &y);
    return (found > 0) - (found < 0);
}

static void test_order_of_texts(void **state) {
    (void)state;
    assert_int_equal(order("", ""), 0);
    assert_int_equal(order("", "a"), -1);
    assert_int_equal(order("a", "B"), 1);
    assert_int_equal(order("ab", "abc"), -1);
    assert_int_equal(order("z", "\xC3\xA9"), -1);
}

static void test_print_real(void **state) {
    (void)state;
    char text[32];
    assert_int_equal(tp_datum_print_real(-1.5, text, sizeof text), 4);
    assert_string_equal(text, "-1.5");
    tp_datum_print_real(0.1, text, sizeof text);
    assert_string_equal(text, "0.10000000000000001");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),           cmocka_unit_test(test_integers),
        cmocka_unit_test(test_numerics),       cmocka_unit_test(test_reals),
        cmocka_unit_test(test_texts),          cmocka_unit_test(test_enums),
        cmocka_unit_test(test_order_of_texts), cmocka_unit_test(test_print_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
