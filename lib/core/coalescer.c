/* Deltas stand one after the other in an arena, each with its tuple behind it, and a slot index
 * leads from hashes to them. Emptying costs nothing that depends on the contents.
 *
 * What limits the speed is memory. A merge touches one line of the index and two or three of the
 * delta (58 bytes and the tuple: 112 for a key of 48 bytes), and each waits for the one before. So
 * a caller with many changes at hand asks for the lines of all of them first (group prefetching:
 * Chen, Ailamaki, Gibbons, Mowry, "Improving Hash Join Performance through Prefetching", 2004): one
 * pass for the index, one for the deltas, then the merges. The second pass decides nothing by a
 * branch on the contents, which would be mispredicted for every third change. The other half of the
 * time goes into encoding, a keyed XXH3 and the key itself.
 *
 * Up to SMALL deltas are found by walking, without an index: the limiter keeps a coalescer for
 * every key that it holds back, and nearly all of those hold one or two changes. */
#include "core/coalescer.h"

#include <string.h>

#define SMALL 8u
#define CACHE_LINE 64u

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

static bool matches(const tp_delta *delta, const tp_table *table, const char *tuple,
                    uint32_t length, uint64_t hash) {
    return delta->hash == hash && delta->table == table && delta->tuple_length == length &&
           memcmp(delta->tuple, tuple, length) == 0;
}

static bool is_indexed(const tp_coalescer *coalescer) {
    return coalescer->slots.count > 0;
}

static tp_delta *walk(const tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                      uint32_t length, uint64_t hash) {
    tp_delta *delta = NULL;
    while ((delta = tp_coalescer_next(coalescer, delta)) != NULL &&
           !matches(delta, table, tuple, length, hash)) {
        continue;
    }
    return delta;
}

tp_delta *tp_coalescer_find(const tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                            uint32_t length, uint64_t hash) {
    hash = tp_coalescer_hash(table, hash);
    if (!is_indexed(coalescer)) {
        return walk(coalescer, table, tuple, length, hash);
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

/* Not in the header: gcc takes a function that only prefetches for one without effects, and leaves
 * out calls of it when it sees the inside. */
void tp_coalescer_foresee(const tp_coalescer *coalescer, const tp_table *table, uint64_t hash) {
    tp_slots_prefetch(&coalescer->slots, tp_coalescer_hash(table, hash));
}

void tp_coalescer_approach(const tp_coalescer *coalescer, const tp_table *table, uint32_t length,
                           uint64_t hash) {
    if (is_indexed(coalescer)) {
        uint64_t full = tp_coalescer_hash(table, hash);
        uint32_t end = coalescer->arena.used;
        const char *delta =
            tp_arena_at(&coalescer->arena, tp_slots_guess(&coalescer->slots, full, end));
        __builtin_prefetch(delta, 1);
        __builtin_prefetch(delta + CACHE_LINE);
        __builtin_prefetch(delta + size_of(length) - 1);
    }
}

const tp_delta *tp_coalescer_likely(const tp_coalescer *coalescer, const tp_table *table,
                                    uint64_t hash) {
    if (!is_indexed(coalescer)) {
        return NULL;
    }
    uint64_t full = tp_coalescer_hash(table, hash);
    uint32_t end = coalescer->arena.used;
    uint32_t at = tp_slots_guess(&coalescer->slots, full, end);
    return at == end ? NULL : tp_arena_at(&coalescer->arena, at);
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
    size_t bytes = deltas * (sizeof(tp_delta) + TP_ARENA_UNIT) + tuple_bytes;
    uint32_t more = is_indexed(coalescer) ? deltas : coalescer->count + deltas;
    if (!tp_arena_fit(&coalescer->arena, bytes) && !tp_arena_reserve(&coalescer->arena, bytes)) {
        return false;
    }
    return coalescer->count + deltas <= SMALL || tp_slots_fit(&coalescer->slots, more) ||
           tp_slots_reserve(&coalescer->slots, more, hash_at, &coalescer->arena);
}

/* A delta at the end of the arena, in no index yet. */
static tp_delta *append(tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                        uint32_t length, uint64_t hash) {
    uint32_t at = tp_arena_take(&coalescer->arena, size_of(length));
    tp_delta *delta = tp_arena_at(&coalescer->arena, at);
    *delta =
        (tp_delta){.table = table, .hash = hash, .arrival = UINT64_MAX, .tuple_length = length};
    memcpy(delta->tuple, tuple, length);
    coalescer->count++;
    return delta;
}

tp_delta *tp_coalescer_add(tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                           uint32_t length, uint64_t hash) {
    bool indexed = is_indexed(coalescer);
    tp_delta *delta = append(coalescer, table, tuple, length, tp_coalescer_hash(table, hash));
    if (indexed) {
        tp_slots_put(&coalescer->slots, delta->hash, offset_of(coalescer, delta));
    } else if (coalescer->count > SMALL) {
        index_all(coalescer);
    }
    return delta;
}

static tp_delta *find_or_add(tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                             uint32_t length, uint64_t hash) {
    uint64_t full = tp_coalescer_hash(table, hash);
    if (!is_indexed(coalescer)) {
        tp_delta *found = walk(coalescer, table, tuple, length, full);
        return found != NULL ? found : tp_coalescer_add(coalescer, table, tuple, length, hash);
    }
    tp_probe probe = tp_slots_probe(&coalescer->slots, full);
    for (uint32_t at = 0; tp_slots_next(&coalescer->slots, &probe, &at);) {
        tp_delta *delta = tp_arena_at(&coalescer->arena, at);
        if (matches(delta, table, tuple, length, full)) {
            return delta;
        }
    }
    tp_slots_fill(&coalescer->slots, &probe, coalescer->arena.used);
    return append(coalescer, table, tuple, length, full);
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

tp_delta *tp_coalescer_take(tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                            uint32_t length, uint64_t hash, const tp_addition *addition) {
    tp_delta *delta = find_or_add(coalescer, table, tuple, length, hash);
    tp_delta_merge(delta, addition);
    return delta;
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
