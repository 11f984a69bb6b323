/* Every known key stands in one of two heaps by the time it is due: `idle` (delivered, holds
 * nothing) or `holding`. Keys that hold something stand in a third one by their oldest arrival, for
 * the low-water mark. An idle key that becomes due is forgotten, since a key that is not known may
 * be delivered at once; so memory is bounded by the keys delivered within one interval.
 *
 * Each holding key has a coalescer of its own: the changes behind it leave with it, whatever other
 * keys the same changes have. A change whose keys are delivered apart is delivered with each. */
#include "core/limiter.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/heap.h"
#include "core/slots.h"

struct tp_limit {
    tp_heap_node due; /* in idle or holding */
    tp_heap_node age; /* in ages, while holding */
    uint64_t hash;
    uint64_t lsn;
    uint32_t handle;
    uint32_t interval_ms;
    uint32_t length;
    uint32_t announced;
    size_t announced_bytes;
    tp_coalescer held;
    char bytes[]; /* the key */
};

struct tp_limiter {
    tp_slots slots;
    tp_limit **limits; /* by handle; NULL: free */
    uint32_t limit_count;
    uint32_t limit_capacity;
    uint32_t *unused; /* handles; as long as limits */
    uint32_t unused_count;
    uint32_t unused_capacity;
    tp_heap idle;
    tp_heap holding;
    tp_heap ages;
    uint64_t held_changes;
    uint64_t idle_bytes;
    uint64_t holding_bytes;
};

#define OF_DUE(node) ((tp_limit *)(void *)((char *)(node)-offsetof(tp_limit, due)))

tp_limiter *tp_limiter_new(void) {
    return calloc(1, sizeof(tp_limiter));
}

static void limit_free(tp_limit *limit) {
    if (limit != NULL) {
        tp_coalescer_free(&limit->held);
        free(limit);
    }
}

void tp_limiter_free(tp_limiter *limiter) {
    if (limiter == NULL) {
        return;
    }
    for (uint32_t i = 0; i < limiter->limit_count; i++) {
        limit_free(limiter->limits[i]);
    }
    free(limiter->limits);
    free(limiter->unused);
    tp_slots_free(&limiter->slots);
    tp_heap_free(&limiter->idle);
    tp_heap_free(&limiter->holding);
    tp_heap_free(&limiter->ages);
    free(limiter);
}

/* ---- knowing keys ---- */

static uint64_t hash_at(const void *user, uint32_t handle) {
    const tp_limiter *limiter = user;
    return limiter->limits[handle]->hash;
}

uint32_t tp_limiter_find(const tp_limiter *limiter, const tp_key *key) {
    tp_probe probe = tp_slots_probe(&limiter->slots, key->hash);
    for (uint32_t handle = 0; tp_slots_next(&limiter->slots, &probe, &handle);) {
        const tp_limit *limit = limiter->limits[handle];
        if (limit->hash == key->hash && limit->length == key->length &&
            memcmp(limit->bytes, key->bytes, key->length) == 0) {
            return handle;
        }
    }
    return TP_LIMIT_NONE;
}

/* Memory of a key beside what it holds: node, handle, slots and places in heaps. */
static uint64_t own_bytes(const tp_limit *limit) {
    return sizeof *limit + limit->length + 64;
}

static bool reserve_one(tp_limiter *limiter) {
    uint32_t count = limiter->limit_count + 1;
    tp_limit **limits =
        tp_array_reserve(limiter->limits, &limiter->limit_capacity, count, sizeof(tp_limit *));
    if (limits == NULL) {
        return false;
    }
    limiter->limits = limits;
    uint32_t *unused =
        tp_array_reserve(limiter->unused, &limiter->unused_capacity, count, sizeof *unused);
    if (unused == NULL) {
        return false;
    }
    limiter->unused = unused;
    return tp_heap_reserve(&limiter->idle, count) && tp_heap_reserve(&limiter->holding, count) &&
           tp_heap_reserve(&limiter->ages, count) &&
           tp_slots_reserve(&limiter->slots, 1, hash_at, limiter);
}

static uint32_t take_handle(tp_limiter *limiter) {
    return limiter->unused_count > 0 ? limiter->unused[--limiter->unused_count]
                                     : limiter->limit_count++;
}

uint32_t tp_limiter_add(tp_limiter *limiter, const tp_key *key, uint64_t now_ms) {
    tp_limit *limit = reserve_one(limiter) ? calloc(1, sizeof *limit + key->length) : NULL;
    if (limit == NULL) {
        return TP_LIMIT_NONE;
    }
    limit->hash = key->hash;
    limit->length = key->length;
    limit->due.at = TP_HEAP_NOWHERE;
    limit->age.at = TP_HEAP_NOWHERE;
    memcpy(limit->bytes, key->bytes, key->length);
    limit->handle = take_handle(limiter);
    limiter->limits[limit->handle] = limit;
    limiter->idle_bytes += own_bytes(limit);
    tp_slots_put(&limiter->slots, limit->hash, limit->handle);
    tp_heap_push(&limiter->idle, &limit->due, now_ms);
    return limit->handle;
}

/* The limit stands in no heap any more. */
static void forget(tp_limiter *limiter, tp_limit *limit) {
    tp_slots_remove(&limiter->slots, limit->hash, limit->handle, hash_at, limiter);
    limiter->limits[limit->handle] = NULL;
    limiter->unused[limiter->unused_count++] = limit->handle;
    limit_free(limit);
}

static bool is_holding(const tp_limit *limit) {
    return limit->age.at != TP_HEAP_NOWHERE;
}

