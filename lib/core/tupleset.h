/* The distinct key tuples that one (sub)transaction of the write-ahead log changed. */
#ifndef TP_CORE_TUPLESET_H
#define TP_CORE_TUPLESET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "core/arena.h"
#include "core/change.h"
#include "core/slots.h"

typedef struct tp_tuple {
    uint64_t hash;   /* once it is in the index */
    uint32_t length; /* of the bytes */
    uint32_t table;  /* a number of the caller's */
    uint32_t ops;    /* bits of tp_op: the caller's */
    char bytes[];    /* as core/tuple.h writes them */
} tp_tuple;

/* A set of zeroes is empty. */
typedef struct tp_tupleset {
    tp_arena arena;
    tp_slots slots;
    uint32_t count;
} tp_tupleset;

void tp_tupleset_free(tp_tupleset *set);
void tp_tupleset_clear(tp_tupleset *set); /* keeps the memory */

/* A tuple behind the last one, in the set only if it is kept; the next staging takes its place.
 * NULL when memory is short. length is tp_tuple_length() of the values. */
tp_tuple *tp_tupleset_stage(tp_tupleset *set, uint32_t table, const tp_value *values,
                            uint32_t count, uint32_t length);
/* The one in the set that equals what is staged, or NULL. key is the same in every call. */
tp_tuple *tp_tupleset_find(const tp_tupleset *set, const tp_hash_key *key, tp_tuple *staged);
/* What is staged, and was not found, gets into the set. False when memory is short. */
bool tp_tupleset_keep(tp_tupleset *set, const tp_hash_key *key, tp_tuple *staged);

/* In the order of keeping: NULL gives the first, the last gives NULL. */
const tp_tuple *tp_tupleset_next(const tp_tupleset *set, const tp_tuple *tuple);

static inline uint64_t tp_tupleset_bytes(const tp_tupleset *set) {
    return (uint64_t)set->arena.used * TP_ARENA_UNIT +
           (uint64_t)set->slots.count * 2 * sizeof(uint64_t);
}

#endif
