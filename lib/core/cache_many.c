/* Stages: all keys of a block are hashed, and both sets of each are fetched; then all tags are
 * compared and the lines of the entries are fetched; then the verdicts are read, and who was not
 * found is listed, without a branch that depends on it; then those alone are looked at again. So
 * memory is waited for once for all keys instead of once for each, and a miss is foreseen.
 *
 * A table that is larger than the processor's cache keeps memory busy all the time: the next block
 * is hashed between comparing tags and reading verdicts. In a small one the second stage and the
 * third are one, which saves instructions.
 *
 * What limits it: about 170 instructions for each key and 270 more for each that is missed; beyond
 * the processor's cache one line of tags for each key, one of its entry or of the second set's
 * tags, and two more for each that is missed, of which some fifteen are under way at once. */
#include "core/cache_many.h"

#include "core/cache_quick.h"

static void place_all(const tp_cache_table *table, uint64_t salt, tp_cache_block *block) {
    const char *const *keys = block->keys;
    const uint64_t *lengths = block->lengths;
    uint32_t count = block->count;
    bool both = !table->plain || !table->far;
    for (uint32_t i = 0; i < count; i++) {
        tp_cache_probe *probe = &block->miss[i].probe;
        tp_cache_probe_place(table, salt, keys[i], (size_t)lengths[i], probe);
        __builtin_prefetch(probe->set[0]);
        if (both) {
            __builtin_prefetch(probe->set[1]);
        }
    }
}

static void place(tp_cache *cache, const tp_cache_call *call, tp_cache_block *block) {
    if (!block->placed) {
        block->placed = true;
        block->table = atomic_load_explicit(&cache->table, memory_order_acquire);
        block->salt = tp_cache_validators_salt(&cache->validators, call->validator);
        if (block->table != NULL) {
            place_all(block->table, block->salt, block);
        }
    }
}

/* The tags of the first set of each; what is fetched then is the entry, which may lie in two lines,
 * or the second set. */
static void match_first(tp_cache_block *block) {
    for (uint32_t i = 0; i < block->count; i++) {
        tp_cache_probe *probe = &block->miss[i].probe;
        tp_cache_set *set = probe->set[0];
        probe->version[0] = tp_set_version(set);
        probe->ways = tp_set_match(set, (uint32_t)probe->mark & 0xFFFF);
        const void *entry = set->entries[__builtin_ctz(probe->ways | 0x8000)];
        const void *line = probe->ways != 0 ? entry : probe->set[1];
        TP_OPAQUE(line);
        __builtin_prefetch(line);
        __builtin_prefetch((const char *)line + 11);
    }
}

/* The tags of the second set, where the first had none that fits. */
TP_CACHE_INLINE void match_second(tp_cache_probe *probe) {
    tp_cache_set *set = probe->ways != 0 ? probe->set[0] : probe->set[1];
    TP_OPAQUE(set);
    probe->version[1] = tp_set_version(set);
    uint32_t ways = tp_set_match(set, (uint32_t)probe->mark & 0xFFFF) << 16;
    probe->ways = probe->ways != 0 ? probe->ways : ways;
}

/* The verdicts of a plain table, and -1 for who is not there, or not for sure. */
TP_CACHE_INLINE void read_all(tp_cache_block *block, int32_t *verdicts, bool far) {
    uint32_t missed = 0;
    uint32_t count = block->count;
    for (uint32_t i = 0; i < count; i++) {
        tp_cache_probe probe = block->miss[i].probe;
        if (far) {
            match_second(&probe);
        } else {
            tp_cache_probe_match(&probe);
            block->miss[i].probe.version[0] = probe.version[0];
        }
        block->miss[i].probe.version[1] = probe.version[1];
        block->miss[i].probe.ways = probe.ways;
        uint32_t bit = (uint32_t)__builtin_ctz(probe.ways | 0x80000000u);
        tp_cache_found found = tp_cache_probe_found(&probe, bit);
        bool sure = (found.odd == 0) & (probe.ways != 0);
        tp_set_touch_if(found.set, found.way, sure);
        verdicts[i] = (int32_t)found.verdict | -(int32_t)!sure;
        block->which[missed] = i;
        missed += !sure;
    }
    block->missed = missed;
}

static void list_all(tp_cache_block *block) {
    for (uint32_t i = 0; i < block->count; i++) {
        block->which[i] = i;
    }
    block->missed = block->count;
}

/* Those that are listed, the long way unless they are not there for sure; who is found leaves the
 * list. */
static void look_again(tp_cache *cache, const tp_cache_call *call, tp_cache_block *block,
                       int32_t *verdicts) {
    uint32_t missed = 0;
    bool alone = atomic_load_explicit(&cache->previous, memory_order_acquire) == NULL;
    bool plain = block->table->plain;
    for (uint32_t n = 0; n < block->missed; n++) {
        uint32_t i = block->which[n];
        tp_cache_miss *miss = &block->miss[i];
        miss->table = block->table;
        miss->ticket =
            atomic_load_explicit(tp_cache_ticket_of(cache, &miss->probe), memory_order_acquire);
        miss->probe.bytes = block->keys[i];
        miss->probe.length = (size_t)block->lengths[i];
        miss->probe.salt = block->salt;
        if (plain && alone && tp_cache_probe_absent(&miss->probe)) {
            tp_cache_probe_fetch_room(&miss->probe);
            verdicts[i] = -1;
        } else {
            tp_cache_probe_match(&miss->probe);
            verdicts[i] = tp_cache_look(cache, call, block->table, &miss->probe);
        }
        block->which[missed] = i;
        missed += verdicts[i] < 0 ? 1 : 0;
    }
    block->missed = missed;
}

static void without_table(tp_cache_block *block, int32_t *verdicts) {
    list_all(block);
    for (uint32_t i = 0; i < block->count; i++) {
        block->miss[i].table = NULL;
        block->miss[i].probe.bytes = block->keys[i];
        block->miss[i].probe.length = (size_t)block->lengths[i];
        verdicts[i] = -1;
    }
}

uint32_t tp_cache_get_many(tp_cache *cache, const tp_cache_call *call, tp_cache_block *block,
                           tp_cache_block *next, int32_t *verdicts) {
    place(cache, call, block);
    const tp_cache_table *table = block->table;
    if (table == NULL) {
        without_table(block, verdicts);
    } else if (!table->plain) {
        list_all(block);
        look_again(cache, call, block, verdicts);
    } else if (!table->far) {
        read_all(block, verdicts, false);
        look_again(cache, call, block, verdicts);
    } else {
        match_first(block);
        place(cache, call, next);
        read_all(block, verdicts, true);
        look_again(cache, call, block, verdicts);
    }
    uint32_t hits = block->count - block->missed;
    tp_lanes_count(&cache->lanes, call->thread, TP_LANE_HITS, hits);
    tp_lanes_count(&cache->lanes, call->thread, TP_LANE_MISSES, block->missed);
    return hits;
}
