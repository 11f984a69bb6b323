/* A binary min-heap of nodes that live inside other structs, each of which knows its place, so that
 * any of them can be removed: due times, low-water marks. */
#ifndef TP_CORE_HEAP_H
#define TP_CORE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#define TP_HEAP_NOWHERE UINT32_MAX

typedef struct tp_heap_node {
    uint64_t rank;
    uint32_t at; /* TP_HEAP_NOWHERE: in no heap */
} tp_heap_node;

typedef struct tp_heap {
    tp_heap_node **nodes;
    uint32_t count;
    uint32_t capacity;
} tp_heap;

/* A heap of zeroes is empty. Releases its memory, not the nodes. */
void tp_heap_free(tp_heap *heap);
/* Room for so many nodes in all: pushing up to there cannot fail. False when memory is short. */
bool tp_heap_reserve(tp_heap *heap, uint32_t count);
void tp_heap_push(tp_heap *heap, tp_heap_node *node, uint64_t rank);
void tp_heap_remove(tp_heap *heap, tp_heap_node *node); /* no effect when it is nowhere */
tp_heap_node *tp_heap_top(const tp_heap *heap);         /* NULL when empty */
uint64_t tp_heap_rank(const tp_heap *heap);             /* of the top; UINT64_MAX when empty */

#endif
