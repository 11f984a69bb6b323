/* Advice about large blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pages.h"

static void test_what_was_discarded_reads_as_zero(void **state) {
    (void)state;
    size_t size = (size_t)5 << 20;
    unsigned char *block = malloc(size);
    tp_pages_prefer_large(block, size);
    memset(block, 7, size);
    tp_pages_discard(block, size);
    assert_int_equal(block[size / 2], 0);
    assert_int_equal(block[0] == 7 || block[0] == 0, 1);
    block[size / 2] = 9;
    assert_int_equal(block[size / 2], 9);
    free(block);
}

static void test_small_blocks_are_left_alone(void **state) {
    (void)state;
    unsigned char block[100];
    memset(block, 7, sizeof block);
    tp_pages_prefer_large(block, sizeof block);
    tp_pages_discard(block, sizeof block);
    assert_int_equal(block[50], 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_discarded_reads_as_zero),
        cmocka_unit_test(test_small_blocks_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
