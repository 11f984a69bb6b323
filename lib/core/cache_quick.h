/* The inside of a cache, and what nearly every question takes: a plain table alone, a verdict
 * without terms, sets that nobody is changing, a key that somebody has asked for before. Inlined
 * into the calls of the library; whatever is not that simple is said to be so, and goes through
 * cache.c.
 *
 * What limits it, for 16 bytes and a cache in the second-level cache: about 190 instructions, 60 of
 * them to hash and to place the key (six long multiplications, five short ones), 25 to compare the
 * tags of two lines, 20 for arguments; and 260 more for a key that is missed and kept. Two lines at
 * once, then the line of the entry; the branch that tells a hit from a miss, which nobody can
 * predict, and two that depend on the queues. */
#ifndef TP_CORE_CACHE_QUICK_H
#define TP_CORE_CACHE_QUICK_H

#include "core/cache.h"
#include "core/cache_lanes.h"
#include "core/cache_validators.h"

#define TP_CACHE_TICKETS 256u
#define TP_CACHE_ABSENT (-1)
#define TP_CACHE_UNSURE (-2) /* look again, the long way */

struct tp_cache {
    _Atomic(tp_cache_table *) table; /* NULL: no capacity */
    _Atomic(tp_cache_table *) previous;
    atomic_bool timed; /* something may expire */
    tp_lanes lanes;
    tp_cache_options options;
    tp_cache_world world;
    atomic_flag busy;               /* changes of tables and validators */
    tp_cache_table *retired;        /* under the lock */
    _Atomic uint64_t swept;         /* sets of the table that is being replaced */
    tp_cache_validators validators; /* changed under the lock */
    _Atomic uint32_t tickets[TP_CACHE_TICKETS];
};

static inline bool tp_cache_is_timed(const tp_cache *cache) {
    return atomic_load_explicit(&cache->timed, memory_order_relaxed);
}

static inline _Atomic uint32_t *tp_cache_ticket_of(tp_cache *cache, const tp_cache_probe *probe) {
    return &cache->tickets[probe->mark & (TP_CACHE_TICKETS - 1)];
}

/* All lines of the first set, which most keys are in: that is done before the tags have come, which
 * tell the line. */
static inline void tp_cache_probe_fetch_first(const tp_cache_probe *probe) {
    __builtin_prefetch(&probe->set[0]->entries[0]);
    __builtin_prefetch(&probe->set[0]->entries[6]);
    __builtin_prefetch(&probe->set[0]->entries[11]);
}

/* The verdict of a key whose tag was compared, or -1; of what a table that is being replaced has,
 * too. Not counted. */
int32_t tp_cache_look(tp_cache *cache, const tp_cache_call *call, tp_cache_table *table,
                      tp_cache_probe *probe);

/* The verdict, which is counted; or TP_CACHE_ABSENT, and probe can be put into a tp_cache_miss with
 * the table; or TP_CACHE_UNSURE: ask tp_cache_get(). */
static inline __attribute__((always_inline)) int32_t
tp_cache_glance(tp_cache *cache, uint32_t validator, uintptr_t thread, const char *key,
                size_t length, tp_cache_table **table, tp_cache_probe *probe) {
    tp_cache_table *t = atomic_load_explicit(&cache->table, memory_order_acquire);
    if (TP_UNLIKELY(t == NULL || !t->plain)) {
        return TP_CACHE_UNSURE;
    }
    uint64_t salt = tp_cache_validators_salt(&cache->validators, validator);
    tp_cache_table_probe(t, salt, key, length, probe);
    if (t->far) {
        tp_cache_probe_fetch_first(probe);
    }
    tp_cache_probe_match(probe);
    *table = t;
    if (probe->ways != 0) {
        tp_cache_found found = tp_cache_probe_found(probe, (uint32_t)__builtin_ctz(probe->ways));
        if (TP_UNLIKELY(found.odd != 0)) {
            return TP_CACHE_UNSURE;
        }
        tp_set_touch_if(found.set, found.way, true);
        tp_lanes_count(&cache->lanes, thread, TP_LANE_HITS, 1);
        return (int32_t)found.verdict;
    }
    bool alone = atomic_load_explicit(&cache->previous, memory_order_acquire) == NULL;
    return alone && tp_cache_probe_absent(probe) ? TP_CACHE_ABSENT : TP_CACHE_UNSURE;
}

/* As tp_cache_fill(), when it is that easy. Not counted: TP_LANE_REPLACED. */
TP_CACHE_INLINE bool tp_cache_fill_quick(tp_cache *cache, const tp_cache_miss *miss,
                                         uint32_t verdict) {
    tp_cache_ticket ticket = {tp_cache_ticket_of(cache, &miss->probe), miss->ticket};
    return miss->table != NULL && !tp_cache_is_timed(cache) &&
           tp_cache_table_fill_quick(miss->table, &miss->probe, verdict, ticket);
}

#endif
