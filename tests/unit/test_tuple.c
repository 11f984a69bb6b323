/* Key values as one string of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tuple.h"

static void assert_value(const char *tuple, uint32_t i, const char *expected, uint32_t length) {
    tp_value value = tp_tuple_value(tuple, i);
    if (expected == NULL) {
        assert_null(value.data);
        return;
    }
    assert_int_equal(value.length, length);
    assert_memory_equal(value.data, expected, length);
    assert_int_equal(value.data[length], '\0');
}

static void test_round_trip(void **state) {
    (void)state;
    const tp_value values[] = {{"7", 1}, {NULL, 0}, {"", 0}, {"a\0b", 3}, {NULL, 0}, {"end", 3}};
    char tuple[64];
    uint64_t length = tp_tuple_length(values, 6);
    assert_int_equal(length, 6 * 4 + 2 + 1 + 4 + 4);
    tp_tuple_encode(values, 6, tuple);
    assert_value(tuple, 0, "7", 1);
    assert_value(tuple, 1, NULL, 0);
    assert_value(tuple, 2, "", 0);
    assert_value(tuple, 3, "a\0b", 3);
    assert_value(tuple, 4, NULL, 0);
    assert_value(tuple, 5, "end", 3);
}

static void encode(const char *a, const char *b, char *out, uint64_t *length) {
    const tp_value values[] = {{a, a == NULL ? 0 : (uint32_t)strlen(a)},
                               {b, b == NULL ? 0 : (uint32_t)strlen(b)}};
    *length = tp_tuple_length(values, 2);
    tp_tuple_encode(values, 2, out);
}

static void test_different_values_are_different_bytes(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"ab", "c"},   {"a", "bc"},   {"", "abc"},  {"abc", ""},
                                           {NULL, "abc"}, {"abc", NULL}, {NULL, NULL}, {"", ""},
                                           {NULL, ""},    {"", NULL}};
    for (size_t i = 0; i < 10; i++) {
        for (size_t j = 0; j < 10; j++) {
            char one[32];
            char two[32];
            uint64_t one_length = 0;
            uint64_t two_length = 0;
            encode(pairs[i][0], pairs[i][1], one, &one_length);
            encode(pairs[j][0], pairs[j][1], two, &two_length);
            bool same = one_length == two_length && memcmp(one, two, one_length) == 0;
            assert_int_equal(same, i == j);
        }
    }
}

static void test_no_values(void **state) {
    (void)state;
    assert_int_equal(tp_tuple_length(NULL, 0), 0);
    tp_tuple_encode(NULL, 0, NULL);
}

static void test_too_long(void **state) {
    (void)state;
    const tp_value values[] = {{"x", UINT32_MAX - 1}, {"x", UINT32_MAX - 1}};
    assert_true(tp_tuple_length(values, 2) > UINT32_MAX);
    const tp_value longest[] = {{"x", UINT32_MAX}};
    assert_true(tp_tuple_length(longest, 1) > UINT32_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_different_values_are_different_bytes),
        cmocka_unit_test(test_no_values),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
