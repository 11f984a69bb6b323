/* Stages: all keys are hashed, and both sets of each are fetched; then all tags are compared and
 * the lines of the entries are fetched; then the verdicts are read, and who was not found is
 * listed, without a branch that depends on it; then those alone are looked at again. So memory is
 * waited for once for all keys instead of once for each, and a miss is foreseen. In a table that
 * the processor's cache holds, the second stage and the third are one, which saves instructions.
 *
 * What limits it: about 130 instructions for each key, as for one by one; and beyond the
 * processor's cache three lines of memory for each, of which some twenty can be under way at once.
 */
#include "core/cache_many.h"

#include "core/cache_quick.h"

#define NEAR_BYTES                                                                                 \
    (UINT64_C(1) << 20) /* such a table lies in the second-level cache, or nearly                  \
                         */

TP_CACHE_INLINE void place_all(const tp_cache_table *table, uint64_t salt, const char *const *keys,
                               const uint64_t *lengths, uint32_t count, tp_cache_misses *misses) {
    for (uint32_t i = 0; i < count; i++) {
        tp_cache_probe *probe = &misses->miss[i].probe;
        tp_cache_probe_place(table, salt, keys[i], (size_t)lengths[i], probe);
        tp_cache_probe_fetch(probe);
    }
}

static void match_all(uint32_t count, tp_cache_misses *misses) {
    for (uint32_t i = 0; i < count; i++) {
        tp_cache_probe_match(&misses->miss[i].probe);
        tp_cache_probe_fetch_entry(&misses->miss[i].probe);
    }
}

/* The verdicts of a plain table, and -1 for who is not there, or not for sure. */
TP_CACHE_INLINE void read_all(uint32_t count, int32_t *verdicts, bool matched,
                              tp_cache_misses *misses) {
    uint32_t number = 0;
    for (uint32_t i = 0; i < count; i++) {
        tp_cache_probe probe = misses->miss[i].probe;
        if (!matched) {
            tp_cache_probe_match(&probe);
            misses->miss[i].probe.version[0] = probe.version[0];
            misses->miss[i].probe.version[1] = probe.version[1];
            misses->miss[i].probe.ways = probe.ways;
        }
        uint32_t bit = (uint32_t)__builtin_ctz(probe.ways | 0x80000000u);
        tp_cache_found found = tp_cache_probe_found(&probe, bit);
        bool sure = (found.odd == 0) & (probe.ways != 0);
        tp_set_touch_if(found.set, found.way, sure);
        verdicts[i] = (int32_t)found.verdict | -(int32_t)!sure;
        misses->which[number] = i;
        number += !sure;
    }
    misses->count = number;
}

static void list_all(uint32_t count, tp_cache_misses *misses) {
    for (uint32_t i = 0; i < count; i++) {
        misses->which[i] = i;
    }
    misses->count = count;
}

/* Those that are listed, the long way unless they are not there for sure; who is found leaves the
 * list. */
static void look_again(tp_cache *cache, const tp_cache_call *call, tp_cache_table *table,
                       uint64_t salt, const char *const *keys, const uint64_t *lengths,
                       int32_t *verdicts, tp_cache_misses *misses) {
    uint32_t number = 0;
    bool alone = atomic_load_explicit(&cache->previous, memory_order_acquire) == NULL;
    for (uint32_t n = 0; n < misses->count; n++) {
        uint32_t i = misses->which[n];
        tp_cache_miss *miss = &misses->miss[i];
        miss->table = table;
        miss->ticket =
            atomic_load_explicit(tp_cache_ticket_of(cache, &miss->probe), memory_order_acquire);
        miss->probe.bytes = keys[i];
        miss->probe.length = (size_t)lengths[i];
        miss->probe.salt = salt;
        verdicts[i] = alone && tp_cache_probe_absent(&miss->probe)
                          ? -1
                          : tp_cache_look(cache, call, table, &miss->probe);
        misses->which[number] = i;
        number += verdicts[i] < 0 ? 1 : 0;
    }
    misses->count = number;
}

static void without_table(const char *const *keys, const uint64_t *lengths, uint32_t count,
                          int32_t *verdicts, tp_cache_misses *misses) {
    list_all(count, misses);
    for (uint32_t i = 0; i < count; i++) {
        misses->miss[i].table = NULL;
        misses->miss[i].probe.bytes = keys[i];
        misses->miss[i].probe.length = (size_t)lengths[i];
        verdicts[i] = -1;
    }
}

uint32_t tp_cache_get_many(tp_cache *cache, const tp_cache_call *call, const char *const *keys,
                           const uint64_t *lengths, uint32_t count, int32_t *verdicts,
                           tp_cache_misses *misses) {
    tp_cache_table *table = atomic_load_explicit(&cache->table, memory_order_acquire);
    uint64_t salt = tp_cache_validators_salt(&cache->validators, call->validator);
    if (table == NULL) {
        without_table(keys, lengths, count, verdicts, misses);
    } else {
        bool near = table->plain && table->bytes <= NEAR_BYTES;
        place_all(table, salt, keys, lengths, count, misses);
        if (near) {
            read_all(count, verdicts, false, misses);
        } else {
            match_all(count, misses);
        }
        if (!near && table->plain) {
            read_all(count, verdicts, true, misses);
        } else if (!near) {
            list_all(count, misses);
        }
        look_again(cache, call, table, salt, keys, lengths, verdicts, misses);
    }
    tp_lanes_count(&cache->lanes, call->thread, TP_LANE_HITS, count - misses->count);
    tp_lanes_count(&cache->lanes, call->thread, TP_LANE_MISSES, misses->count);
    return count - misses->count;
}
