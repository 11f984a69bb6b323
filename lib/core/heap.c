/* The textbook heap (Williams, "Algorithm 232: Heapsort", 1964) over pointers. Room is reserved
 * apart from pushing, so that the step which commits something never fails. */
#include "core/heap.h"

#include <stdlib.h>

#include "base/array.h"

void tp_heap_free(tp_heap *heap) {
    free(heap->nodes);
    *heap = (tp_heap){NULL, 0, 0};
}

bool tp_heap_reserve(tp_heap *heap, uint32_t count) {
    tp_heap_node **nodes =
        tp_array_reserve(heap->nodes, &heap->capacity, count, sizeof *heap->nodes);
    if (nodes == NULL) {
        return false;
    }
    heap->nodes = nodes;
    return true;
}

static void put(tp_heap *heap, uint32_t at, tp_heap_node *node) {
    heap->nodes[at] = node;
    node->at = at;
}

static void sift_up(tp_heap *heap, uint32_t at, tp_heap_node *node) {
    while (at > 0 && heap->nodes[(at - 1) / 2]->rank > node->rank) {
        put(heap, at, heap->nodes[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, node);
}

static void sift_down(tp_heap *heap, uint32_t at, tp_heap_node *node) {
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < heap->count && heap->nodes[child + 1]->rank < heap->nodes[child]->rank) {
            child++;
        }
        if (child >= heap->count || heap->nodes[child]->rank >= node->rank) {
            break;
        }
        put(heap, at, heap->nodes[child]);
        at = child;
    }
    put(heap, at, node);
}

void tp_heap_push(tp_heap *heap, tp_heap_node *node, uint64_t rank) {
    node->rank = rank;
    sift_up(heap, heap->count++, node);
}

void tp_heap_remove(tp_heap *heap, tp_heap_node *node) {
    if (node->at == TP_HEAP_NOWHERE) {
        return;
    }
    uint32_t at = node->at;
    tp_heap_node *last = heap->nodes[--heap->count];
    node->at = TP_HEAP_NOWHERE;
    if (last == node) {
        return;
    }
    if (at > 0 && heap->nodes[(at - 1) / 2]->rank > last->rank) {
        sift_up(heap, at, last);
    } else {
        sift_down(heap, at, last);
    }
}

tp_heap_node *tp_heap_top(const tp_heap *heap) {
    return heap->count == 0 ? NULL : heap->nodes[0];
}

uint64_t tp_heap_rank(const tp_heap *heap) {
    return heap->count == 0 ? UINT64_MAX : heap->nodes[0]->rank;
}
