/* Keys one after the other in an arena, each behind four bytes of length and kind, and a slot index
 * over them. A record costs its key, rounded up with those four bytes to eight, and 16 to 32 bytes
 * of index; the arena doubles. The hash is not kept: growing the index computes it anew, which
 * costs less than eight bytes a record would. */
#include "core/keybag.h"

#include <string.h>

#include "base/error.h"

#define KIND_SHIFT 28u
#define CACHE_LINE 64u

typedef struct kept {
    uint32_t head; /* kind << 28 | length */
    char bytes[];
} kept;

void tp_keybag_init(tp_keybag *bag, const tp_hash_key *key) {
    memset(bag, 0, sizeof *bag);
    bag->key = *key;
}

void tp_keybag_free(tp_keybag *bag) {
    tp_arena_free(&bag->arena);
    tp_slots_free(&bag->slots);
}

void tp_keybag_clear(tp_keybag *bag) {
    tp_arena_clear(&bag->arena);
    tp_slots_clear(&bag->slots);
}

uint64_t tp_keybag_hash(const tp_keybag *bag, const tp_record *record) {
    return tp_hash64(&bag->key, record->bytes, record->length) +
           record->kind * UINT64_C(0x9E3779B97F4A7C15);
}

static uint64_t hash_at(const void *user, uint32_t handle) {
    const tp_keybag *bag = user;
    const kept *k = tp_arena_at(&bag->arena, handle);
    tp_record record = {k->bytes, k->head & TP_RECORD_LENGTH_MAX, k->head >> KIND_SHIFT};
    return tp_keybag_hash(bag, &record);
}

void tp_keybag_foresee(const tp_keybag *bag, uint64_t hash) {
    tp_slots_prefetch(&bag->slots, hash);
}

void tp_keybag_approach(const tp_keybag *bag, uint64_t hash) {
    if (bag->slots.count > 0) {
        uint32_t guess = tp_slots_guess(&bag->slots, hash, bag->arena.used);
        const char *k = tp_arena_at(&bag->arena, guess);
        __builtin_prefetch(k);
        __builtin_prefetch(k + CACHE_LINE);
    }
}

static uint32_t head_of(const tp_record *record) {
    return record->kind << KIND_SHIFT | record->length;
}

static bool has(const tp_keybag *bag, const tp_record *record, uint64_t hash) {
    tp_probe probe = tp_slots_probe(&bag->slots, hash);
    for (uint32_t at = 0; tp_slots_next(&bag->slots, &probe, &at);) {
        const kept *k = tp_arena_at(&bag->arena, at);
        if (k->head == head_of(record) && memcmp(k->bytes, record->bytes, record->length) == 0) {
            return true;
        }
    }
    return false;
}

int32_t tp_keybag_add(tp_keybag *bag, const tp_record *record, uint64_t hash) {
    if (has(bag, record, hash)) {
        return 0;
    }
    size_t size = sizeof(kept) + record->length;
    if (!tp_arena_reserve(&bag->arena, size) || !tp_slots_reserve(&bag->slots, 1, hash_at, bag)) {
        return TRIGPERF_E_NOMEM;
    }
    uint32_t at = tp_arena_take(&bag->arena, size);
    kept *k = tp_arena_at(&bag->arena, at);
    k->head = head_of(record);
    if (record->length > 0) {
        memcpy(k->bytes, record->bytes, record->length);
    }
    tp_slots_put(&bag->slots, hash, at);
    return 1;
}

bool tp_keybag_reserve(tp_keybag *bag, uint64_t records) {
    uint64_t present = bag->slots.count;
    if (records <= present) {
        return true;
    }
    return records - present <= UINT32_MAX / 4 &&
           tp_slots_reserve(&bag->slots, (uint32_t)(records - present), hash_at, bag);
}

uint64_t tp_keybag_count(const tp_keybag *bag) {
    return bag->slots.count;
}

uint64_t tp_keybag_bytes(const tp_keybag *bag) {
    uint64_t index = bag->slots.table == NULL ? 0 : (uint64_t)bag->slots.mask + 1;
    return (uint64_t)bag->arena.capacity * TP_ARENA_UNIT + index * sizeof(uint64_t);
}
