/* Copies of strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "oom.h"

static void test_copies(void **state) {
    (void)state;
    char *copy = tp_text_copy("abc");
    assert_string_equal(copy, "abc");
    free(copy);
    copy = tp_text_copy("");
    assert_string_equal(copy, "");
    free(copy);
    copy = tp_text_copy_bytes("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
    copy = tp_text_copy_bytes(NULL, 0);
    assert_string_equal(copy, "");
    free(copy);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_null(tp_text_copy("abc"));
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
