/* Types whose equality is that of their images, and those whose is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/image.h"

static void test_equal_is_identical(void **state) {
    (void)state;
    static const struct {
        uint32_t type;
        const char *equals;
    } known[] = {{16, "booleq"},    {20, "int8eq"},        {21, "int8eq"},  {23, "int8eq"},
                 {25, "texteq"},    {1043, "texteq"},      {17, "byteaeq"}, {2950, "uuid_eq"},
                 {1082, "date_eq"}, {1114, "timestamp_eq"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_string_equal(tp_image_equals(known[i].type, 'b'), known[i].equals);
    }
    assert_string_equal(tp_image_equals(123456, 'e'), "enum_eq");
}

/* real, double precision, bpchar, timestamptz, interval, numeric, jsonb, an array, a range. */
static void test_equal_hides_differences(void **state) {
    (void)state;
    static const uint32_t others[] = {700, 701, 1042, 1184, 1186, 1700, 3802, 1007, 3904, 99999};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_null(tp_image_equals(others[i], 'b'));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_is_identical),
                                       cmocka_unit_test(test_equal_hides_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
