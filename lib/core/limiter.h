/* Rate limits that fire on the trailing edge: a key is delivered at most once per interval, and
 * always once after its last change. A key that comes too early is held back together with the
 * changes behind it until its interval has passed. */
#ifndef TP_CORE_LIMITER_H
#define TP_CORE_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/coalescer.h"
#include "core/keyset.h"

typedef struct tp_limiter tp_limiter;

/* What is known of one key: when it may be delivered again, and what it holds back. */
typedef struct tp_limit tp_limit;

#define TP_LIMIT_NONE UINT32_MAX

tp_limiter *tp_limiter_new(void); /* NULL when memory is short */
void tp_limiter_free(tp_limiter *limiter);

/* ---- at the end of a window ---- */

/* The handle of a key, or TP_LIMIT_NONE: never delivered, or long ago. */
uint32_t tp_limiter_find(const tp_limiter *limiter, const tp_key *key);
/* Starts to know a key that may be delivered now; TP_LIMIT_NONE when memory is short. */
uint32_t tp_limiter_add(tp_limiter *limiter, const tp_key *key, uint64_t now_ms);
/* Whether the key must (still) be held back. */
bool tp_limiter_is_early(const tp_limiter *limiter, uint32_t limit, uint64_t now_ms);
/* The key was delivered and may be again after its interval, the longest that was ever asked for
 * while it has been known. Must not hold anything. */
void tp_limiter_delivered(tp_limiter *limiter, uint32_t limit, uint64_t now_ms,
                          uint32_t interval_ms);

/* Holding back, in two rounds: everything is announced, then room is made (false when memory is
 * short), then everything is held, which cannot fail. */
void tp_limiter_announce_none(tp_limiter *limiter, uint32_t limit);
void tp_limiter_announce(tp_limiter *limiter, uint32_t limit, const tp_delta *delta);
bool tp_limiter_make_room(tp_limiter *limiter, uint32_t limit);
void tp_limiter_hold(tp_limiter *limiter, uint32_t limit, const tp_key *key);
void tp_limiter_hold_delta(tp_limiter *limiter, uint32_t limit, const tp_delta *delta);

/* ---- when time has passed ---- */

/* A key that holds something back and is due; NULL when none is. */
tp_limit *tp_limiter_due(const tp_limiter *limiter, uint64_t now_ms);
const char *tp_limit_key(const tp_limit *limit, uint32_t *length);
uint32_t tp_limit_interval(const tp_limit *limit);
uint64_t tp_limit_arrival(const tp_limit *limit);
uint64_t tp_limit_lsn(const tp_limit *limit);
/* The changes behind it: NULL gives the first, the last gives NULL. */
tp_delta *tp_limit_next(const tp_limit *limit, const tp_delta *delta);
/* What it held has been taken: the key is forgotten. */
void tp_limiter_release(tp_limiter *limiter, tp_limit *limit);
/* Forgets up to `work` keys that hold nothing and may be delivered again, and more of them, the
 * next to be due first, while they need more than max_idle_bytes. True when there are more. */
bool tp_limiter_expire(tp_limiter *limiter, uint64_t now_ms, uint64_t max_idle_bytes,
                       uint32_t work);

/* ---- figures ---- */

uint32_t tp_limiter_held_keys(const tp_limiter *limiter);
uint64_t tp_limiter_held_changes(const tp_limiter *limiter);
uint32_t tp_limiter_idle_keys(const tp_limiter *limiter);
uint64_t tp_limiter_deadline(const tp_limiter *limiter); /* of the next held key; UINT64_MAX */
uint64_t tp_limiter_arrival(const tp_limiter *limiter);  /* the oldest held; UINT64_MAX */
uint64_t tp_limiter_bytes(const tp_limiter *limiter);

#endif
