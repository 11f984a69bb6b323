/* The map of registries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "oom.h"

static int values[1000];

static void test_put_get_remove(void **state) {
    (void)state;
    tp_map *map = tp_map_new();
    void *former = &former;
    assert_null(tp_map_get_str(map, "a"));
    assert_true(tp_map_put_str(map, "a", &values[0], &former));
    assert_null(former);
    assert_true(tp_map_put_str(map, "a", &values[1], &former));
    assert_ptr_equal(former, &values[0]);
    assert_ptr_equal(tp_map_get_str(map, "a"), &values[1]);
    assert_int_equal(tp_map_count(map), 1);
    assert_ptr_equal(tp_map_remove(map, "a", 1), &values[1]);
    assert_null(tp_map_remove(map, "a", 1));
    assert_int_equal(tp_map_count(map), 0);
    tp_map_free(map, NULL);
    tp_map_free(NULL, NULL);
}

static void test_keys_are_bytes(void **state) {
    (void)state;
    tp_map *map = tp_map_new();
    assert_true(tp_map_put(map, "a\0b", 3, &values[0], NULL));
    assert_true(tp_map_put(map, "a", 1, &values[1], NULL));
    assert_true(tp_map_put(map, "", 0, &values[2], NULL));
    assert_ptr_equal(tp_map_get(map, "a\0b", 3), &values[0]);
    assert_ptr_equal(tp_map_get_str(map, "a"), &values[1]);
    assert_ptr_equal(tp_map_get(map, "", 0), &values[2]);
    assert_null(tp_map_get(map, "a\0c", 3));
    tp_map_free(map, NULL);
}

static void test_many_in_order(void **state) {
    (void)state;
    tp_map *map = tp_map_new();
    char key[24];
    for (int i = 0; i < 1000; i++) {
        assert_true(
            tp_map_put(map, key, (size_t)snprintf(key, sizeof key, "key%d", i), &values[i], NULL));
    }
    void *cursor = NULL;
    const char *at = NULL;
    void *value = NULL;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_true(tp_map_next(map, &cursor, &at, &value));
        assert_string_equal(at, key);
        assert_ptr_equal(value, &values[i]);
        assert_ptr_equal(tp_map_get_str(map, key), value);
    }
    assert_false(tp_map_next(map, &cursor, &at, &value));
    tp_map_free(map, NULL);
}

static void test_free_releases_values(void **state) {
    (void)state;
    tp_map *map = tp_map_new();
    assert_true(tp_map_put_str(map, "a", malloc(1), NULL));
    assert_true(tp_map_put_str(map, "b", malloc(1), NULL));
    tp_map_free(map, free);
}

static void test_out_of_memory_changes_nothing(void **state) {
    (void)state;
    tp_map *map = NULL;
    oom_fail_at(1);
    map = tp_map_new();
    assert_true(oom_reset());
    assert_null(map);
    map = tp_map_new();
    char key[24];
    unsigned failures = 0;
    for (int i = 0; i < 1000; i++) {
        size_t length = (size_t)snprintf(key, sizeof key, "key%d", i);
        for (unsigned n = 1;; n++) {
            oom_fail_at(n);
            bool put = tp_map_put(map, key, length, &values[i], NULL);
            if (!oom_reset()) {
                assert_true(put);
                break;
            }
            failures++;
            if (!put) {
                assert_int_equal(tp_map_count(map), i);
                assert_null(tp_map_get(map, key, length));
            }
        }
        assert_int_equal(tp_map_count(map), i + 1);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_ptr_equal(tp_map_get_str(map, key), &values[i]);
    }
    assert_true(failures >= 1000);
    tp_map_free(map, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get_remove),
        cmocka_unit_test(test_keys_are_bytes),
        cmocka_unit_test(test_many_in_order),
        cmocka_unit_test(test_free_releases_values),
        cmocka_unit_test(test_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
