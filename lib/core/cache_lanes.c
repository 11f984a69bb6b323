/* Sixteen lanes, each of the first thread that claims it, which then counts with plain loads and
 * stores, and one lane for all who found none free, with atomic additions. A counter that two cores
 * raise in turn costs more than a lookup. Lanes are never given back: a thread that comes after
 * another one usually has its identity, too. */
#include "core/cache_lanes.h"

#include <stdlib.h>

#define LANES 16u
#define LINE 64u

bool tp_lanes_init(tp_lanes *lanes) {
    lanes->memory = calloc(LANES + 2, LINE);
    if (lanes->memory == NULL) {
        return false;
    }
    uintptr_t start = ((uintptr_t)lanes->memory + LINE - 1) / LINE * LINE;
    lanes->lane = (tp_lane *)start;
    return true;
}

void tp_lanes_free(tp_lanes *lanes) {
    free(lanes->memory);
}

uint64_t tp_lanes_bytes(void) {
    return (LANES + 2) * LINE;
}

tp_lane *tp_lanes_claim(const tp_lanes *lanes, uintptr_t thread) {
    for (uint32_t n = 0; n < LANES; n++) {
        tp_lane *lane = &lanes->lane[(tp_lanes_first(thread) + n) % LANES];
        uintptr_t owner = atomic_load_explicit(&lane->owner, memory_order_relaxed);
        if (owner == thread ||
            (owner == 0 && atomic_compare_exchange_strong(&lane->owner, &owner, thread))) {
            return lane;
        }
    }
    return &lanes->lane[LANES];
}

void tp_lanes_count_elsewhere(const tp_lanes *lanes, uintptr_t thread, tp_lane_counter counter,
                              uint64_t count) {
    tp_lane_add(tp_lanes_claim(lanes, thread), thread, counter, count);
}

uint64_t tp_lanes_sum(const tp_lanes *lanes, tp_lane_counter counter) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= LANES; i++) {
        sum += atomic_load_explicit(&lanes->lane[i].counters[counter], memory_order_relaxed);
    }
    return sum;
}
