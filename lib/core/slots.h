/* The index of a hash table whose elements live elsewhere: from a 64-bit hash to 32-bit handles.
 * Open addressing, eight bytes a slot, emptied in one step. Looking up is inline because it is the
 * whole cost of coalescing. */
#ifndef TP_CORE_SLOTS_H
#define TP_CORE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

/* A slot: 16 bits of generation, 16 bits of the hash, 32 bits of handle. */
typedef struct tp_slots {
    uint64_t *table; /* NULL: nothing was ever put in */
    uint32_t mask;
    uint32_t count;
    uint32_t generation;
    uint32_t slack; /* how often it was emptied nearly unused */
} tp_slots;

/* The hash of an element, for growing and removing. */
typedef uint64_t (*tp_slots_hash)(const void *user, uint32_t handle);

/* An index of zeroes is empty. */
void tp_slots_free(tp_slots *slots);
/* Room for so many more: putting them in cannot fail. False when memory is short. */
bool tp_slots_reserve(tp_slots *slots, uint32_t more, tp_slots_hash hash_of, const void *user);
void tp_slots_put(tp_slots *slots, uint64_t hash, uint32_t handle);
void tp_slots_remove(tp_slots *slots, uint64_t hash, uint32_t handle, tp_slots_hash hash_of,
                     const void *user);
void tp_slots_clear(tp_slots *slots);

/* Candidates for a hash, to be compared by the caller:
 *     tp_probe probe = tp_slots_probe(slots, hash);
 *     while (tp_slots_next(slots, &probe, &handle)) ... */
typedef struct tp_probe {
    uint32_t at;
    uint32_t label;
} tp_probe;

static inline tp_probe tp_slots_probe(const tp_slots *slots, uint64_t hash) {
    return (tp_probe){(uint32_t)hash & slots->mask,
                      slots->generation << 16 | (uint32_t)(hash >> 48)};
}

static inline bool tp_slots_next(const tp_slots *slots, tp_probe *probe, uint32_t *handle) {
    if (slots->count == 0) {
        return false;
    }
    for (;;) {
        uint64_t slot = slots->table[probe->at];
        if (slot >> 48 != slots->generation) {
            return false;
        }
        probe->at = (probe->at + 1) & slots->mask;
        if (slot >> 32 == probe->label) {
            *handle = (uint32_t)slot;
            return true;
        }
    }
}

#endif
