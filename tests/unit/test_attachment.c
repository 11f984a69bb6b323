/* Descriptions of what to attach: what is taken, what is refused, and that short memory leaves them
 * as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/attachment.h"
#include "oom.h"

static int setup(void **state) {
    return trigperf_attachment_new("calls", (trigperf_attachment **)state, NULL);
}

static int teardown(void **state) {
    trigperf_attachment_free(*state);
    return 0;
}

static void refused(trigperf_attachment *to, const char *name, const char *value) {
    trigperf_error *error = NULL;
    assert_int_equal(trigperf_attachment_set(to, name, value, &error), TRIGPERF_E_INVALID);
    assert_true(trigperf_error_hint(error)[0] != '\0');
    if (value != NULL) {
        assert_non_null(strstr(trigperf_error_message(error), value));
    }
    trigperf_error_free(error);
}

static void taken(trigperf_attachment *to, const char *name, const char *value) {
    assert_int_equal(trigperf_attachment_set(to, name, value, NULL), TRIGPERF_OK);
}

static void test_settings(void **state) {
    trigperf_attachment *to = *state;
    assert_false(to->isolate_full);
    assert_false(to->replicated);
    assert_int_equal(to->max_keys, 0);
    taken(to, "isolate", "full");
    taken(to, "replicated", "ON");
    taken(to, "max_keys", "1000000");
    taken(to, "granularity", "Row");
    assert_true(to->isolate_full);
    assert_true(to->replicated);
    assert_int_equal(to->max_keys, 1000000);
    assert_int_equal(to->granularity, TP_GRANULARITY_ROW);
    taken(to, "isolate", "Keys");
    taken(to, "replicated", "auto");
    taken(to, "max_keys", "1");
    assert_false(to->sample_rate_set);
    taken(to, "sample_rate", "1");
    assert_true(to->sample_rate_set && to->sample_rate > 0.9999999);
    taken(to, "sample_rate", "0");
    assert_true(to->sample_rate_set && to->sample_rate < 0.0000001);
    taken(to, "sample_rate", "0.025");
    assert_true(to->sample_rate > 0.0249999 && to->sample_rate < 0.0250001);
    taken(to, "granularity", "auto");
    assert_false(to->isolate_full);
    assert_false(to->replicated);
    assert_int_equal(to->max_keys, 1);
    assert_int_equal(to->granularity, TP_GRANULARITY_AUTO);
}

static void test_what_is_refused_changes_nothing(void **state) {
    trigperf_attachment *to = *state;
    static const char *const bad[][2] = {
        {"isolate", "half"},     {"isolate", ""},
        {"sample_rate", ""},     {"sample_rate", "."},
        {"sample_rate", "-1"},   {"sample_rate", "1.1"},
        {"sample_rate", "1%"},   {"sample_rate", "nan"},
        {"replicated", "off"},   {"max_keys", "0"},
        {"max_keys", "1e3"},     {"max_keys", "-1"},
        {"max_keys", "+1"},      {"max_keys", " 1"},
        {"max_keys", "1000001"}, {"max_keys", "99999999999999999999"},
        {"granularity", "big"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refused(to, bad[i][0], bad[i][1]);
    }
    refused(to, "isolate", NULL);
    refused(to, "colour", "colour");
    refused(to, NULL, "");
    assert_false(to->isolate_full);
    assert_false(to->replicated);
    assert_int_equal(to->max_keys, 0);
    assert_int_equal(to->granularity, TP_GRANULARITY_AUTO);
}

static int32_t grow(trigperf_attachment *to) {
    int32_t status = trigperf_attachment_key(to, "id", "lower(id)", NULL);
    if (status == TRIGPERF_OK) {
        status = trigperf_attachment_watch(to, "note", NULL);
    }
    return status == TRIGPERF_OK ? trigperf_attachment_rule(to, "call:{id}", "insert", 5, NULL)
                                 : status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        trigperf_attachment *to = NULL;
        oom_fail_at(n);
        int32_t status = trigperf_attachment_new("calls", &to, NULL);
        status = status == TRIGPERF_OK ? grow(to) : status;
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (to != NULL && !failed) {
            assert_int_equal(to->key_count + to->watch_count + to->rule_count, 3);
        }
        trigperf_attachment_free(to);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_refused_changes_nothing, setup, teardown),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
