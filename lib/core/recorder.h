/* What one thread has recorded: a cell for each series it touched, written by that thread alone and
 * read by whoever sums up. No lock, no read-modify-write, no cache line shared with another writer.
 *
 * The struct stands here because recording must be inlined into the public calls. */
#ifndef TP_CORE_RECORDER_H
#define TP_CORE_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/histogram.h"

#define TP_RECORDER_PAGE 64u

/* 3,480 bytes, of which recording touches two cache lines. */
typedef struct tp_shard {
    _Atomic uint64_t sum;
    _Atomic uint64_t max;
    _Atomic uint32_t counts[TP_HISTOGRAM_BUCKETS];
} tp_shard;

/* How often each 32-bit count of a shard has wrapped around. */
typedef struct tp_wraps {
    const tp_shard *shard;
    struct tp_wraps *next;
    _Atomic uint32_t counts[TP_HISTOGRAM_BUCKETS];
} tp_wraps;

typedef _Atomic uint64_t tp_tally;

/* Where a cell is: a tp_shard or tp_tally, as the series says. */
typedef _Atomic(void *) tp_place;

typedef struct tp_recorder_page {
    tp_place cells[TP_RECORDER_PAGE + 1]; /* the last is the recorder, told by an odd address */
    uint64_t shards;                      /* which of them are, a bit each */
} tp_recorder_page;

/* Memory that cells are cut from, so that cells of two threads never share a cache line. */
typedef struct tp_slab {
    struct tp_slab_block *blocks;
    char *next;
    uint32_t left;   /* cells */
    uint32_t growth; /* cells of the next block */
} tp_slab;

typedef struct tp_recorder {
    uintptr_t owner;               /* the registry's address */
    void *host;                    /* for the caller */
    char *memory;                  /* what this stands in, from the allocator */
    _Atomic uint32_t carrying;     /* odd while a count wraps around */
    _Atomic uint64_t negative;     /* durations below 0, recorded as 0 */
    _Atomic uint64_t lost;         /* not recorded because memory was short */
    tp_slab tallies;               /* touched by the recording thread alone */
    _Atomic(tp_wraps *) wraps;     /* of the shards that have any */
    struct tp_recorder *next;      /* of all, and */
    struct tp_recorder *next_free; /* of those without a thread; both are the registry's */
    uint32_t page_count;
    _Atomic(tp_recorder_page *) pages[];
} tp_recorder;

/* For series with slots below max_slots; NULL when memory is short. */
tp_recorder *tp_recorder_new(uintptr_t owner, uint32_t max_slots);
void tp_recorder_free(tp_recorder *recorder);

/* The recording thread's cell of a slot, NULL when it has none yet. */
static inline void *tp_recorder_cell(tp_recorder *recorder, uint32_t slot) {
    tp_recorder_page *page =
        atomic_load_explicit(&recorder->pages[slot / TP_RECORDER_PAGE], memory_order_relaxed);
    return atomic_load_explicit(&page->cells[slot % TP_RECORDER_PAGE], memory_order_relaxed);
}

/* Where the cell of a slot is, when there is one; and from there the recorder. */
tp_place *tp_recorder_place(tp_recorder *recorder, uint32_t slot);
tp_recorder *tp_recorder_of(const tp_place *place);

/* Makes that cell; NULL when memory is short (counted as lost). */
tp_shard *tp_recorder_add_shard(tp_recorder *recorder, uint32_t slot);
tp_tally *tp_recorder_add_tally(tp_recorder *recorder, uint32_t slot);

/* The whole record for a count that is full: carries it. */
void tp_recorder_carry(tp_recorder *recorder, tp_shard *shard, uint64_t ns);

/* False, and nothing recorded, when the count is full. */
static inline bool tp_shard_record(tp_shard *shard, uint64_t ns) {
    uint32_t bucket = tp_histogram_bucket(ns);
    uint32_t count = atomic_load_explicit(&shard->counts[bucket], memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&shard->sum, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&shard->max, memory_order_relaxed);
    if (__builtin_expect(count == UINT32_MAX, 0)) {
        return false;
    }
    atomic_store_explicit(&shard->counts[bucket], count + 1, memory_order_relaxed);
    atomic_store_explicit(&shard->sum, tp_sum_saturating(sum, ns), memory_order_relaxed);
    if (ns > max) {
        atomic_store_explicit(&shard->max, ns, memory_order_relaxed);
    }
    return true;
}

static inline void tp_recorder_record(tp_recorder *recorder, tp_shard *shard, uint64_t ns) {
    if (__builtin_expect(!tp_shard_record(shard, ns), 0)) {
        tp_recorder_carry(recorder, shard, ns);
    }
}

static inline void tp_tally_add(tp_tally *tally, uint64_t amount) {
    uint64_t before = atomic_load_explicit(tally, memory_order_relaxed);
    atomic_store_explicit(tally, tp_sum_saturating(before, amount), memory_order_relaxed);
}

/* From any thread: adds what a slot holds to a histogram, or returns its tally. */
void tp_recorder_sum(const tp_recorder *recorder, uint32_t slot, tp_histogram *into);
uint64_t tp_recorder_tally(const tp_recorder *recorder, uint32_t slot);

#endif
