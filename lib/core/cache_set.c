/* S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson, "FIFO queues are all you need for cache eviction",
 * SOSP 2023) inside a set of sixteen ways: four are the small queue that every new key goes
 * through, twelve the main queue, eight tags remember who was turned away.
 *
 *   new key       takes the place of the oldest in the small queue
 *   who is oldest in the small queue and was asked for again moves to the main queue, proven
 *   who was not   moves there too as long as the main queue holds others who are not proven, the
 *                 oldest of which is turned away (the paper's small queue is as long as the main
 *                 queue leaves room for); when all are proven, it is turned away itself
 *   turned away   leaves its tag; a new key with such a tag goes to the main queue at once
 *   main queue    a clock: who was asked for since loses one of up to three points and stays
 *
 * Concurrency: a sequence lock. The version is odd while somebody changes the set; a reader takes
 * what it found for true when the version was even and is the same afterwards. All that readers
 * see are atomics, loaded with acquire and stored with release so that no fence is needed; on
 * x86-64 both are plain moves. Points are given outside the lock and may get lost.
 *
 * Under lru the eight tags are sixteen numbers of four bits instead: the ways from the youngest to
 * the oldest, moved by compare and swap on a hit unless the way is the youngest already. */
#include "core/cache_set.h"

#include <sched.h>

#define SMALL 4u
#define MAIN (TP_SET_WAYS - SMALL)
#define SPINS 64u
#define ORDER UINT64_C(0xFEDCBA9876543210) /* so that zeroes are an order, too */
#define NIBBLES UINT64_C(0x1111111111111111)

/* The word `state`, unpacked. */
typedef struct set_state {
    uint32_t proven; /* bit i: way SMALL + i */
    uint32_t small_hand;
    uint32_t main_hand;
    uint32_t ghost_hand;
    uint32_t inserts;
    uint32_t frequency;
    uint32_t empty; /* bit i: way i */
} set_state;

static set_state load_state(const tp_cache_set *set) {
    uint32_t word = atomic_load_explicit(&set->state, memory_order_relaxed);
    return (set_state){.proven = word & 0xFFF,
                       .small_hand = word >> 12 & 3,
                       .main_hand = word >> 14 & 15,
                       .ghost_hand = word >> 18 & 7,
                       .inserts = word >> 24,
                       .frequency = atomic_load_explicit(&set->frequency, memory_order_relaxed)};
}

static void store_state(tp_cache_set *set, const set_state *state) {
    uint32_t word = state->proven | state->small_hand << 12 | state->main_hand << 14 |
                    state->ghost_hand << 18 | (state->inserts & 0xFF) << 24;
    atomic_store_explicit(&set->state, word, memory_order_relaxed);
    atomic_store_explicit(&set->frequency, state->frequency, memory_order_relaxed);
}

/* ---- lock ---- */

