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
 * A way is a bit wherever ways are spoken of, so a turn of the clock is arithmetic: who has no
 * points is one mask, the first of them behind the hand a count of zeroes, and those that the hand
 * passes lose their point by two operations, however many they are.
 *
 * The functions are inlined twice: for sets whose entries may be dead or have something beside them
 * (`owner` says what), and without an owner for all others, where that folds away. */
#ifndef TP_CORE_CACHE_QUEUE_H
#define TP_CORE_CACHE_QUEUE_H

#include "core/cache_set.h"

/* The word `state` of a set:
 *   bits 0-1    the oldest of the small queue
 *   bits 2, 3   TP_SET_FULL, TP_SET_TERMS
 *   bits 4-15   who of the main queue is proven, by way
 *   bits 16-19  the way at the hand of the main queue; below 4: the first of it
 *   bits 20-22  where the next tag that is turned away goes
 *   bits 24-31  insertions modulo 256 */
#define TP_QUEUE_SMALL 4u
#define TP_QUEUE_SMALL_WAYS 0xFu
#define TP_QUEUE_MAIN_WAYS 0xFFF0u
#define TP_QUEUE_HAND_SHIFT 16u
#define TP_QUEUE_GHOST_SHIFT 20u
#define TP_QUEUE_INSERT (1u << 24)

/* What changes: the state, and both bits of the points. */
typedef struct tp_queue {
    uint32_t state;
    uint32_t low;
    uint32_t high;
} tp_queue;

TP_CACHE_INLINE bool tp_queue_is_dead(const tp_cache_set *set, uint32_t way,
                                      const tp_set_owner *owner) {
    if (owner == NULL) {
        return false;
    }
    uint32_t terms = atomic_load_explicit(&set->entries[way][2], memory_order_relaxed);
    return terms != 0 && owner->dead(owner->user, set, way, terms);
}

TP_CACHE_INLINE void tp_queue_moves(const tp_cache_set *set, const tp_set_owner *owner,
                                    uint32_t from, uint32_t to) {
    if (owner != NULL && owner->move != NULL) {
        owner->move(owner->user, set, from, to);
    }
}

TP_CACHE_INLINE uint32_t tp_queue_hand(const tp_queue *queue) {
    return queue->state >> TP_QUEUE_HAND_SHIFT & 15;
}

/* The first way of a mask at the hand or behind it. */
TP_CACHE_INLINE uint32_t tp_queue_first(uint32_t mask, uint32_t hand) {
    uint32_t ahead = mask & ~0u << hand;
    return (uint32_t)__builtin_ctz(ahead != 0 ? ahead : mask);
}

/* The ways from the hand on up to that one, which is not among them. */
TP_CACHE_INLINE uint32_t tp_queue_passed(uint32_t hand, uint32_t way) {
    return (1u << way) - (1u << hand) - (way < hand ? 1u : 0u);
}

TP_CACHE_INLINE void tp_queue_forget(tp_queue *queue, uint32_t ways) {
    queue->low &= ~ways;
    queue->high &= ~ways;
}

/* Takes a point from each of these ways, which have some. */
TP_CACHE_INLINE void tp_queue_lower(tp_queue *queue, uint32_t ways) {
    queue->high &= queue->low | ~ways;
    queue->low ^= ways;
}

/* Leaves the tag of who is turned away. */
TP_CACHE_INLINE void tp_queue_remember(tp_cache_set *set, tp_queue *queue, uint32_t way) {
    uint32_t at = queue->state >> TP_QUEUE_GHOST_SHIFT & (TP_SET_GHOSTS - 1);
    uint32_t next = queue->state + (1u << TP_QUEUE_GHOST_SHIFT);
    atomic_store_explicit(&set->past.ghosts[at], (uint16_t)tp_set_tag(set, way),
                          memory_order_relaxed);
    queue->state = next & ~(TP_SET_GHOSTS << TP_QUEUE_GHOST_SHIFT);
}

TP_CACHE_INLINE tp_set_loss tp_queue_turn_away(tp_cache_set *set, tp_queue *queue, uint32_t way,
                                               bool remember, const tp_set_owner *owner) {
    bool dead = tp_queue_is_dead(set, way, owner);
    if (remember && !dead) {
        tp_queue_remember(set, queue, way);
    }
    tp_queue_moves(set, owner, way, TP_SET_NOWHERE);
    return dead ? TP_SET_DEAD : TP_SET_EVICTED;
}

/* The oldest of the main queue that is not proven; on the way, proves those who were asked for. */
TP_CACHE_INLINE uint32_t tp_queue_unproven(tp_queue *queue) {
    uint32_t open = ~queue->state & TP_QUEUE_MAIN_WAYS;
    uint32_t idle = open & ~(queue->low | queue->high);
    uint32_t hand = tp_queue_hand(queue);
    uint32_t way = idle == 0 ? TP_SET_NOWHERE : tp_queue_first(idle, hand);
    uint32_t proven = idle == 0 ? open : open & tp_queue_passed(hand, way);
    queue->state |= proven;
    tp_queue_forget(queue, proven);
    return way;
}

