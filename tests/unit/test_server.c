#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg/server.h"

static void test_version(void **state) {
    (void)state;
    trigperf_error *error = NULL;
    assert_int_equal(tp_server_check_version(150000, &error), TRIGPERF_OK);
    assert_int_equal(tp_server_check_version(180004, &error), TRIGPERF_OK);
    assert_null(error);
    assert_int_equal(tp_server_check_version(140012, &error), TRIGPERF_E_VERSION);
    assert_string_equal(trigperf_error_message(error),
                        "expected PostgreSQL 15 or newer, the server is version 14.12");
    trigperf_error_free(error);
}

static void test_primary(void **state) {
    (void)state;
    trigperf_error *error = NULL;
    assert_int_equal(tp_server_check_primary(false, ", no", &error), TRIGPERF_OK);
    assert_null(error);
    assert_int_equal(tp_server_check_primary(true, ", which is slow", &error),
                     TRIGPERF_E_UNSUPPORTED);
    assert_string_equal(trigperf_error_message(error),
                        "expected a primary server, this one is a standby, which is slow");
    trigperf_error_free(error);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_version),
                                       cmocka_unit_test(test_primary)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