void tp_set_lock(tp_cache_set *set) {
    for (uint32_t tries = 1;; tries++) {
        uint32_t seen = atomic_load_explicit(&set->version, memory_order_relaxed);
        if ((seen & 1) == 0 &&
            atomic_compare_exchange_weak_explicit(&set->version, &seen, seen + 1,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
            return;
        }
        if (tries % SPINS == 0) {
            sched_yield();
        }
    }
}

void tp_set_unlock(tp_cache_set *set, bool changed) {
    uint32_t seen = atomic_load_explicit(&set->version, memory_order_relaxed);
    atomic_store_explicit(&set->version, changed ? seen + 1 : seen - 1, memory_order_release);
}

/* ---- ways ---- */

static uint32_t tag_of(const tp_cache_set *set, uint32_t way) {
    uint64_t word = atomic_load_explicit(&set->tags[way / 4], memory_order_relaxed);
    return (uint32_t)(word >> (way % 4 * 16)) & 0xFFFF;
}

static void put16(_Atomic uint64_t *words, uint32_t index, uint32_t value) {
    uint32_t shift = index % 4 * 16;
    uint64_t word = atomic_load_explicit(&words[index / 4], memory_order_relaxed);
    word = (word & ~(UINT64_C(0xFFFF) << shift)) | (uint64_t)value << shift;
    atomic_store_explicit(&words[index / 4], word, memory_order_release);
}

void tp_set_read(const tp_cache_set *set, uint32_t way, tp_cache_entry *entry) {
    const _Atomic uint32_t *words = set->entries[way];
    uint32_t tag = tag_of(set, way);
    uint32_t first = atomic_load_explicit(&words[0], memory_order_relaxed);
    uint32_t second = atomic_load_explicit(&words[1], memory_order_relaxed);
    entry->mark = tag == 0 ? 0 : (uint64_t)first << 32 | (second & 0xFFFF0000u) | tag;
    entry->verdict = second & 0xFFFF;
    entry->terms = atomic_load_explicit(&words[2], memory_order_relaxed);
}

void tp_set_write(tp_cache_set *set, uint32_t way, const tp_cache_entry *entry) {
    _Atomic uint32_t *words = set->entries[way];
    uint32_t second = ((uint32_t)entry->mark & 0xFFFF0000u) | entry->verdict;
    atomic_store_explicit(&words[0], (uint32_t)(entry->mark >> 32), memory_order_release);
    atomic_store_explicit(&words[1], second, memory_order_release);
    atomic_store_explicit(&words[2], entry->terms, memory_order_release);
    put16(set->tags, way, (uint32_t)entry->mark & 0xFFFF);
}

void tp_set_clear(tp_cache_set *set, uint32_t way) {
    put16(set->tags, way, 0);
}

uint32_t tp_set_inserts(const tp_cache_set *set) {
    return atomic_load_explicit(&set->state, memory_order_relaxed) >> 24;
}

static bool is_dead(const tp_cache_set *set, uint32_t way, const tp_set_owner *owner) {
    uint32_t terms = atomic_load_explicit(&set->entries[way][2], memory_order_relaxed);
    return terms != 0 && owner->dead(owner->user, set, way, terms);
}

static void moves(const tp_cache_set *set, const tp_set_owner *owner, uint32_t from, uint32_t to) {
    if (owner->move != NULL) {
        owner->move(owner->user, set, from, to);
    }
}

/* ---- s3fifo ---- */

static uint32_t points(const set_state *state, uint32_t way) {
    return state->frequency >> (2 * way) & 3;
}

static void forget_points(set_state *state, uint32_t way) {
    state->frequency &= ~(UINT32_C(3) << (2 * way));
}

static void prove(set_state *state, uint32_t way, bool proven) {
    uint32_t bit = UINT32_C(1) << (way - SMALL);
    state->proven = proven ? state->proven | bit : state->proven & ~bit;
}

static tp_set_loss turn_away(tp_cache_set *set, set_state *state, uint32_t way, bool remember,
                             const tp_set_owner *owner) {
    bool dead = is_dead(set, way, owner);
    if (remember && !dead) {
        put16(set->ghosts, state->ghost_hand, tag_of(set, way));
        state->ghost_hand = (state->ghost_hand + 1) % TP_SET_GHOSTS;
    }
    moves(set, owner, way, TP_SET_NOWHERE);
    return dead ? TP_SET_DEAD : TP_SET_EVICTED;
}

/* The oldest of the main queue that is not proven; on the way, proves those who were asked for. */
static uint32_t unproven(set_state *state) {
    for (;;) {
        uint32_t bits = ~state->proven & ((1u << MAIN) - 1);
        if (bits == 0) {
            return TP_SET_NOWHERE;
        }
        uint32_t ahead = bits >> state->main_hand;
        uint32_t at = (uint32_t)__builtin_ctz(ahead != 0 ? ahead << state->main_hand : bits);
        if (points(state, SMALL + at) == 0) {
            state->main_hand = (at + 1) % MAIN;
            return SMALL + at;
        }
        prove(state, SMALL + at, true);
        forget_points(state, SMALL + at);
    }
}

static uint32_t clock_victim(tp_cache_set *set, set_state *state, const tp_set_owner *owner) {
    for (;;) {
        uint32_t way = SMALL + state->main_hand;
        state->main_hand = (state->main_hand + 1) % MAIN;
        if (points(state, way) == 0 || is_dead(set, way, owner)) {
            return way;
        }
        state->frequency -= UINT32_C(1) << (2 * way);
    }
}

/* A way of the main queue that is free now; TP_SET_NOWHERE when all others are worth more. */
static uint32_t main_way(tp_cache_set *set, set_state *state, bool proven,
                         const tp_set_owner *owner, tp_set_loss *loss) {
    uint32_t empty = state->empty >> SMALL;
    uint32_t way = empty != 0 ? SMALL + (uint32_t)__builtin_ctz(empty) : unproven(state);
    if (empty == 0 && way != TP_SET_NOWHERE) {
        *loss = turn_away(set, state, way, true, owner);
    } else if (way == TP_SET_NOWHERE && proven) {
        way = clock_victim(set, state, owner);
        *loss = turn_away(set, state, way, false, owner);
    }
    if (way != TP_SET_NOWHERE) {
        prove(state, way, proven);
        forget_points(state, way);
    }
    return way;
}

/* A way of the small queue that is free now. */
static uint32_t small_way(tp_cache_set *set, set_state *state, const tp_set_owner *owner,
                          tp_set_loss *loss) {
    uint32_t empty = state->empty & ((1u << SMALL) - 1);
    uint32_t way = state->small_hand;
    if (empty != 0) {
        return (uint32_t)__builtin_ctz(empty);
    }
    state->small_hand = (way + 1) % SMALL;
    if (is_dead(set, way, owner)) {
        *loss = turn_away(set, state, way, false, owner);
        return way;
    }
    uint32_t to = main_way(set, state, points(state, way) > 0, owner, loss);
    if (to == TP_SET_NOWHERE) {
        *loss = turn_away(set, state, way, true, owner);
    } else {
        tp_cache_entry entry;
        tp_set_read(set, way, &entry);
        tp_set_write(set, to, &entry);
        moves(set, owner, way, to);
    }
    return way;
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
    uint64_t stored = atomic_load_explicit(&set->ghosts[0], memory_order_relaxed);
    if (((stored ^ ORDER) & 15) != way) {
        atomic_compare_exchange_strong_explicit(&set->ghosts[0], &stored,
                                                to_front(stored ^ ORDER, way) ^ ORDER,
                                                memory_order_relaxed, memory_order_relaxed);
    }
}

static uint32_t lru_way(tp_cache_set *set, set_state *state, const tp_set_owner *owner,
                        tp_set_loss *loss) {
    uint32_t empty = state->empty;
    uint64_t order = atomic_load_explicit(&set->ghosts[0], memory_order_relaxed) ^ ORDER;
    uint32_t way = empty != 0 ? (uint32_t)__builtin_ctz(empty) : (uint32_t)(order >> 60);
    if (empty == 0) {
        *loss = turn_away(set, state, way, false, owner);
    }
    atomic_store_explicit(&set->ghosts[0], to_front(order, way) ^ ORDER, memory_order_relaxed);
    return way;
}

/* ---- */

tp_set_loss tp_set_insert(tp_cache_set *set, tp_cache_policy policy, const tp_cache_entry *entry,
                          bool known, uint32_t empty, const tp_set_owner *owner, uint32_t *way) {
    set_state state = load_state(set);
    state.empty = empty;
    tp_set_loss loss = TP_SET_NONE;
    state.inserts++;
    if (policy == TP_CACHE_LRU) {
        *way = lru_way(set, &state, owner, &loss);
    } else if (known) {
        *way = main_way(set, &state, true, owner, &loss);
    } else {
        *way = small_way(set, &state, owner, &loss);
        forget_points(&state, *way);
    }
    tp_set_write(set, *way, entry);
    store_state(set, &state);
    return loss;
}
