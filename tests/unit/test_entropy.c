/* Random bytes. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/entropy.h"

static void test_fills(void **state) {
    (void)state;
    unsigned char a[64] = {0};
    unsigned char b[64] = {0};
    assert_true(tp_entropy_fill(a, sizeof a));
    assert_true(tp_entropy_fill(b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(tp_entropy_fill(NULL, 0));
}

static void test_uuid(void **state) {
    (void)state;
    char one[37];
    char two[37];
    assert_true(tp_entropy_uuid(one));
    assert_true(tp_entropy_uuid(two));
    assert_string_not_equal(one, two);
    assert_int_equal(strlen(one), 36);
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_true(dash ? one[i] == '-' : isxdigit((unsigned char)one[i]) != 0);
    }
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
