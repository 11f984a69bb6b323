/* Error objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "oom.h"

static void test_set(void **state) {
    (void)state;
    trigperf_error *err = NULL;
    assert_int_equal(
        tp_error_set(&err, TRIGPERF_E_CONFIG, "do that", "expected %d, got '%s'", 7, "x"),
        TRIGPERF_E_CONFIG);
    assert_int_equal(trigperf_error_code(err), TRIGPERF_E_CONFIG);
    assert_string_equal(trigperf_error_message(err), "expected 7, got 'x'");
    assert_string_equal(trigperf_error_hint(err), "do that");
    assert_string_equal(trigperf_error_sqlstate(err), "");
    assert_int_equal(trigperf_error_retriable(err), 0);
    assert_int_equal(tp_error_set(&err, TRIGPERF_E_STATE, NULL, "second"), TRIGPERF_E_STATE);
    assert_string_equal(trigperf_error_message(err), "second");
    assert_string_equal(trigperf_error_hint(err), "");
    trigperf_error_free(err);
}

static void test_nobody_listens(void **state) {
    (void)state;
    assert_int_equal(tp_error_set(NULL, TRIGPERF_E_STATE, NULL, "x"), TRIGPERF_E_STATE);
    assert_int_equal(tp_error_set_sql(NULL, TRIGPERF_E_SERVER, "42P01", true, NULL, "x"),
                     TRIGPERF_E_SERVER);
    assert_int_equal(tp_error_nomem(NULL), TRIGPERF_E_NOMEM);
    trigperf_error_free(NULL);
}

static void test_sql(void **state) {
    (void)state;
    trigperf_error *err = NULL;
    tp_error_set_sql(&err, TRIGPERF_E_SERVER, "40001", true, "again", "conflict");
    assert_string_equal(trigperf_error_sqlstate(err), "40001");
    assert_int_equal(trigperf_error_retriable(err), 1);
    trigperf_error *copy = tp_error_copy(err);
    trigperf_error_free(err);
    assert_int_equal(trigperf_error_code(copy), TRIGPERF_E_SERVER);
    assert_string_equal(trigperf_error_sqlstate(copy), "40001");
    assert_string_equal(trigperf_error_message(copy), "conflict");
    assert_string_equal(trigperf_error_hint(copy), "again");
    assert_int_equal(trigperf_error_retriable(copy), 1);
    trigperf_error_free(copy);
    assert_null(tp_error_copy(NULL));
}

static void test_move(void **state) {
    (void)state;
    trigperf_error *from = NULL;
    trigperf_error *to = NULL;
    tp_error_set(&from, TRIGPERF_E_STATE, NULL, "first");
    tp_error_set(&to, TRIGPERF_E_STATE, NULL, "replaced");
    assert_int_equal(tp_error_move(&to, from, TRIGPERF_E_LIMIT), TRIGPERF_E_LIMIT);
    assert_string_equal(trigperf_error_message(to), "first");
    assert_int_equal(tp_error_move(NULL, to, TRIGPERF_E_LIMIT), TRIGPERF_E_LIMIT);
}

static void test_no_error(void **state) {
    (void)state;
    assert_int_equal(trigperf_error_code(NULL), TRIGPERF_OK);
    assert_string_equal(trigperf_error_message(NULL), "");
    assert_string_equal(trigperf_error_hint(NULL), "");
    assert_string_equal(trigperf_error_sqlstate(NULL), "");
    assert_int_equal(trigperf_error_retriable(NULL), 0);
    trigperf_string_free(NULL);
}

static void test_names_and_texts(void **state) {
    (void)state;
    assert_string_equal(trigperf_status_name(TRIGPERF_OK), "OK");
    assert_string_equal(trigperf_status_name(TRIGPERF_E_NOMEM), "E_NOMEM");
    assert_string_equal(trigperf_status_name(1), "E_UNKNOWN");
    for (int32_t status = 0; status >= TRIGPERF_E_LIMIT; status--) {
        assert_string_not_equal(trigperf_status_name(status), "E_UNKNOWN");
        assert_string_not_equal(trigperf_status_text(status), "unknown status");
    }
    assert_string_equal(trigperf_status_text(-1000), "unknown status");
}

static void test_out_of_memory_is_reported_as_such(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        trigperf_error *err = NULL;
        oom_fail_at(n);
        int32_t status = tp_error_set(&err, TRIGPERF_E_CONFIG, "hint", "message");
        bool failed = oom_reset();
        assert_int_equal(status, TRIGPERF_E_CONFIG);
        assert_int_equal(trigperf_error_code(err), failed ? TRIGPERF_E_NOMEM : TRIGPERF_E_CONFIG);
        assert_true(trigperf_error_message(err)[0] != '\0');
        trigperf_error *copy = tp_error_copy(err);
        assert_int_equal(trigperf_error_code(copy), trigperf_error_code(err));
        trigperf_error_free(copy);
        trigperf_error_free(err);
        trigperf_error_free(NULL);
        if (!failed) {
            assert_true(n > 3);
            break;
        }
    }
}

static void test_nomem_needs_no_memory(void **state) {
    (void)state;
    trigperf_error *err = NULL;
    tp_error_set(&err, TRIGPERF_E_STATE, NULL, "before");
    oom_fail_from(1);
    assert_int_equal(tp_error_nomem(&err), TRIGPERF_E_NOMEM);
    assert_false(oom_reset());
    assert_int_equal(trigperf_error_code(err), TRIGPERF_E_NOMEM);
    assert_int_equal(trigperf_error_retriable(err), 1);
    trigperf_error_free(err);
    trigperf_error_free(err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_sql),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_no_error),
        cmocka_unit_test(test_names_and_texts),
        cmocka_unit_test(test_out_of_memory_is_reported_as_such),
        cmocka_unit_test(test_nomem_needs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
