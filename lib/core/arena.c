/* One block that doubles, rather than a chain of chunks: walking the contents in order is a scan of
 * memory, an address is 32 bits in an index slot, and emptying is one assignment. The price is a
 * copy on growth (remapped pages for large blocks). */
#include "core/arena.h"

#include <stdlib.h>

#define MIN_UNITS 16u
#define KEEP_UNITS 8192u /* 64 KB are never given back */
#define PATIENCE 64u

void tp_arena_free(tp_arena *arena) {
    free(arena->data);
    *arena = (tp_arena){NULL, 0, 0, 0};
}

bool tp_arena_reserve(tp_arena *arena, size_t bytes) {
    if (bytes > UINT32_MAX / 2) {
        return false;
    }
    if (tp_arena_fit(arena, bytes)) {
        return true;
    }
    uint64_t wanted = (uint64_t)arena->used + tp_arena_units(bytes);
    uint64_t capacity = arena->capacity < MIN_UNITS ? MIN_UNITS : arena->capacity;
    while (capacity < wanted) {
        capacity *= 2;
    }
    if (capacity > UINT32_MAX) {
        return false;
    }
    char *data = realloc(arena->data, (size_t)capacity * TP_ARENA_UNIT);
    if (data == NULL) {
        return false;
    }
    arena->data = data;
    arena->capacity = (uint32_t)capacity;
    return true;
}

void tp_arena_clear(tp_arena *arena) {
    bool wasteful = arena->capacity > KEEP_UNITS && arena->used < arena->capacity / 16;
    arena->slack = wasteful ? arena->slack + 1 : 0;
    arena->used = 0;
    if (arena->slack >= PATIENCE) {
        tp_arena_free(arena);
    }
}
