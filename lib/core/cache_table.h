/* All sets of a cache: a key may be in either of two. */
#ifndef TP_CORE_CACHE_TABLE_H
#define TP_CORE_CACHE_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wide_hash.h"
#include "core/bonds.h"
#include "core/cache_keys.h"
#include "core/cache_queue.h"
#include "core/cache_set.h"

typedef struct tp_cache_table tp_cache_table;

/* What a table shares with others of its cache. */
typedef struct tp_cache_world {
    tp_cache_policy policy;
    tp_bonds *bonds;
    tp_cache_keys *keys; /* NULL: marks are compared, not keys */
} tp_cache_world;

struct tp_cache_table {
    tp_wide_key key;
    tp_cache_world world;
    bool plain; /* s3fifo, and marks are compared */
    bool far;   /* larger than what is near to the processor */
    uint64_t sets;
    tp_cache_set *set;
    void *memory;
    size_t bytes;
    _Atomic(_Atomic uint64_t *) rows; /* for each way: row and stamp; NULL: nobody bound one */
    _Atomic(tp_kept_key *) *kept;     /* for each way, when keys are compared */
    _Atomic uint64_t probes;          /* of a table that is being replaced */
    struct tp_cache_table *next;      /* among tables that were replaced */
};

/* A key as a table sees it. */
typedef struct tp_cache_probe {
    const void *bytes;
    size_t length;
    uint64_t salt;
    uint64_t mark;
    uint64_t place;
    tp_cache_set *set[2]; /* may be the same */
    uint32_t version[2];  /* when it was looked for */
    uint32_t ways;        /* bit i: a way that has the tag, 16 and more: of the second set */
} tp_cache_probe;

/* What happens to a verdict besides. */
typedef struct tp_cache_bond {
    tp_bond *table;
    uint32_t row;   /* TP_BOND_NO_ROW: the whole table */
    uint64_t token; /* 0: none */
} tp_cache_bond;

/* NULL when memory is short. sets is not 0. */
tp_cache_table *tp_cache_table_new(const tp_cache_world *world, const tp_wide_key *key,
                                   uint64_t sets);
void tp_cache_table_free(tp_cache_table *table);
/* Gives the memory of an empty table back, but not its addresses: late readers find nothing. */
void tp_cache_table_discard(tp_cache_table *table);
/* Makes room for rows. False when memory is short. */
bool tp_cache_table_want_rows(tp_cache_table *table);
uint64_t tp_cache_table_bytes(const tp_cache_table *table);

/* Where the key belongs: what comparing needs of a probe. The hash is linear, so numbers one after
 * the other would lie in a lattice, which is a bad one for one secret in thirty: up to a point of
 * the hit ratio. */
