/* Cycles among scopes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/scopes.h"
#include "oom.h"

static tp_scopes *build(const char *edges) {
    tp_scopes *scopes = tp_scopes_new();
    assert_non_null(scopes);
    for (const char *at = edges; *at != '\0'; at += at[2] == '\0' ? 2 : 3) {
        assert_int_equal(tp_scopes_add(scopes, at, 1, at + 1, 1, NULL), TRIGPERF_OK);
    }
    return scopes;
}

static void assert_acyclic(const char *edges) {
    tp_scopes *scopes = build(edges);
    assert_int_equal(tp_scopes_check(scopes, NULL), TRIGPERF_OK);
    tp_scopes_free(scopes);
}

static void assert_cycle(const char *edges, const char *path) {
    tp_scopes *scopes = build(edges);
    trigperf_error *err = NULL;
    assert_int_equal(tp_scopes_check(scopes, &err), TRIGPERF_E_CONFIG);
    const char *colon = strchr(trigperf_error_message(err), ':');
    assert_non_null(colon);
    assert_string_equal(colon + 2, path);
    trigperf_error_free(err);
    tp_scopes_free(scopes);
}

static void test_acyclic(void **state) {
    (void)state;
    assert_acyclic("");
    assert_acyclic("ab");
    assert_acyclic("ab bc cd ad bd");
    assert_acyclic("ab ab ab");
    assert_acyclic("ab cb db");
}

static void test_cycles(void **state) {
    (void)state;
    assert_cycle("aa", "a -> a");
    assert_cycle("ab ba", "a -> b -> a");
    assert_cycle("xa ab bc ca cy", "b -> c -> a -> b");
    assert_cycle("ab cd de ec", "e -> c -> d -> e");
}

static void test_long_chain(void **state) {
    (void)state;
    tp_scopes *scopes = tp_scopes_new();
    char from[16];
    char to[16];
    for (int i = 0; i < 1000; i++) {
        int a = snprintf(from, sizeof from, "s%d", i);
        int b = snprintf(to, sizeof to, "s%d", i + 1);
        assert_int_equal(tp_scopes_add(scopes, from, (size_t)a, to, (size_t)b, NULL), 0);
    }
    assert_int_equal(tp_scopes_check(scopes, NULL), TRIGPERF_OK);
    assert_int_equal(tp_scopes_add(scopes, "s1000", 5, "s0", 2, NULL), TRIGPERF_OK);
    assert_int_equal(tp_scopes_check(scopes, NULL), TRIGPERF_E_CONFIG);
    tp_scopes_free(scopes);
}

static int32_t add_and_check(tp_scopes *scopes, trigperf_error **err) {
    int32_t status = tp_scopes_add(scopes, "a", 1, "b", 1, err);
    if (status == TRIGPERF_OK) {
        status = tp_scopes_add(scopes, "b", 1, "c", 1, err);
    }
    return status == TRIGPERF_OK ? tp_scopes_check(scopes, err) : status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    unsigned n = 1;
    for (;; n++) {
        oom_fail_at(n);
        tp_scopes *scopes = tp_scopes_new();
        int32_t status = scopes == NULL ? TRIGPERF_E_NOMEM : add_and_check(scopes, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (failed && scopes != NULL) {
            assert_int_equal(add_and_check(scopes, NULL), TRIGPERF_OK);
        }
        tp_scopes_free(scopes);
        if (!failed) {
            break;
        }
    }
    assert_true(n > 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acyclic),
        cmocka_unit_test(test_cycles),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
