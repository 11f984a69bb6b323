/* The median of the last sixty, against sorting them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/usual.h"
#include "prng.h"

static int compare(const void *a, const void *b) {
    const double *left = a;
    const double *right = b;
    return *left < *right ? -1 : *left > *right;
}

static void test_median_of_the_last(void **state) {
    (void)state;
    static double all[500];
    tp_usual usual = {.count = 0};
    uint64_t random = 9;
    double got = -1;
    for (uint32_t i = 0; i < 500; i++) {
        all[i] = (double)prng_below(&random, 1000);
        tp_usual_put(&usual, all[i]);
        if (i + 1 < TP_USUAL_FEWEST) {
            assert_false(tp_usual_get(&usual, &got));
            continue;
        }
        double sorted[TP_USUAL_VALUES];
        uint32_t count = i + 1 < TP_USUAL_VALUES ? i + 1 : TP_USUAL_VALUES;
        for (uint32_t j = 0; j < count; j++) {
            sorted[j] = all[i - j];
        }
        qsort(sorted, count, sizeof *sorted, compare);
        double wanted =
            count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
        assert_true(tp_usual_get(&usual, &got));
        assert_true(got >= wanted && got <= wanted);
    }
}

static void test_outliers_do_not_move_it(void **state) {
    (void)state;
    tp_usual usual = {.count = 0};
    double got = -1;
    for (int i = 0; i < 60; i++) {
        tp_usual_put(&usual, i % 10 == 0 ? 1e9 : 5);
    }
    assert_true(tp_usual_get(&usual, &got));
    assert_true(got > 4.9 && got < 5.1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median_of_the_last),
        cmocka_unit_test(test_outliers_do_not_move_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
