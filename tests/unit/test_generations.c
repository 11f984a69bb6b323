/* Generations of templates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/generations.h"
#include "oom.h"

static void test_count_from_one(void **state) {
    (void)state;
    tp_generations *g = tp_generations_new();
    assert_int_equal(tp_generations_get(g, "a"), 0);
    tp_generations_raise(g, "a");
    assert_int_equal(tp_generations_get(g, "a"), 0);
    assert_true(tp_generations_add(g, "a"));
    assert_true(tp_generations_add(g, "b"));
    assert_int_equal(tp_generations_get(g, "a"), 1);
    tp_generations_raise(g, "a");
    assert_true(tp_generations_add(g, "a"));
    assert_int_equal(tp_generations_get(g, "a"), 2);
    assert_int_equal(tp_generations_get(g, "b"), 1);
    tp_generations_raise_all(g);
    assert_int_equal(tp_generations_get(g, "a"), 3);
    assert_int_equal(tp_generations_get(g, "b"), 2);
    tp_generations_free(g);
    tp_generations_free(NULL);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        oom_fail_at(n);
        tp_generations *g = tp_generations_new();
        bool fine = g != NULL && tp_generations_add(g, "a");
        bool failed = oom_reset();
        assert_int_equal(fine, !failed);
        if (g != NULL) {
            assert_int_equal(tp_generations_get(g, "a"), failed ? 0 : 1);
        }
        tp_generations_free(g);
        if (!failed) {
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_from_one),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
