/* One counter of arrivals and a table of the last arrival per slot. A token is the counter's value;
 * a key is clean when neither its slot nor the floor has passed the token. A number that the
 * counter has not reached is no token of this fence, and proves nothing.
 *
 * Why no lock is needed: a mark raises the counter before it writes the slot. A reader that begins
 * in between gets a token that covers the mark, and rightly so, because the change was visible
 * before it arrived. A reader that checks in between passes, but the batch of that change is yet to
 * be delivered and will delete what the reader put. For the same reasons one number serves all keys
 * of a change, or of many changes, and it may be drawn long before the slots are written.
 *
 * Slots are seldom near, and what writes them atomically waits for all that was written before. So
 * marks are noted, fetched ahead, and written some dozens at a time.
 *
 * Slots only grow (compare and swap), whoever marks. Eight bytes a slot; with 65,536 slots and n
 * keys marked during a fill, a check fails needlessly with a probability of about n / 65,536. */
#include "core/fence.h"

#include <stdatomic.h>
#include <stdlib.h>

struct tp_fence {
    tp_hash_key key;
    uint32_t mask;
    atomic_uint_fast64_t floor;
    atomic_uint_fast64_t arrivals;
    atomic_uint_fast64_t slots[];
};

static uint32_t power_of_two(uint32_t wanted) {
    uint32_t power = 1;
    while (power < wanted && power < UINT32_C(1) << 31) {
        power *= 2;
    }
    return power;
}

tp_fence *tp_fence_new(uint32_t slots, const tp_hash_key *key) {
    uint32_t count = power_of_two(slots);
    tp_fence *fence = calloc(1, sizeof *fence + count * sizeof fence->slots[0]);
    if (fence == NULL) {
        return NULL;
    }
    fence->key = *key;
    fence->mask = count - 1;
    atomic_init(&fence->floor, 0);
    atomic_init(&fence->arrivals, 1);
    return fence;
}

void tp_fence_free(tp_fence *fence) {
    free(fence);
}

uint64_t tp_fence_begin(const tp_fence *fence) {
    return atomic_load(&fence->arrivals);
}

uint32_t tp_fence_slot(const tp_fence *fence, const char *key, size_t length) {
    return (uint32_t)tp_hash64(&fence->key, key, length) & fence->mask;
}

bool tp_fence_check(const tp_fence *fence, uint64_t token, const char *key, size_t length) {
    const atomic_uint_fast64_t *slot = &fence->slots[tp_fence_slot(fence, key, length)];
    return atomic_load(slot) <= token && atomic_load(&fence->floor) <= token &&
           token <= atomic_load_explicit(&fence->arrivals, memory_order_relaxed);
}

static void raise_to(atomic_uint_fast64_t *place, uint64_t number) {
    uint_fast64_t seen = atomic_load_explicit(place, memory_order_relaxed);
    while (seen < number && !atomic_compare_exchange_weak(place, &seen, number)) {
        continue;
    }
}

void tp_fence_fetch(const tp_fence *fence, uint32_t slot) {
    __builtin_prefetch(&fence->slots[slot], 1);
}

uint64_t tp_fence_arrive(tp_fence *fence) {
    return atomic_fetch_add(&fence->arrivals, 1) + 1;
}

void tp_fence_write(tp_fence *fence, tp_fence_marks *marks) {
    uint64_t arrival = marks->count == 0 ? 0 : tp_fence_arrive(fence);
    for (uint32_t i = 0; i < marks->count; i++) {
        raise_to(&fence->slots[marks->slots[i]], arrival);
    }
    marks->count = 0;
}

void tp_fence_note(tp_fence *fence, tp_fence_marks *marks, uint32_t slot) {
    if (marks->count == TP_FENCE_MARKS) {
        tp_fence_write(fence, marks);
    }
    marks->slots[marks->count++] = slot;
}

void tp_fence_mark(tp_fence *fence, const char *key, size_t length) {
    raise_to(&fence->slots[tp_fence_slot(fence, key, length)], tp_fence_arrive(fence));
}

void tp_fence_mark_all(tp_fence *fence) {
    raise_to(&fence->floor, tp_fence_arrive(fence));
}
