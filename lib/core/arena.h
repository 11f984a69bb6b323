/* A bump allocator over one block, addressed by offsets, emptied in one step. */
#ifndef TP_CORE_ARENA_H
#define TP_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offsets count units of eight bytes: 32 bits reach 32 GB. An arena of zeroes is empty. */
typedef struct tp_arena {
    char *data;
    uint32_t used;
    uint32_t capacity;
    uint32_t slack; /* how often it was emptied nearly unused */
} tp_arena;

#define TP_ARENA_UNIT 8u

void tp_arena_free(tp_arena *arena);
/* Room for so many bytes taken in one piece or in pieces of whole units: taking them cannot fail.
 * Moves the block: pointers become invalid, offsets do not. False when memory is short. */
bool tp_arena_reserve(tp_arena *arena, size_t bytes);
/* Forgets everything. The memory is kept for the next round, unless many rounds needed little. */
void tp_arena_clear(tp_arena *arena);

static inline void *tp_arena_at(const tp_arena *arena, uint32_t offset) {
    return arena->data + (size_t)offset * TP_ARENA_UNIT;
}

static inline uint32_t tp_arena_units(size_t bytes) {
    return (uint32_t)((bytes + TP_ARENA_UNIT - 1) / TP_ARENA_UNIT);
}

/* Whether so many bytes are left without growing. */
static inline bool tp_arena_fit(const tp_arena *arena, size_t bytes) {
    return bytes <= UINT32_MAX / 2 &&
           (uint64_t)arena->used + tp_arena_units(bytes) <= arena->capacity;
}

/* Takes reserved bytes, aligned to eight; returns their offset. */
static inline uint32_t tp_arena_take(tp_arena *arena, size_t bytes) {
    uint32_t offset = arena->used;
    arena->used += tp_arena_units(bytes);
    return offset;
}

#endif
