/* Lists of names: what is taken, what is refused, memory that is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/namelist.h"
#include "oom.h"

static void test_taken(void **state) {
    (void)state;
    tp_namelist list = {0};
    assert_int_equal(tp_namelist_parse("x", " a,b c ,\tD", 3, &list, NULL), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.names[0], "a");
    assert_string_equal(list.names[1], "b c");
    assert_string_equal(list.names[2], "D");
    tp_namelist_free(&list);
    assert_null(list.names);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",     " ",   "a,",    ",a",
        "a,,b", "a,a", "a,b,c", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tp_namelist list = {0};
        trigperf_error *error = NULL;
        assert_int_equal(tp_namelist_parse("notify.keys", bad[i], 2, &list, &error),
                         TRIGPERF_E_CONFIG);
        assert_non_null(strstr(trigperf_error_message(error), "notify.keys"));
        assert_null(list.names);
        trigperf_error_free(error);
    }
}

static void test_oom(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_namelist list = {0};
        oom_fail_at(n);
        int32_t status = tp_namelist_parse("x", "a,b", 2, &list, NULL);
        if (!oom_reset()) {
            tp_namelist_free(&list);
            assert_true(n > 2);
            return;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_taken), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_oom)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
