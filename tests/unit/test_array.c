/* Growing arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "oom.h"

static void test_grows_by_doubling(void **state) {
    (void)state;
    uint32_t capacity = 0;
    int *items = NULL;
    unsigned moves = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t before = capacity;
        items = tp_array_reserve(items, &capacity, i + 1, sizeof *items);
        assert_non_null(items);
        assert_true(capacity > i);
        moves += capacity != before ? 1 : 0;
        items[i] = (int)i;
    }
    assert_true(moves < 20);
    assert_int_equal(items[9999], 9999);
    free(items);
}

static void test_nothing_wanted_is_still_memory(void **state) {
    (void)state;
    uint32_t capacity = 0;
    void *items = tp_array_reserve(NULL, &capacity, 0, 16);
    assert_non_null(items);
    free(items);
}

static void test_sizes_that_do_not_fit(void **state) {
    (void)state;
    uint32_t capacity = 0;
    assert_null(tp_array_reserve(NULL, &capacity, 2, SIZE_MAX / 4));
    assert_null(tp_array_reserve(NULL, &capacity, UINT32_MAX, 1));
    assert_int_equal(capacity, 0);
}

static void test_out_of_memory(void **state) {
    (void)state;
    uint32_t capacity = 0;
    char *items = tp_array_reserve(NULL, &capacity, 8, 1);
    items[7] = 'x';
    oom_fail_at(1);
    assert_null(tp_array_reserve(items, &capacity, 9, 1));
    assert_true(oom_reset());
    assert_int_equal(capacity, 8);
    assert_int_equal(items[7], 'x');
    free(items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_by_doubling),
        cmocka_unit_test(test_nothing_wanted_is_still_memory),
        cmocka_unit_test(test_sizes_that_do_not_fit),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
