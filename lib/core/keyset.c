/* Built like the coalescer: keys one after the other in an arena, found through a slot index, and
 * emptied at no cost. A handle is the offset in the arena. */
#include "core/keyset.h"

#include <string.h>

void tp_keyset_free(tp_keyset *set) {
    tp_arena_free(&set->arena);
    tp_slots_free(&set->slots);
}

void tp_keyset_clear(tp_keyset *set) {
    tp_arena_clear(&set->arena);
    tp_slots_clear(&set->slots);
}

uint32_t tp_keyset_count(const tp_keyset *set) {
    return set->slots.count;
}

uint32_t tp_keyset_find(const tp_keyset *set, const char *bytes, uint32_t length, uint64_t hash) {
    tp_probe probe = tp_slots_probe(&set->slots, hash);
    for (uint32_t handle = 0; tp_slots_next(&set->slots, &probe, &handle);) {
        const tp_key *key = tp_keyset_at(set, handle);
        if (key->hash == hash && key->length == length && memcmp(key->bytes, bytes, length) == 0) {
            return handle;
        }
    }
    return TP_KEY_NONE;
}

static uint64_t hash_at(const void *user, uint32_t handle) {
    const tp_keyset *set = user;
    return tp_keyset_at(set, handle)->hash;
}

bool tp_keyset_reserve(tp_keyset *set, uint32_t keys, size_t bytes) {
    size_t each = sizeof(tp_key) + 1 + TP_ARENA_UNIT;
    return tp_arena_reserve(&set->arena, keys * each + bytes) &&
           tp_slots_reserve(&set->slots, keys, hash_at, set);
}

uint32_t tp_keyset_add(tp_keyset *set, const char *bytes, uint32_t length, uint64_t hash) {
    uint32_t handle = tp_arena_take(&set->arena, sizeof(tp_key) + length + 1);
    tp_key *key = tp_keyset_at(set, handle);
    *key = (tp_key){.hash = hash, .arrival = UINT64_MAX, .length = length};
    memcpy(key->bytes, bytes, length);
    key->bytes[length] = '\0';
    tp_slots_put(&set->slots, hash, handle);
    return handle;
}

tp_key *tp_keyset_next(const tp_keyset *set, const tp_key *key) {
    uint32_t at = 0;
    if (key != NULL) {
        size_t offset = (size_t)((const char *)key - set->arena.data) / TP_ARENA_UNIT;
        at = (uint32_t)offset + tp_arena_units(sizeof *key + key->length + 1);
    }
    return at < set->arena.used ? tp_arena_at(&set->arena, at) : NULL;
}

uint64_t tp_keyset_bytes(const tp_keyset *set) {
    return (uint64_t)set->arena.used * TP_ARENA_UNIT +
           (uint64_t)set->slots.count * 2 * sizeof(uint64_t);
}
