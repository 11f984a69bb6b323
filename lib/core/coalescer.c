/* Deltas stand one after the other in an arena, each with its tuple behind it, and a slot index
 * leads from hashes to them. What limits the speed is memory: a merge touches one line of the index
 * and one or two of the delta; everything else (encoding, a keyed XXH3, comparing) stays in
 * registers and the first-level cache. Emptying costs nothing that depends on the contents.
 *
 * Up to SMALL deltas are found by walking, without an index: the limiter keeps a coalescer for
 * every key that it holds back, and nearly all of those hold one or two changes. */
#include "core/coalescer.h"

#include <string.h>

#define SMALL 8u

void tp_coalescer_free(tp_coalescer *coalescer) {
    tp_arena_free(&coalescer->arena);
    tp_slots_free(&coalescer->slots);
    coalescer->count = 0;
}

void tp_coalescer_clear(tp_coalescer *coalescer) {
    tp_arena_clear(&coalescer->arena);
    tp_slots_clear(&coalescer->slots);
    coalescer->count = 0;
}

/* The tuple begins in the padding of the struct; assigning the whole struct still has room. */
static size_t size_of(uint32_t tuple_length) {
    size_t size = offsetof(tp_delta, tuple) + tuple_length;
    return size < sizeof(tp_delta) ? sizeof(tp_delta) : size;
}

uint64_t tp_coalescer_hash(const tp_table *table, uint64_t hash) {
    return hash ^ (uint64_t)(uintptr_t)table * UINT64_C(0x9E3779B97F4A7C15);
}

static bool matches(const tp_delta *delta, const tp_table *table, const char *tuple,
                    uint32_t length, uint64_t hash) {
    return delta->hash == hash && delta->table == table && delta->tuple_length == length &&
           memcmp(delta->tuple, tuple, length) == 0;
}

static bool is_indexed(const tp_coalescer *coalescer) {
    return coalescer->slots.count > 0;
}

tp_delta *tp_coalescer_find(const tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                            uint32_t length, uint64_t hash) {
    hash = tp_coalescer_hash(table, hash);
    if (!is_indexed(coalescer)) {
        tp_delta *delta = NULL;
        while ((delta = tp_coalescer_next(coalescer, delta)) != NULL &&
               !matches(delta, table, tuple, length, hash)) {
            continue;
        }
        return delta;
    }
    tp_probe probe = tp_slots_probe(&coalescer->slots, hash);
    for (uint32_t at = 0; tp_slots_next(&coalescer->slots, &probe, &at);) {
        tp_delta *delta = tp_arena_at(&coalescer->arena, at);
        if (matches(delta, table, tuple, length, hash)) {
            return delta;
        }
    }
    return NULL;
}

static uint64_t hash_at(const void *user, uint32_t at) {
    const tp_arena *arena = user;
    const tp_delta *delta = tp_arena_at(arena, at);
    return delta->hash;
}

static uint32_t offset_of(const tp_coalescer *coalescer, const tp_delta *delta) {
    return (uint32_t)((size_t)((const char *)delta - coalescer->arena.data) / TP_ARENA_UNIT);
}

static void index_all(tp_coalescer *coalescer) {
    for (tp_delta *d = NULL; (d = tp_coalescer_next(coalescer, d)) != NULL;) {
        tp_slots_put(&coalescer->slots, d->hash, offset_of(coalescer, d));
    }
}

bool tp_coalescer_reserve(tp_coalescer *coalescer, uint32_t deltas, size_t tuple_bytes) {
    size_t each = sizeof(tp_delta) + TP_ARENA_UNIT;
    if (!tp_arena_reserve(&coalescer->arena, deltas * each + tuple_bytes)) {
        return false;
    }
    if (coalescer->count + deltas <= SMALL) {
        return true;
    }
    uint32_t more = is_indexed(coalescer) ? deltas : coalescer->count + deltas;
    return tp_slots_reserve(&coalescer->slots, more, hash_at, &coalescer->arena);
}

tp_delta *tp_coalescer_add(tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                           uint32_t length, uint64_t hash) {
    uint32_t at = tp_arena_take(&coalescer->arena, size_of(length));
    tp_delta *delta = tp_arena_at(&coalescer->arena, at);
    *delta = (tp_delta){.table = table,
                        .hash = tp_coalescer_hash(table, hash),
                        .arrival = UINT64_MAX,
                        .tuple_length = length};
    memcpy(delta->tuple, tuple, length);
    coalescer->count++;
    if (is_indexed(coalescer)) {
        tp_slots_put(&coalescer->slots, delta->hash, at);
    } else if (coalescer->count > SMALL) {
        index_all(coalescer);
    }
    return delta;
}

static void widen(tp_delta *delta, const tp_addition *addition) {
    delta->ops |= addition->ops;
    delta->arrival = addition->arrival < delta->arrival ? addition->arrival : delta->arrival;
    delta->lsn = addition->lsn > delta->lsn ? addition->lsn : delta->lsn;
}

void tp_delta_merge(tp_delta *delta, const tp_addition *addition) {
    delta->count += addition->count;
    widen(delta, addition);
}

void tp_delta_return(tp_delta *delta, const tp_addition *addition) {
    uint32_t count = addition->count < UINT32_MAX ? (uint32_t)addition->count : UINT32_MAX;
    delta->returned = count > delta->returned ? count : delta->returned;
    widen(delta, addition);
}

uint64_t tp_delta_count(const tp_delta *delta) {
    return delta->count + delta->returned;
}

tp_delta *tp_coalescer_next(const tp_coalescer *coalescer, const tp_delta *delta) {
    uint32_t at = 0;
    if (delta != NULL) {
        at = offset_of(coalescer, delta) + tp_arena_units(size_of(delta->tuple_length));
    }
    return at < coalescer->arena.used ? tp_arena_at(&coalescer->arena, at) : NULL;
}

uint64_t tp_coalescer_bytes(const tp_coalescer *coalescer) {
    return (uint64_t)coalescer->arena.used * TP_ARENA_UNIT +
           (uint64_t)coalescer->slots.count * 2 * sizeof(uint64_t);
}
