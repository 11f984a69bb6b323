/* The indexed heap, against a sorted array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/heap.h"
#include "oom.h"
#include "prng.h"

#define NODES 300u

static uint64_t lowest(const tp_heap_node *nodes) {
    uint64_t low = UINT64_MAX;
    for (uint32_t i = 0; i < NODES; i++) {
        if (nodes[i].at != TP_HEAP_NOWHERE && nodes[i].rank < low) {
            low = nodes[i].rank;
        }
    }
    return low;
}

static void test_top_is_always_the_lowest(void **state) {
    (void)state;
    tp_heap heap = {NULL, 0, 0};
    tp_heap_node nodes[NODES];
    uint64_t random = 3;
    uint32_t inside = 0;
    assert_true(tp_heap_reserve(&heap, NODES));
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i] = (tp_heap_node){0, TP_HEAP_NOWHERE};
    }
    for (int step = 0; step < 20000; step++) {
        tp_heap_node *node = &nodes[prng_below(&random, NODES)];
        if (node->at == TP_HEAP_NOWHERE) {
            tp_heap_push(&heap, node, prng_below(&random, 1000));
            inside++;
        } else {
            tp_heap_remove(&heap, node);
            inside--;
        }
        assert_int_equal(heap.count, inside);
        assert_int_equal(tp_heap_rank(&heap), lowest(nodes));
    }
    tp_heap_free(&heap);
}

static void test_empty(void **state) {
    (void)state;
    tp_heap heap = {NULL, 0, 0};
    tp_heap_node node = {1, TP_HEAP_NOWHERE};
    assert_null(tp_heap_top(&heap));
    assert_int_equal(tp_heap_rank(&heap), UINT64_MAX);
    tp_heap_remove(&heap, &node);
    assert_true(tp_heap_reserve(&heap, 1));
    tp_heap_push(&heap, &node, 5);
    assert_ptr_equal(tp_heap_top(&heap), &node);
    tp_heap_remove(&heap, &node);
    assert_null(tp_heap_top(&heap));
    tp_heap_free(&heap);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_heap heap = {NULL, 0, 0};
    oom_fail_at(1);
    assert_false(tp_heap_reserve(&heap, 4));
    assert_true(oom_reset());
    assert_true(tp_heap_reserve(&heap, 4));
    tp_heap_free(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_is_always_the_lowest),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
