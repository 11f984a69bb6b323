/* Tuples stand one after the other in an arena, encoded where they stay. Most transactions have one
 * or two, so up to SMALL are told apart by walking; beyond that a slot index leads to them, and
 * only then anything is hashed. */
#include "core/tupleset.h"

#include <string.h>

#include "core/tuple.h"

#define SMALL 8u

void tp_tupleset_free(tp_tupleset *set) {
    tp_arena_free(&set->arena);
    tp_slots_free(&set->slots);
    set->count = 0;
}

void tp_tupleset_clear(tp_tupleset *set) {
    tp_arena_clear(&set->arena);
    if (set->slots.count > 0) {
        tp_slots_clear(&set->slots);
    }
    set->count = 0;
}

static size_t size_of(uint32_t length) {
    return offsetof(tp_tuple, bytes) + length;
}

tp_tuple *tp_tupleset_stage(tp_tupleset *set, uint32_t table, const tp_value *values,
                            uint32_t count, uint32_t length) {
    size_t size = size_of(length);
    if (!tp_arena_fit(&set->arena, size) && !tp_arena_reserve(&set->arena, size)) {
        return NULL;
    }
    tp_tuple *staged = tp_arena_at(&set->arena, set->arena.used);
    staged->length = length;
    staged->table = table;
    staged->ops = 0;
    tp_tuple_encode(values, count, staged->bytes);
    return staged;
}

static bool same(const tp_tuple *a, const tp_tuple *b) {
    return a->length == b->length && a->table == b->table &&
           memcmp(a->bytes, b->bytes, a->length) == 0;
}

static tp_tuple *walk(const tp_tupleset *set, const tp_tuple *staged) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        tp_tuple *tuple = tp_arena_at(&set->arena, at);
        if (same(tuple, staged)) {
            return tuple;
        }
        at += tp_arena_units(size_of(tuple->length));
    }
    return NULL;
}

/* The table's number is left to the comparison. */
static void hash(const tp_hash_key *key, tp_tuple *tuple) {
    tuple->hash = tp_hash64(key, tuple->bytes, tuple->length);
}

tp_tuple *tp_tupleset_find(const tp_tupleset *set, const tp_hash_key *key, tp_tuple *staged) {
    if (set->slots.count == 0) {
        return walk(set, staged);
    }
    hash(key, staged);
    tp_probe probe = tp_slots_probe(&set->slots, staged->hash);
    for (uint32_t at = 0; tp_slots_next(&set->slots, &probe, &at);) {
        tp_tuple *tuple = tp_arena_at(&set->arena, at);
        if (tuple->hash == staged->hash && same(tuple, staged)) {
            return tuple;
        }
    }
    return NULL;
}

static uint64_t hash_at(const void *user, uint32_t at) {
    const tp_tuple *tuple = tp_arena_at(user, at);
    return tuple->hash;
}

static void index_all(tp_tupleset *set, const tp_hash_key *key) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        tp_tuple *tuple = tp_arena_at(&set->arena, at);
        hash(key, tuple);
        tp_slots_put(&set->slots, tuple->hash, at);
        at += tp_arena_units(size_of(tuple->length));
    }
}

bool tp_tupleset_keep(tp_tupleset *set, const tp_hash_key *key, tp_tuple *staged) {
    bool indexed = set->slots.count > 0;
    uint32_t more = indexed ? 1 : set->count + 1;
    if (set->count >= SMALL && !tp_slots_reserve(&set->slots, more, hash_at, &set->arena)) {
        return false;
    }
    uint32_t at = tp_arena_take(&set->arena, size_of(staged->length));
    set->count++;
    if (indexed) {
        tp_slots_put(&set->slots, staged->hash, at);
    } else if (set->count > SMALL) {
        index_all(set, key);
    }
    return true;
}

const tp_tuple *tp_tupleset_next(const tp_tupleset *set, const tp_tuple *tuple) {
    uint32_t at = 0;
    if (tuple != NULL) {
        size_t offset = (size_t)((const char *)tuple - set->arena.data) / TP_ARENA_UNIT;
        at = (uint32_t)offset + tp_arena_units(size_of(tuple->length));
    }
    return at < set->arena.used ? tp_arena_at(&set->arena, at) : NULL;
}
