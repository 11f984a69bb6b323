/* Linear probing at a load of at most one half; one cache line holds eight slots, so that a lookup
 * touches one line of the index and one of the element. A slot counts as empty when its generation
 * is not the present one: emptying a table of any size is an increment, and every 65,535th time a
 * memset. Sixteen bits of the hash in the slot spare all but one in 65,536 comparisons of elements
 * that are not the one sought.
 *
 * Removing shifts later elements of the run back (Knuth, "The Art of Computer Programming", 6.4,
 * Algorithm R), so that there are no tombstones to sweep. */
#include "core/slots.h"

#include <stdlib.h>
#include <string.h>

#define MIN_SLOTS 16u
#define KEEP_SLOTS 8192u /* 64 KB are never given back */
#define PATIENCE 64u

void tp_slots_free(tp_slots *slots) {
    free(slots->table);
    *slots = (tp_slots){NULL, 0, 0, 0, 0};
}

static bool is_empty(const tp_slots *slots, uint32_t at) {
    return slots->table[at] >> 48 != slots->generation;
}

static void place(tp_slots *slots, uint64_t hash, uint32_t handle) {
    uint32_t at = (uint32_t)hash & slots->mask;
    while (!is_empty(slots, at)) {
        at = (at + 1) & slots->mask;
    }
    uint32_t label = slots->generation << 16 | (uint32_t)(hash >> 48);
    slots->table[at] = (uint64_t)label << 32 | handle;
}

static bool grow(tp_slots *slots, uint64_t size, tp_slots_hash hash_of, const void *user) {
    uint64_t *table = size > UINT32_C(1) << 31 ? NULL : calloc((size_t)size, sizeof *table);
    if (table == NULL) {
        return false;
    }
    tp_slots old = *slots;
    *slots = (tp_slots){table, (uint32_t)size - 1, old.count, 1, 0};
    for (uint64_t at = 0; old.table != NULL && at <= old.mask; at++) {
        if (!is_empty(&old, (uint32_t)at)) {
            uint32_t handle = (uint32_t)old.table[at];
            place(slots, hash_of(user, handle), handle);
        }
    }
    free(old.table);
    return true;
}

bool tp_slots_reserve(tp_slots *slots, uint32_t more, tp_slots_hash hash_of, const void *user) {
    if (tp_slots_fit(slots, more)) {
        return true;
    }
    uint64_t size = slots->table == NULL ? 0 : (uint64_t)slots->mask + 1;
    uint64_t wanted = ((uint64_t)slots->count + more) * 2;
    uint64_t larger = size < MIN_SLOTS ? MIN_SLOTS : size;
    while (larger < wanted) {
        larger *= 2;
    }
    return grow(slots, larger, hash_of, user);
}

void tp_slots_put(tp_slots *slots, uint64_t hash, uint32_t handle) {
    place(slots, hash, handle);
    slots->count++;
}

/* Whether an element whose home is `home` may not stand at `at` once `hole` is empty: its home lies
 * cyclically at or before the hole. */
static bool reaches(uint32_t home, uint32_t hole, uint32_t at, uint32_t mask) {
    return ((at - home) & mask) >= ((at - hole) & mask);
}

static void close_gap(tp_slots *slots, uint32_t hole, tp_slots_hash hash_of, const void *user) {
    for (uint32_t at = (hole + 1) & slots->mask; !is_empty(slots, at);
         at = (at + 1) & slots->mask) {
        uint32_t home = (uint32_t)hash_of(user, (uint32_t)slots->table[at]) & slots->mask;
        if (reaches(home, hole, at, slots->mask)) {
            slots->table[hole] = slots->table[at];
            hole = at;
        }
    }
    slots->table[hole] = 0;
}

void tp_slots_remove(tp_slots *slots, uint64_t hash, uint32_t handle, tp_slots_hash hash_of,
                     const void *user) {
    if (slots->count == 0) {
        return;
    }
    for (uint32_t at = (uint32_t)hash & slots->mask; !is_empty(slots, at);
         at = (at + 1) & slots->mask) {
        if ((uint32_t)slots->table[at] == handle) {
            close_gap(slots, at, hash_of, user);
            slots->count--;
            return;
        }
    }
}

void tp_slots_clear(tp_slots *slots) {
    if (slots->table == NULL) {
        return;
    }
    bool wasteful = slots->mask >= KEEP_SLOTS && slots->count < slots->mask / 32;
    slots->slack = wasteful ? slots->slack + 1 : 0;
    slots->count = 0;
    if (slots->slack >= PATIENCE) {
        tp_slots_free(slots);
    } else if (++slots->generation > UINT16_MAX) {
        memset(slots->table, 0, ((size_t)slots->mask + 1) * sizeof *slots->table);
        slots->generation = 1;
    }
}