TP_CACHE_INLINE void tp_cache_probe_place(const tp_cache_table *table, uint64_t salt,
                                          const void *bytes, size_t length, tp_cache_probe *probe) {
    tp_wide_hash hash = tp_wide_hash_of(&table->key, salt, bytes, length);
    probe->mark = tp_set_mark(hash.mark);
    probe->place = (hash.place ^ hash.place >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    tp_wide first = (tp_wide)probe->place * table->sets; /* what it leaves over is the next digit */
    tp_wide second = (tp_wide)(uint64_t)first * table->sets;
    probe->set[0] = &table->set[(uint64_t)(first >> 64)];
    probe->set[1] = &table->set[(uint64_t)(second >> 64)];
}

TP_CACHE_INLINE void tp_cache_table_probe(const tp_cache_table *table, uint64_t salt,
                                          const void *bytes, size_t length, tp_cache_probe *probe) {
    probe->bytes = bytes;
    probe->length = length;
    probe->salt = salt;
    tp_cache_probe_place(table, salt, bytes, length, probe);
}

static inline void tp_cache_probe_fetch(const tp_cache_probe *probe) {
    __builtin_prefetch(probe->set[0]);
    __builtin_prefetch(probe->set[1]);
}

/* Compares the tags. */
TP_CACHE_INLINE void tp_cache_probe_match(tp_cache_probe *probe) {
    uint32_t tag = (uint32_t)probe->mark & 0xFFFF;
    probe->version[0] = tp_set_version(probe->set[0]);
    probe->version[1] = tp_set_version(probe->set[1]);
    probe->ways = tp_set_match_two(probe->set[0], probe->set[1], tag);
}

/* The line of the entry, when the tags were compared. */
static inline void tp_cache_probe_fetch_entry(const tp_cache_probe *probe) {
    if (probe->ways != 0) {
        uint32_t bit = (uint32_t)__builtin_ctz(probe->ways);
        __builtin_prefetch(&probe->set[bit >> 4]->entries[bit & 15][0]);
    }
}

/* The verdict, without a lock, once the tags were compared; -1 when there is none. May miss what
 * another thread is moving. */
int32_t tp_cache_table_look(const tp_cache_table *table, tp_cache_probe *probe, uint64_t now_ms);

/* What stands where the tag was found first, or anywhere. */
typedef struct tp_cache_found {
    tp_cache_set *set;
    uint32_t way;
    uint32_t verdict;
    uint64_t odd; /* not 0: this is not sure, or not plain */
} tp_cache_found;

TP_CACHE_INLINE tp_cache_found tp_cache_probe_found(const tp_cache_probe *probe, uint32_t bit) {
    bool first = bit < TP_SET_WAYS;
    uint32_t way = bit & (TP_SET_WAYS - 1);
    tp_cache_set *set = first ? probe->set[0] : probe->set[1];
    uint32_t version = first ? probe->version[0] : probe->version[1];
    TP_OPAQUE(set);
    uint64_t differs = tp_set_differs(set->entries[way], probe->mark);
    uint32_t terms = atomic_load_explicit(&set->entries[way][2], memory_order_acquire);
    uint64_t odd = differs >> 16 | terms | (version & 1) | (tp_set_version(set) ^ version);
    return (tp_cache_found){set, way, (uint32_t)differs & 0xFFFF, odd};
}

#define TP_CACHE_LEAN 2 /* so many keys more than the second set the first may have taken */

/* Which of the sets a new key goes to when neither has room, by their states. */
TP_CACHE_INLINE size_t tp_cache_probe_side(uint32_t one, uint32_t two, int32_t lean) {
    return (int8_t)((one >> 24) - (two >> 24)) > lean ? 1 : 0;
}

/* The lines of the set that a new key goes to: the first one is written, any of them loses an
 * entry. */
static inline void tp_cache_probe_fetch_room(const tp_cache_probe *probe) {
    uint32_t one = tp_set_state(probe->set[0]);
    uint32_t two = tp_set_state(probe->set[1]);
    const tp_cache_set *set = probe->set[tp_cache_probe_side(one, two, TP_CACHE_LEAN)];
    __builtin_prefetch(set->entries[0]);
    __builtin_prefetch(set->entries[6]);
    __builtin_prefetch(set->entries[11]);
}

/* Whether no way has the tag, and nobody was changing the sets. */
static inline bool tp_cache_probe_absent(const tp_cache_probe *probe) {
    return probe->ways == 0 && ((probe->version[0] | probe->version[1]) & 1) == 0;
}

/* From here on with locks: both sets of a probe. */
void tp_cache_table_lock(const tp_cache_probe *probe);
void tp_cache_table_unlock(const tp_cache_probe *probe, bool changed);
/* Two threads that fill a key at the same time may leave it in both sets. */
/* Removes a key from both; how many there were. */
uint32_t tp_cache_table_remove(tp_cache_table *table, const tp_cache_probe *probe);

typedef struct tp_cache_outcome {
    bool added;       /* it was not there before */
    bool stale;       /* overtaken: neither it nor a former verdict is there now */
    bool refused;     /* no memory or no group: the same */
    uint32_t removed; /* former verdicts, because of one of these */
    tp_set_loss loss; /* what went for it */
    uint32_t expired; /* others that had expired */
} tp_cache_outcome;

/* Keeps a verdict in place of the one that is there. ttl_ms UINT64_MAX: for ever. bond may be NULL.
 */
tp_cache_outcome tp_cache_table_put(tp_cache_table *table, const tp_cache_probe *probe,
                                    uint32_t verdict, uint64_t now_ms, uint64_t ttl_ms,
                                    const tp_cache_bond *bond);

/* A number that changes when keys are invalidated, and what it was. */
typedef struct tp_cache_ticket {
    const _Atomic uint32_t *place;
    uint32_t number;
} tp_cache_ticket;

/* The same for ever and in full sets of a plain table without terms; false: it is not that easy. No
 * lock but of the set that is chosen, since the key was not there at versions that are still the
 * same. Something is evicted for it. Ghosts of the other set may be of another moment: they are
 * hints. */
TP_CACHE_INLINE bool tp_cache_table_fill_quick(const tp_cache_table *table,
                                               const tp_cache_probe *probe, uint32_t verdict,
                                               tp_cache_ticket ticket) {
    uint32_t one = tp_set_state(probe->set[0]);
    uint32_t two = tp_set_state(probe->set[1]);
    if (!tp_cache_probe_absent(probe) || !table->plain || (one & two & TP_SET_FULL) == 0 ||
        ((one | two) & TP_SET_TERMS) != 0 || probe->set[0] == probe->set[1]) {
        return false;
    }
    size_t side = tp_cache_probe_side(one, two, TP_CACHE_LEAN);
    tp_cache_set *set = probe->set[side];
    tp_cache_set *other = probe->set[1 - side];
    uint32_t version = probe->version[side];
    if (!tp_set_lock_at(set, version)) {
        return false;
    }
    bool same = tp_set_version(other) == probe->version[1 - side] &&
                atomic_load_explicit(ticket.place, memory_order_acquire) == ticket.number;
    if (TP_LIKELY(same)) {
        tp_set_loss loss;
        bool known = tp_set_has_ghost_two(set, other, (uint32_t)probe->mark & 0xFFFF);
        uint32_t way = tp_queue_way(set, known, 0, NULL, &loss);
        tp_set_store(set, way, &(tp_cache_entry){probe->mark, verdict, 0});
        (void)loss;
    }
    atomic_store_explicit(&set->version, version + (same ? 2 : 0), memory_order_release);
    return same;
}

/* Keeps the verdict of a key that was missed, unless it has come, or the ticket has changed. */
tp_cache_outcome tp_cache_table_fill(tp_cache_table *table, const tp_cache_probe *probe,
                                     uint32_t verdict, uint64_t now_ms, uint64_t ttl_ms,
                                     const tp_cache_ticket *ticket);

/* Brings a verdict from a table that is being replaced to the one in use. Whether it was there. */
bool tp_cache_table_move(tp_cache_table *from, const tp_cache_probe *source, tp_cache_table *to,
                         const tp_cache_probe *target, uint64_t now_ms);

/* ms until an entry expires; UINT64_MAX: never, 0: dead. With its set locked. */
uint64_t tp_cache_table_left(const tp_cache_table *table, const tp_cache_set *set, uint32_t way,
                             uint32_t terms, uint64_t now_ms);

/* Removes what is dead or, with all, everything of a set; returns how many went. */
uint32_t tp_cache_table_sweep(tp_cache_table *table, uint64_t set, uint64_t now_ms, bool all);

#endif
