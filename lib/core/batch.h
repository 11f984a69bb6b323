/* Making batches. Reading them is declared in core/pipeline.h. A batch holds copies of everything,
 * so that it outlives the pipeline and can be read without its lock. */
#ifndef TP_CORE_BATCH_H
#define TP_CORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/coalescer.h"
#include "core/heap.h"
#include "core/pipeline.h"

/* Where a batch is on its way to the host; kept by core/delivery. */
typedef struct tp_batch_link {
    tp_batch *batch; /* whose link it is */
    tp_batch *previous;
    tp_batch *next;
    tp_heap_node hold;  /* by arrival */
    tp_heap_node retry; /* by time */
    uint64_t arrival;   /* of the oldest change in it */
    uint64_t number;
    uint32_t attempt;
} tp_batch_link;

/* Adding is done without looking; sealing tells whether memory sufficed. */
tp_batch *tp_batch_new(tp_batch_reason reason); /* NULL when memory is short */
/* Room for so many, so that they need not be moved as the batch grows. */
void tp_batch_expect(tp_batch *batch, uint32_t keys, uint32_t changes);
void tp_batch_add_key(tp_batch *batch, const char *bytes, size_t length);
void tp_batch_add_delta(tp_batch *batch, const tp_delta *delta);
/* A table to resync. Everything is copied; prefixes need not be distinct. */
typedef struct tp_batch_entry {
    const char *table;
    tp_resync_level level;
    const char *const *templates;
    uint32_t template_count;
    const char *const *prefixes;
    uint32_t prefix_count;
} tp_batch_entry;
void tp_batch_add_resync(tp_batch *batch, const tp_batch_entry *entry);
/* As if memory had been short. */
void tp_batch_fail(tp_batch *batch);
/* Raises the commit position (TP_LSN_UNKNOWN is the highest) and the tag to at least these. */
void tp_batch_raise(tp_batch *batch, uint64_t lsn, uint64_t tag);
/* Whether memory was short so far. */
bool tp_batch_failed(const tp_batch *batch);
/* Sorts the keys and sets the position. False when memory was short: the batch is incomplete. */
bool tp_batch_seal(tp_batch *batch, const char *position);

tp_batch_link *tp_batch_link_of(tp_batch *batch);
/* Another attempt: the number of attempts in the JSON text changes. */
void tp_batch_forget_json(tp_batch *batch);
uint64_t tp_batch_bytes(const tp_batch *batch);

#endif
