/* What waits for the end of the window: deltas, the distinct keys they yield, and which delta
 * yields which. A change is staged first and committed then, so that a lack of memory, or a window
 * that must be closed in between, leaves nothing half done. */
#ifndef TP_CORE_WINDOW_H
#define TP_CORE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "core/coalescer.h"
#include "core/fence.h"
#include "core/keyset.h"
#include "core/recent.h"

typedef struct tp_window tp_window;

/* A key of a delta. */
typedef struct tp_ref {
    uint32_t key;
    uint32_t fence_slot;
} tp_ref;

typedef struct tp_staged_key {
    const char *bytes; /* copied */
    uint32_t length;
    uint32_t interval_ms;
    uint32_t fence_slot;
    uint64_t arrival;
    uint64_t lsn; /* TP_LSN_UNKNOWN for a key without change, else 0 */
} tp_staged_key;

tp_window *tp_window_new(const tp_hash_key *key); /* NULL when memory is short */
void tp_window_free(tp_window *window);
void tp_window_clear(tp_window *window);

/* ---- staging: one change with its keys, or keys alone ---- */

/* A change; TRIGPERF_E_LIMIT when its values are too long. */
int32_t tp_window_stage(tp_window *window, const tp_table *table, const tp_value *values,
                        trigperf_error **err);
/* A delta of another window (or of the limiter), which must stay where it is until the commit. */
void tp_window_stage_delta(tp_window *window, const tp_delta *delta);
/* No change: keys alone. */
void tp_window_stage_nothing(tp_window *window);
/* Adds a key to what is staged; false when memory is short. */
bool tp_window_stage_key(tp_window *window, const tp_staged_key *key);

/* Whether a key waits in the window. */
bool tp_window_has_key(const tp_window *window, const char *bytes, size_t length);

/* ---- looking ahead: hints, for callers that have several changes at hand ---- */

#define TP_WINDOW_AHEAD 32u

/* Whether the window is so large that the hints save more than they cost. */
bool tp_window_is_large(const tp_window *window);
/* A change that will be staged soon, one of up to TP_WINDOW_AHEAD: asks for the index. */
void tp_window_foresee(tp_window *window, const tp_table *table, const tp_value *values);
/* Asks for what merging them reads: deltas, lists of keys, slots of the fence (which may be NULL),
 * and begins a new list of them. */
void tp_window_approach(tp_window *window, const tp_fence *fence);

/* ---- what is staged ---- */

/* The delta that the staged change would be merged into, or NULL. */
tp_delta *tp_window_match(tp_window *window);
uint32_t tp_window_staged_count(const tp_window *window); /* keys */
/* Whether one of the keys, or the change itself if it has none, was delivered a short while ago. */
bool tp_window_staged_recent(tp_window *window, const tp_recent *recent, uint64_t now_ms,
                             uint32_t within_ms);
/* How much the window's weight would grow. */
uint32_t tp_window_staged_weight(tp_window *window);
/* Merges what is staged; `expanded` says for which operations the staged keys are all there are.
 * False when memory is short: nothing has changed. */
bool tp_window_commit(tp_window *window, const tp_addition *addition, uint8_t expanded);
/* The same for what comes back from the limiter. */
bool tp_window_commit_returned(tp_window *window, const tp_addition *addition);

/* Notes marks of the fence for the staged keys, and for all keys of a delta. The fence may be NULL.
 */
void tp_window_mark_staged(const tp_window *window, tp_fence *fence, tp_fence_marks *marks);
void tp_window_mark(const tp_window *window, const tp_delta *delta, tp_fence *fence,
                    tp_fence_marks *marks);

/* ---- contents ---- */

/* Distinct keys, and changes without keys, each of which counts as one. */
uint32_t tp_window_weight(const tp_window *window);
uint32_t tp_window_key_count(const tp_window *window);
uint32_t tp_window_delta_count(const tp_window *window);
uint64_t tp_window_arrival(const tp_window *window); /* the oldest; UINT64_MAX when empty */
uint64_t tp_window_bytes(const tp_window *window);

tp_delta *tp_window_next_delta(const tp_window *window, const tp_delta *delta);
const tp_ref *tp_window_refs(const tp_window *window,
                             const tp_delta *delta); /* ref_count of them */
tp_key *tp_window_key(const tp_window *window, uint32_t key);
tp_key *tp_window_next_key(const tp_window *window, const tp_key *key);

/* The rules have changed: keys of later changes must be rendered anew. */
void tp_window_forget_expansions(tp_window *window);

#endif
