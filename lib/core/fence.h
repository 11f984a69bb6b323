/* The safe fill: has a key been invalidated since a token was taken? Lock-free, any thread.
 *
 * A power-of-two table of arrival numbers indexed by the keyed hash of the cache key. Two keys that
 * share a slot can only make a check fail needlessly, never pass wrongly. Resyncs raise one floor
 * for all keys. */
#ifndef TP_CORE_FENCE_H
#define TP_CORE_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

typedef struct tp_fence tp_fence;

/* slots is rounded up to a power of two. NULL when memory is short. */
tp_fence *tp_fence_new(uint32_t slots, const tp_hash_key *key);
void tp_fence_free(tp_fence *fence);
uint64_t tp_fence_begin(const tp_fence *fence); /* never 0 */
bool tp_fence_check(const tp_fence *fence, uint64_t token, const char *key, size_t length);
/* An invalidation of a key, or of everything, has arrived. */
void tp_fence_mark(tp_fence *fence, const char *key, size_t length);
void tp_fence_mark_all(tp_fence *fence);

/* The same in steps, for many keys, and for keys that are marked again and again: where a key's
 * mark stands (to be fetched early, because it is seldom near), and a number for all invalidations
 * that have arrived by now. */
uint32_t tp_fence_slot(const tp_fence *fence, const char *key, size_t length);
void tp_fence_fetch(const tp_fence *fence, uint32_t slot);
uint64_t tp_fence_arrive(tp_fence *fence);

/* Marks that are yet to be written. For one thread; zeroes are none. */
#define TP_FENCE_MARKS 64u
typedef struct tp_fence_marks {
    uint32_t count;
    uint32_t slots[TP_FENCE_MARKS];
} tp_fence_marks;

/* An invalidation arrives when its mark is written: before anybody is told of it. */
void tp_fence_note(tp_fence *fence, tp_fence_marks *marks, uint32_t slot);
void tp_fence_write(tp_fence *fence, tp_fence_marks *marks);

#endif
