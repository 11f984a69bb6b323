/* The index of a hash table whose elements live elsewhere: from a 64-bit hash to 32-bit handles.
 * Open addressing, eight bytes a slot, emptied in one step. Looking up is inline because it is the
 * whole cost of coalescing. */
#ifndef TP_CORE_SLOTS_H
#define TP_CORE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
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

/* Whether so many more fit without growing. */
static inline bool tp_slots_fit(const tp_slots *slots, uint32_t more) {
    uint64_t size = slots->table == NULL ? 0 : (uint64_t)slots->mask + 1;
    return ((uint64_t)slots->count + more) * 2 <= size;
}

/* Ahead of a lookup: asks for the memory that it starts with. */
static inline void tp_slots_prefetch(const tp_slots *slots, uint64_t hash) {
    if (slots->table != NULL) {
        __builtin_prefetch(&slots->table[(uint32_t)hash & slots->mask]);
    }
}

/* The most likely candidate for a hash, without a branch that depends on the contents, or
 * otherwise: for asking for memory ahead of the lookup. Something must have been put in. */
static inline uint32_t tp_slots_guess(const tp_slots *slots, uint64_t hash, uint32_t otherwise) {
    uint32_t at = (uint32_t)hash & slots->mask;
    uint32_t label = slots->generation << 16 | (uint32_t)(hash >> 48);
    uint64_t first = slots->table[at];
    uint64_t second = slots->table[(at + 1) & slots->mask];
    uint32_t is_first = 0u - (uint32_t)(first >> 32 == label); /* masks, lest it become branches */
    uint32_t is_second = 0u - (uint32_t)(second >> 32 == label);
    uint32_t guess = ((uint32_t)second & is_second) | (otherwise & ~is_second);
    return ((uint32_t)first & is_first) | (guess & ~is_first);
}

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

/* Puts an element where a probe, after the last candidate, has found that it belongs. Needs room.
 */
static inline void tp_slots_fill(tp_slots *slots, const tp_probe *probe, uint32_t handle) {
    slots->table[probe->at] = (uint64_t)probe->label << 32 | handle;
    slots->count++;
}

#endif