/* Ways of the main queue whose entry is dead. */
TP_CACHE_INLINE uint32_t tp_queue_dead(const tp_cache_set *set, const tp_set_owner *owner) {
    uint32_t dead = 0;
    for (uint32_t way = TP_QUEUE_SMALL; owner != NULL && way < TP_SET_WAYS; way++) {
        dead |= tp_queue_is_dead(set, way, owner) ? 1u << way : 0;
    }
    return dead;
}

TP_CACHE_INLINE uint32_t tp_queue_clock(const tp_cache_set *set, tp_queue *queue,
                                        const tp_set_owner *owner) {
    uint32_t dead = tp_queue_dead(set, owner);
    uint32_t hand = tp_queue_hand(queue);
    for (;;) {
        uint32_t idle = (~(queue->low | queue->high) | dead) & TP_QUEUE_MAIN_WAYS;
        if (idle != 0) {
            uint32_t way = tp_queue_first(idle, hand);
            tp_queue_lower(queue, tp_queue_passed(hand, way) & TP_QUEUE_MAIN_WAYS);
            return way;
        }
        tp_queue_lower(queue, TP_QUEUE_MAIN_WAYS);
    }
}

/* A way of the main queue that is free now; TP_SET_NOWHERE when all others are worth more. */
TP_CACHE_INLINE uint32_t tp_queue_main(tp_cache_set *set, tp_queue *queue, bool proven,
                                       uint32_t empty, const tp_set_owner *owner,
                                       tp_set_loss *loss) {
    uint32_t way = TP_SET_NOWHERE;
    if ((empty & TP_QUEUE_MAIN_WAYS) != 0) {
        way = (uint32_t)__builtin_ctz(empty & TP_QUEUE_MAIN_WAYS);
    } else {
        bool all_proven = (~queue->state & TP_QUEUE_MAIN_WAYS) == 0;
        way = all_proven ? TP_SET_NOWHERE : tp_queue_unproven(queue);
        if (way != TP_SET_NOWHERE) {
            *loss = tp_queue_turn_away(set, queue, way, true, owner);
        } else if (proven) {
            way = tp_queue_clock(set, queue, owner);
            *loss = tp_queue_turn_away(set, queue, way, false, owner);
        } else {
            return TP_SET_NOWHERE;
        }
        queue->state &= ~(15u << TP_QUEUE_HAND_SHIFT);
        queue->state |= ((way + 1) & 15) << TP_QUEUE_HAND_SHIFT;
    }
    uint32_t bit = 1u << way;
    queue->state = proven ? queue->state | bit : queue->state & ~bit;
    tp_queue_forget(queue, bit);
    return way;
}

TP_CACHE_INLINE void tp_queue_move(tp_cache_set *set, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t word = atomic_load_explicit(&set->entries[from][i], memory_order_relaxed);
        atomic_store_explicit(&set->entries[to][i], word, memory_order_release);
    }
    atomic_store_explicit(&set->tags[to], (uint16_t)tp_set_tag(set, from), memory_order_release);
}

/* A way of the small queue that is free now. */
TP_CACHE_INLINE uint32_t tp_queue_small(tp_cache_set *set, tp_queue *queue, uint32_t empty,
                                        const tp_set_owner *owner, tp_set_loss *loss) {
    if ((empty & TP_QUEUE_SMALL_WAYS) != 0) {
        return (uint32_t)__builtin_ctz(empty & TP_QUEUE_SMALL_WAYS);
    }
    uint32_t way = queue->state & 3;
    queue->state = (queue->state & ~3u) | ((way + 1) & 3);
    if (tp_queue_is_dead(set, way, owner)) {
        *loss = tp_queue_turn_away(set, queue, way, false, owner);
        return way;
    }
    bool asked = ((queue->low | queue->high) >> way & 1) != 0;
    uint32_t to = tp_queue_main(set, queue, asked, empty, owner, loss);
    if (to == TP_SET_NOWHERE) {
        *loss = tp_queue_turn_away(set, queue, way, true, owner);
    } else {
        tp_queue_move(set, way, to);
        tp_queue_moves(set, owner, way, to);
    }
    return way;
}

/* A way that is free now for a new key, known or not; nothing of it is written yet. */
TP_CACHE_INLINE uint32_t tp_queue_way(tp_cache_set *set, bool known, uint32_t empty,
                                      const tp_set_owner *owner, tp_set_loss *loss) {
    uint32_t points = atomic_load_explicit(&set->points, memory_order_relaxed);
    tp_queue queue = {tp_set_state(set), points & TP_SET_ALL, points >> 16};
    uint32_t way = known ? tp_queue_main(set, &queue, true, empty, owner, loss)
                         : tp_queue_small(set, &queue, empty, owner, loss);
    tp_queue_forget(&queue, 1u << way);
    queue.state += TP_QUEUE_INSERT;
    queue.state |= (empty & ~(1u << way)) == 0 ? TP_SET_FULL : 0;
    atomic_store_explicit(&set->state, queue.state, memory_order_relaxed);
    atomic_store_explicit(&set->points, queue.high << 16 | queue.low, memory_order_relaxed);
    return way;
}

#endif
