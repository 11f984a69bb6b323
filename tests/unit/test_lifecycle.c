#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg/lifecycle.h"

static const tp_log quiet = {.fn = NULL};

/* The state after a failure of that code. */
static tp_source_state after(tp_lifecycle *lifecycle, int32_t code) {
    trigperf_error *error = NULL;
    tp_error_set(&error, code, "a hint", "a failure");
    tp_lifecycle_fail(lifecycle, 1000, error);
    return lifecycle->state;
}

static void test_before_it_was_ready(void **state) {
    (void)state;
    tp_lifecycle lifecycle;
    tp_lifecycle_init(&lifecycle, 100, 1000, &quiet);
    assert_false(tp_lifecycle_works(&lifecycle));
    assert_int_equal(tp_lifecycle_deadline(&lifecycle), 0);
    assert_true(tp_lifecycle_begins(&lifecycle, 0));
    assert_false(tp_lifecycle_begins(&lifecycle, 0));
    assert_true(tp_lifecycle_works(&lifecycle));
    assert_int_equal(after(&lifecycle, TRIGPERF_E_CONNECTION), TP_SOURCE_BACKOFF);
    assert_false(tp_lifecycle_works(&lifecycle));
    assert_true(tp_lifecycle_deadline(&lifecycle) > 1000);
    assert_true(tp_lifecycle_deadline(&lifecycle) <= 2000);
    assert_int_equal(after(&lifecycle, TRIGPERF_E_PERMISSION), TP_SOURCE_FAILED);
    assert_int_equal(after(&lifecycle, TRIGPERF_E_NOT_FOUND), TP_SOURCE_FAILED);
    assert_int_equal(after(&lifecycle, TRIGPERF_E_UNSUPPORTED), TP_SOURCE_FAILED);
    assert_int_equal(tp_lifecycle_verdict(&lifecycle, NULL), TRIGPERF_E_UNSUPPORTED);
    assert_true(tp_lifecycle_deadline(&lifecycle) == UINT64_MAX);
    assert_false(tp_lifecycle_begins(&lifecycle, UINT64_MAX));
    tp_lifecycle_retry(&lifecycle);
    assert_int_equal(tp_lifecycle_deadline(&lifecycle), 0);
    assert_true(tp_lifecycle_begins(&lifecycle, 0));
    assert_int_equal(lifecycle.state, TP_SOURCE_CONNECTING);
    tp_lifecycle_free(&lifecycle);
}

static void test_after_it_was_ready(void **state) {
    (void)state;
    tp_lifecycle lifecycle;
    tp_lifecycle_init(&lifecycle, 100, 1000, &quiet);
    assert_true(tp_lifecycle_begins(&lifecycle, 0));
    assert_true(tp_lifecycle_ready(&lifecycle));
    assert_false(tp_lifecycle_ready(&lifecycle));
    assert_true(tp_lifecycle_works(&lifecycle));
    assert_int_equal(after(&lifecycle, TRIGPERF_E_UNSUPPORTED), TP_SOURCE_BACKOFF);
    assert_int_equal(tp_lifecycle_verdict(&lifecycle, NULL), TRIGPERF_OK);
    assert_false(tp_lifecycle_begins(&lifecycle, 1000));
    assert_true(tp_lifecycle_begins(&lifecycle, 3000));
    assert_int_equal(after(&lifecycle, TRIGPERF_E_SUPERSEDED), TP_SOURCE_FAILED);
    assert_int_equal(after(&lifecycle, TRIGPERF_E_VERSION), TP_SOURCE_FAILED);
    assert_int_equal(after(&lifecycle, TRIGPERF_E_PERMISSION), TP_SOURCE_BACKOFF);
    assert_int_equal(after(&lifecycle, TRIGPERF_E_NOT_FOUND), TP_SOURCE_BACKOFF);
    assert_true(tp_lifecycle_ready(&lifecycle));
    assert_int_equal(lifecycle.reconnects, 3);
    tp_lifecycle_free(&lifecycle);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_before_it_was_ready),
                                       cmocka_unit_test(test_after_it_was_ready)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
