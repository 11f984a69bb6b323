/* Salts and times of validators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache_validators.h"
#include "oom.h"

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_salts_differ(void **state) {
    (void)state;
    tp_cache_validators *all = calloc(1, sizeof *all);
    static uint64_t salts[TP_CACHE_VALIDATORS * 2];
    size_t count = 0;
    for (uint32_t number = 0; number < TP_CACHE_VALIDATORS; number++) {
        salts[count++] = tp_cache_validators_salt(all, number);
        if (number % 2 == 0) {
            tp_cache_validators_invalidate(all, number);
        } else {
            tp_cache_validators_set(all, number, 1 + number % 3, 0);
        }
        salts[count++] = tp_cache_validators_salt(all, number);
    }
    qsort(salts, count, sizeof salts[0], compare);
    for (size_t i = 1; i < count; i++) {
        assert_true(salts[i] != salts[i - 1]);
    }
    tp_cache_validators_free(all);
    free(all);
}

static void test_version_and_generation(void **state) {
    (void)state;
    tp_cache_validators *all = calloc(1, sizeof *all);
    uint64_t first = tp_cache_validators_salt(all, 5);
    assert_true(tp_cache_validators_bytes(all) == 0);
    assert_true(tp_cache_validators_set(all, 5, 9, 1234));
    assert_true(tp_cache_validators_bytes(all) > 0);
    assert_true(tp_cache_validators_salt(all, 5) != first);
    assert_true(tp_cache_validators_ttl(all, 5) == 1234);
    assert_true(tp_cache_validators_ttl(all, 6) == 0 && tp_cache_validators_ttl(all, 60000) == 0);
    assert_true(tp_cache_validators_set(all, 5, 0, 0));
    assert_true(tp_cache_validators_salt(all, 5) == first);
    assert_true(tp_cache_validators_invalidate(all, 5));
    uint64_t second = tp_cache_validators_salt(all, 5);
    tp_snapshot_validator saved = {5, 1};
    assert_true(tp_cache_validators_take(all, &saved));
    assert_true(tp_cache_validators_salt(all, 5) != second);
    saved.number = 7;
    assert_true(tp_cache_validators_take(all, &saved));
    assert_true(tp_cache_validators_take(all, &saved));
    tp_snapshot_validator *list = NULL;
    uint32_t count = 0;
    assert_true(tp_cache_validators_list(all, &list, &count));
    assert_int_equal(count, 2);
    assert_true(list[1].number == 7 && list[1].generation == 1);
    free(list);
    saved.number = UINT32_MAX;
    assert_true(tp_cache_validators_take(all, &saved));
    tp_cache_validators_free(all);
    free(all);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_cache_validators *all = calloc(1, sizeof *all);
    tp_snapshot_validator saved = {5, 1};
    oom_fail_from(1);
    assert_false(tp_cache_validators_set(all, 5, 9, 0));
    assert_false(tp_cache_validators_invalidate(all, 5));
    assert_false(tp_cache_validators_take(all, &saved));
    assert_true(oom_reset());
    tp_cache_validators_invalidate(all, 5);
    tp_snapshot_validator *list = NULL;
    uint32_t count = 0;
    oom_fail_at(1);
    assert_false(tp_cache_validators_list(all, &list, &count));
    assert_true(oom_reset());
    tp_cache_validators_free(all);
    free(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_salts_differ),
        cmocka_unit_test(test_version_and_generation),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
