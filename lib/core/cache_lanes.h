/* Counters that many threads raise without disturbing each other. */
#ifndef TP_CORE_CACHE_LANES_H
#define TP_CORE_CACHE_LANES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum tp_lane_counter {
    TP_LANE_HITS,
    TP_LANE_MISSES,
    TP_LANE_INSERTED,
    TP_LANE_EVICTED,
    TP_LANE_EXPIRED,
    TP_LANE_REMOVED,  /* by somebody's wish */
    TP_LANE_REPLACED, /* inserted, and something evicted for it */
    TP_LANE_COUNTERS
} tp_lane_counter;

/* One cache line. */
typedef struct tp_lane {
    _Atomic uintptr_t owner; /* 0: nobody yet; of the last lane: everybody */
    _Atomic uint64_t counters[TP_LANE_COUNTERS];
} tp_lane;

typedef struct tp_lanes {
    tp_lane *lane;
    void *memory;
} tp_lanes;

bool tp_lanes_init(tp_lanes *lanes); /* false when memory is short */
void tp_lanes_free(tp_lanes *lanes);
uint64_t tp_lanes_sum(const tp_lanes *lanes, tp_lane_counter counter);
uint64_t tp_lanes_bytes(void);

/* The lane of a thread, by the slow way. */
tp_lane *tp_lanes_claim(const tp_lanes *lanes, uintptr_t thread);
void tp_lanes_count_elsewhere(const tp_lanes *lanes, uintptr_t thread, tp_lane_counter counter,
                              uint64_t count);

static inline uint32_t tp_lanes_first(uintptr_t thread) {
    return (uint32_t)((uint64_t)thread * UINT64_C(0x9E3779B97F4A7C15) >> 60);
}

static inline tp_lane *tp_lanes_of(const tp_lanes *lanes, uintptr_t thread) {
    tp_lane *lane = &lanes->lane[tp_lanes_first(thread)];
    return atomic_load_explicit(&lane->owner, memory_order_relaxed) == thread
               ? lane
               : tp_lanes_claim(lanes, thread);
}

static inline void tp_lane_raise(_Atomic uint64_t *place, uint64_t count) {
    uint64_t sum = atomic_load_explicit(place, memory_order_relaxed) + count;
    atomic_store_explicit(place, sum, memory_order_relaxed);
}

static inline void tp_lane_add(tp_lane *lane, uintptr_t thread, tp_lane_counter counter,
                               uint64_t count) {
    _Atomic uint64_t *place = &lane->counters[counter];
    if (atomic_load_explicit(&lane->owner, memory_order_relaxed) == thread) {
        tp_lane_raise(place, count);
    } else {
        atomic_fetch_add_explicit(place, count, memory_order_relaxed);
    }
}

/* Both in one, for the calls that count in instructions. */
static inline void tp_lanes_count(const tp_lanes *lanes, uintptr_t thread, tp_lane_counter counter,
                                  uint64_t count) {
    tp_lane *lane = &lanes->lane[tp_lanes_first(thread)];
    if (__builtin_expect(atomic_load_explicit(&lane->owner, memory_order_relaxed) == thread, 1)) {
        tp_lane_raise(&lane->counters[counter], count);
    } else {
        tp_lanes_count_elsewhere(lanes, thread, counter, count);
    }
}

#endif