bool tp_limiter_is_early(const tp_limiter *limiter, uint32_t limit, uint64_t now_ms) {
    const tp_limit *found = limiter->limits[limit];
    return is_holding(found) || found->due.rank > now_ms;
}

static void widen(tp_limit *limit, uint32_t interval_ms) {
    limit->interval_ms = interval_ms > limit->interval_ms ? interval_ms : limit->interval_ms;
}

void tp_limiter_delivered(tp_limiter *limiter, uint32_t limit, uint64_t now_ms,
                          uint32_t interval_ms) {
    tp_limit *delivered = limiter->limits[limit];
    widen(delivered, interval_ms);
    uint64_t due = now_ms + delivered->interval_ms;
    tp_heap_remove(&limiter->idle, &delivered->due);
    tp_heap_push(&limiter->idle, &delivered->due, due < now_ms ? UINT64_MAX : due);
}

/* ---- holding back ---- */

void tp_limiter_announce_none(tp_limiter *limiter, uint32_t limit) {
    limiter->limits[limit]->announced = 0;
    limiter->limits[limit]->announced_bytes = 0;
}

void tp_limiter_announce(tp_limiter *limiter, uint32_t limit, const tp_delta *delta) {
    limiter->limits[limit]->announced++;
    limiter->limits[limit]->announced_bytes += delta->tuple_length;
}

bool tp_limiter_make_room(tp_limiter *limiter, uint32_t limit) {
    tp_limit *holder = limiter->limits[limit];
    return tp_coalescer_reserve(&holder->held, holder->announced, holder->announced_bytes);
}

void tp_limiter_hold(tp_limiter *limiter, uint32_t limit, const tp_key *key) {
    tp_limit *holder = limiter->limits[limit];
    uint64_t arrival = key->arrival;
    if (is_holding(holder)) {
        arrival = holder->age.rank < arrival ? holder->age.rank : arrival;
        tp_heap_remove(&limiter->ages, &holder->age);
    } else {
        tp_heap_remove(&limiter->idle, &holder->due);
        tp_heap_push(&limiter->holding, &holder->due, holder->due.rank);
        limiter->idle_bytes -= own_bytes(holder);
        limiter->holding_bytes += own_bytes(holder);
    }
    tp_heap_push(&limiter->ages, &holder->age, arrival);
    widen(holder, key->interval_ms);
    holder->lsn = key->lsn > holder->lsn ? key->lsn : holder->lsn;
}

void tp_limiter_hold_delta(tp_limiter *limiter, uint32_t limit, const tp_delta *delta) {
    tp_coalescer *held = &limiter->limits[limit]->held;
    uint64_t before = tp_coalescer_bytes(held);
    uint32_t known = held->count;
    tp_addition addition = {tp_delta_count(delta), delta->arrival, delta->lsn, delta->ops};
    tp_coalescer_take(held, delta->table, delta->tuple, delta->tuple_length, delta->hash,
                      &addition);
    limiter->held_changes += held->count - known;
    limiter->holding_bytes += tp_coalescer_bytes(held) - before;
}

/* ---- when time has passed ---- */

tp_limit *tp_limiter_due(const tp_limiter *limiter, uint64_t now_ms) {
    tp_heap_node *top = tp_heap_top(&limiter->holding);
    return top == NULL || top->rank > now_ms ? NULL : OF_DUE(top);
}

const char *tp_limit_key(const tp_limit *limit, uint32_t *length) {
    *length = limit->length;
    return limit->bytes;
}

uint32_t tp_limit_interval(const tp_limit *limit) {
    return limit->interval_ms;
}

uint64_t tp_limit_arrival(const tp_limit *limit) {
    return limit->age.rank;
}

uint64_t tp_limit_lsn(const tp_limit *limit) {
    return limit->lsn;
}

tp_delta *tp_limit_next(const tp_limit *limit, const tp_delta *delta) {
    return tp_coalescer_next(&limit->held, delta);
}

void tp_limiter_release(tp_limiter *limiter, tp_limit *limit) {
    limiter->held_changes -= limit->held.count;
    limiter->holding_bytes -= own_bytes(limit) + tp_coalescer_bytes(&limit->held);
    tp_heap_remove(&limiter->holding, &limit->due);
    tp_heap_remove(&limiter->ages, &limit->age);
    forget(limiter, limit);
}

bool tp_limiter_expire(tp_limiter *limiter, uint64_t now_ms, uint64_t max_idle_bytes,
                       uint32_t work) {
    for (tp_heap_node *top; (top = tp_heap_top(&limiter->idle)) != NULL; work--) {
        if (top->rank > now_ms && limiter->idle_bytes <= max_idle_bytes) {
            break;
        }
        if (work == 0) {
            return true;
        }
        tp_limit *limit = OF_DUE(top);
        tp_heap_remove(&limiter->idle, top);
        limiter->idle_bytes -= own_bytes(limit);
        forget(limiter, limit);
    }
    return false;
}

/* ---- figures ---- */

uint32_t tp_limiter_held_keys(const tp_limiter *limiter) {
    return limiter->holding.count;
}

uint64_t tp_limiter_held_changes(const tp_limiter *limiter) {
    return limiter->held_changes;
}

uint32_t tp_limiter_idle_keys(const tp_limiter *limiter) {
    return limiter->idle.count;
}

uint64_t tp_limiter_deadline(const tp_limiter *limiter) {
    return tp_heap_rank(&limiter->holding);
}

uint64_t tp_limiter_arrival(const tp_limiter *limiter) {
    return tp_heap_rank(&limiter->ages);
}

uint64_t tp_limiter_bytes(const tp_limiter *limiter) {
    return limiter->idle_bytes + limiter->holding_bytes;
}
