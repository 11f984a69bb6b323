/* The distinct cache keys of a window. */
#ifndef TP_CORE_KEYSET_H
#define TP_CORE_KEYSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/slots.h"

#define TP_KEY_NONE UINT32_MAX

typedef struct tp_key {
    uint64_t hash;
    uint64_t arrival;     /* number of the oldest change behind it */
    uint64_t lsn;         /* of the newest; TP_LSN_UNKNOWN */
    uint32_t interval_ms; /* 0: not limited */
    uint32_t length;
    uint32_t limit; /* of the one who closes the window: handle in the limiter */
    uint32_t fate;
    char bytes[]; /* NUL-terminated */
} tp_key;

/* A set of zeroes is empty. Handles stay valid until it is cleared, pointers until the next
 * reservation. */
typedef struct tp_keyset {
    tp_arena arena;
    tp_slots slots;
} tp_keyset;

void tp_keyset_free(tp_keyset *set);
void tp_keyset_clear(tp_keyset *set);
uint32_t tp_keyset_count(const tp_keyset *set);

/* The handle of a key, or TP_KEY_NONE. hash is that of the bytes under the caller's key. */
uint32_t tp_keyset_find(const tp_keyset *set, const char *bytes, uint32_t length, uint64_t hash);
/* Room for so many more keys with so many bytes in all: adding them cannot fail. */
bool tp_keyset_reserve(tp_keyset *set, uint32_t keys, size_t bytes);
/* Adds a key that is not there. */
uint32_t tp_keyset_add(tp_keyset *set, const char *bytes, uint32_t length, uint64_t hash);

static inline tp_key *tp_keyset_at(const tp_keyset *set, uint32_t handle) {
    return tp_arena_at(&set->arena, handle);
}

/* In the order of adding: NULL gives the first, the last gives NULL. */
tp_key *tp_keyset_next(const tp_keyset *set, const tp_key *key);
uint64_t tp_keyset_bytes(const tp_keyset *set);

#endif
