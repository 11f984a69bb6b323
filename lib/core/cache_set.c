/* Concurrency: a sequence lock. The version is odd while somebody changes the set; a reader takes
 * what it found for true when the version was even and is the same afterwards. All that readers
 * see are atomics, loaded with acquire and stored with release so that no fence is needed; on
 * x86-64 both are plain moves, and tags are compared as vectors. Points are given outside the lock
 * and may get lost.
 *
 * Which entry has to go: cache_queue.h. Under lru the eight tags are sixteen numbers of four bits
 * instead: the ways from the youngest to the oldest, moved by compare and swap on a hit unless the
 * way is the youngest already. */
#include "core/cache_set.h"

#include <sched.h>

#include "core/cache_queue.h"

#define SPINS 64u
#define ORDER UINT64_C(0xFEDCBA9876543210) /* so that zeroes are an order, too */
#define NIBBLES UINT64_C(0x1111111111111111)

/* ---- lock ---- */

void tp_set_lock(tp_cache_set *set) {
    for (uint32_t tries = 1;; tries++) {
        uint32_t seen = atomic_load_explicit(&set->version, memory_order_relaxed);
        if ((seen & 1) == 0 && tp_set_lock_at(set, seen)) {
            return;
        }
        if (tries % SPINS == 0) {
            sched_yield();
        }
    }
}

/* ---- ways ---- */

void tp_set_read(const tp_cache_set *set, uint32_t way, tp_cache_entry *entry) {
    uint32_t tag = tp_set_tag(set, way);
    uint64_t whole = tp_set_body(set->entries[way]);
    entry->mark = tag == 0 ? 0 : (whole & ~UINT64_C(0xFFFF)) | tag;
    entry->verdict = (uint32_t)whole & 0xFFFF;
    entry->terms = atomic_load_explicit(&set->entries[way][2], memory_order_relaxed);
}

static void flag(tp_cache_set *set, uint32_t unset, uint32_t flags) {
    uint32_t state = (tp_set_state(set) & ~unset) | flags;
    atomic_store_explicit(&set->state, state, memory_order_relaxed);
}

void tp_set_write(tp_cache_set *set, uint32_t way, const tp_cache_entry *entry) {
    if (entry->terms != 0) {
        flag(set, 0, TP_SET_TERMS);
    }
    tp_set_store(set, way, entry);
}

void tp_set_clear(tp_cache_set *set, uint32_t way) {
    flag(set, TP_SET_FULL, 0);
    atomic_store_explicit(&set->tags[way], 0, memory_order_release);
}

/* ---- lru ---- */

static uint64_t to_front(uint64_t order, uint32_t way) {
    uint64_t differs = order ^ way * NIBBLES;
    uint64_t zero = (differs - NIBBLES) & ~differs & (NIBBLES << 3);
    uint32_t shift = (uint32_t)__builtin_ctzll(zero) & ~3u;
    uint64_t younger = order & ((UINT64_C(1) << shift) - 1);
    uint64_t older = shift == 60 ? 0 : order >> (shift + 4) << (shift + 4);
    return older | younger << 4 | way;
}

void tp_set_touch_lru(tp_cache_set *set, uint32_t way) {
    uint64_t stored = atomic_load_explicit(&set->past.order, memory_order_relaxed);
    if (((stored ^ ORDER) & 15) != way) {
        atomic_compare_exchange_strong_explicit(&set->past.order, &stored,
                                                to_front(stored ^ ORDER, way) ^ ORDER,
                                                memory_order_relaxed, memory_order_relaxed);
    }
}

static uint32_t lru_way(tp_cache_set *set, uint32_t empty, const tp_set_owner *owner,
                        tp_set_loss *loss) {
    uint64_t order = atomic_load_explicit(&set->past.order, memory_order_relaxed) ^ ORDER;
    uint32_t way = empty != 0 ? (uint32_t)__builtin_ctz(empty) : (uint32_t)(order >> 60);
    if (empty == 0) {
        *loss = tp_queue_is_dead(set, way, owner) ? TP_SET_DEAD : TP_SET_EVICTED;
        tp_queue_moves(set, owner, way, TP_SET_NOWHERE);
    }
    atomic_store_explicit(&set->past.order, to_front(order, way) ^ ORDER, memory_order_relaxed);
    atomic_store_explicit(&set->state, tp_set_state(set) + TP_QUEUE_INSERT, memory_order_relaxed);
    return way;
}

/* ---- */

tp_set_loss tp_set_insert(tp_cache_set *set, tp_cache_policy policy, const tp_cache_entry *entry,
                          bool known, uint32_t empty, const tp_set_owner *owner, uint32_t *way) {
    tp_set_loss loss = TP_SET_NONE;
    *way = policy == TP_CACHE_LRU ? lru_way(set, empty, owner, &loss)
                                  : tp_queue_way(set, known, empty, owner, &loss);
    tp_set_write(set, *way, entry);
    return loss;
}
