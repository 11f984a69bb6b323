/* Four walks over the window: judge each key (due, or too early), make room in the limiter for what
 * is too early, copy the rest into batches, and then, when nothing can fail any more, tell the
 * limiter.
 *
 * A window that had to wait for the host may hold more than max_keys keys; it becomes several
 * batches. Each takes whole changes as long as they fit, with all keys that they imply: a key
 * shared by changes of two batches stands in both, except a rate-limited one, which is in the
 * first. */
#include "core/cut.h"

enum fate { FATE_DUE, FATE_HELD, FATE_TAKEN /* plus the number of the batch that took it last */ };

/* ---- judging ---- */

static bool judge_key(const tp_cut *cut, tp_key *key) {
    key->fate = FATE_DUE;
    key->limit = tp_limiter_find(cut->limiter, key);
    if (key->limit == TP_LIMIT_NONE) {
        if (key->interval_ms == 0) {
            return true;
        }
        key->limit = tp_limiter_add(cut->limiter, key, cut->now_ms);
        return key->limit != TP_LIMIT_NONE;
    }
    uint64_t at = cut->reason == TP_BATCH_FLUSH ? UINT64_MAX : cut->now_ms;
    if (tp_limiter_is_early(cut->limiter, key->limit, at)) {
        key->fate = FATE_HELD;
        tp_limiter_announce_none(cut->limiter, key->limit);
    }
    return true;
}

static bool judge(tp_cut *cut) {
    for (tp_key *key = NULL; (key = tp_window_next_key(cut->window, key)) != NULL;) {
        if (!judge_key(cut, key)) {
            return false;
        }
        cut->held_keys += key->fate == FATE_HELD ? 1 : 0;
    }
    return true;
}

/* ---- room in the limiter ---- */

typedef void (*held_visitor)(tp_limiter *limiter, uint32_t limit, const tp_delta *delta);

static void visit_held(const tp_cut *cut, held_visitor visit) {
    for (tp_delta *d = NULL; (d = tp_window_next_delta(cut->window, d)) != NULL;) {
        const tp_ref *refs = tp_window_refs(cut->window, d);
        for (uint32_t i = 0; i < d->ref_count; i++) {
            const tp_key *key = tp_window_key(cut->window, refs[i].key);
            if (key->fate == FATE_HELD) {
                visit(cut->limiter, key->limit, d);
            }
        }
    }
}

static bool make_room(const tp_cut *cut) {
    if (cut->held_keys == 0) {
        return true;
    }
    visit_held(cut, tp_limiter_announce);
    for (tp_key *key = NULL; (key = tp_window_next_key(cut->window, key)) != NULL;) {
        if (key->fate == FATE_HELD && !tp_limiter_make_room(cut->limiter, key->limit)) {
            return false;
        }
    }
    return true;
}

/* ---- batches ---- */

static bool seal_last(tp_cut *cut) {
    return cut->last == NULL || tp_batch_seal(cut->last, cut->position);
}

/* As much as is left of the window, if it is one batch's worth: each change has a key, mostly. */
static void expect(const tp_cut *cut, tp_batch *batch) {
    uint64_t gone = (uint64_t)cut->held_keys + cut->named_keys;
    uint32_t all = tp_window_key_count(cut->window);
    uint32_t keys = all > gone ? all - (uint32_t)gone : 0;
    uint32_t changes = tp_window_delta_count(cut->window);
    keys = keys < cut->max_keys ? keys : cut->max_keys;
    tp_batch_expect(batch, keys, changes < keys ? changes : keys);
}

static bool begin_batch(tp_cut *cut) {
    tp_batch *batch = seal_last(cut) ? tp_batch_new(cut->reason) : NULL;
    if (batch == NULL) {
        return false;
    }
    expect(cut, batch);
    if (cut->last == NULL) {
        cut->batches = batch;
    } else {
        tp_batch_link_of(cut->last)->next = batch;
    }
    cut->last = batch;
    cut->batch_count++;
    return true;
}

/* Whether a change that goes into the batch of this number brings the key along. */
static bool is_needed(const tp_key *key, uint32_t batch_number) {
    if (key->fate < FATE_TAKEN) {
        return key->fate == FATE_DUE;
    }
    return key->limit == TP_LIMIT_NONE && key->fate != FATE_TAKEN + batch_number;
}

static void take_key(tp_cut *cut, tp_key *key) {
    if (is_needed(key, cut->batch_count)) {
        key->fate = FATE_TAKEN + cut->batch_count;
        tp_batch_add_key(cut->last, key->bytes, key->length);
        cut->named_keys++;
        tp_batch_raise(cut->last, key->lsn, 0);
    }
}

/* How many keys a delta brings into the batch of this number. */
static uint32_t count_needed(const tp_cut *cut, const tp_delta *delta, uint32_t batch_number) {
    const tp_ref *refs = tp_window_refs(cut->window, delta);
    uint32_t needed = 0;
    for (uint32_t i = 0; i < delta->ref_count; i++) {
        needed += is_needed(tp_window_key(cut->window, refs[i].key), batch_number) ? 1 : 0;
    }
    return needed;
}

static bool all_held(const tp_cut *cut, const tp_delta *delta) {
    const tp_ref *refs = tp_window_refs(cut->window, delta);
    for (uint32_t i = 0; i < delta->ref_count; i++) {
        if (tp_window_key(cut->window, refs[i].key)->fate != FATE_HELD) {
            return false;
        }
    }
    return delta->ref_count > 0;
}

/* Makes sure that the last batch has room for a delta. */
static bool ready_for_delta(tp_cut *cut, uint32_t *weight, const tp_delta *delta) {
    uint32_t here = delta->ref_count == 0 ? 1 : count_needed(cut, delta, cut->batch_count);
    if (cut->last != NULL && (*weight == 0 || here == 0 || *weight + here <= cut->max_keys)) {
        *weight += here;
        return true;
    }
    *weight = delta->ref_count == 0 ? 1 : count_needed(cut, delta, cut->batch_count + 1);
    return begin_batch(cut);
}

static bool take_delta(tp_cut *cut, uint32_t *weight, const tp_delta *delta) {
    if (all_held(cut, delta)) {
        return true;
    }
    if (!ready_for_delta(cut, weight, delta)) {
        return false;
    }
    const tp_ref *refs = tp_window_refs(cut->window, delta);
    for (uint32_t i = 0; i < delta->ref_count; i++) {
        take_key(cut, tp_window_key(cut->window, refs[i].key));
    }
    tp_batch_add_delta(cut->last, delta);
    return true;
}

/* The same for a key without a change. */
static bool ready_for_key(tp_cut *cut, uint32_t *weight) {
    if (cut->last != NULL && *weight < cut->max_keys) {
        *weight += 1;
        return true;
    }
    *weight = 1;
    return begin_batch(cut);
}

static bool make_batches(tp_cut *cut) {
    uint32_t weight = 0;
    for (tp_delta *d = NULL; (d = tp_window_next_delta(cut->window, d)) != NULL;) {
        if (!take_delta(cut, &weight, d)) {
            return false;
        }
    }
    for (tp_key *key = NULL; (key = tp_window_next_key(cut->window, key)) != NULL;) {
        if (key->fate == FATE_DUE) {
            if (!ready_for_key(cut, &weight)) {
                return false;
            }
            take_key(cut, key);
        }
    }
    return seal_last(cut);
}

/* ---- all together ---- */

bool tp_cut_prepare(tp_cut *cut) {
    cut->batches = NULL;
    cut->last = NULL;
    cut->batch_count = 0;
    cut->named_keys = 0;
    cut->held_keys = 0;
    if (judge(cut) && make_room(cut) && make_batches(cut)) {
        return true;
    }
    tp_cut_abandon(cut);
    return false;
}

void tp_cut_abandon(tp_cut *cut) {
    while (cut->batches != NULL) {
        tp_batch *batch = cut->batches;
        cut->batches = tp_batch_link_of(batch)->next;
        tp_batch_free(batch);
    }
    cut->last = NULL;
    cut->batch_count = 0;
}

/* Changes without keys stand for themselves. */
static void note_delivered(const tp_cut *cut) {
    for (tp_key *key = NULL; (key = tp_window_next_key(cut->window, key)) != NULL;) {
        if (key->fate != FATE_HELD) {
            tp_recent_note(cut->recent, key->hash, cut->now_ms);
        }
    }
    bool keyless = tp_window_weight(cut->window) > tp_window_key_count(cut->window);
    for (tp_delta *d = NULL; keyless && (d = tp_window_next_delta(cut->window, d)) != NULL;) {
        if (d->ref_count == 0) {
            tp_recent_note(cut->recent, d->hash, cut->now_ms);
        }
    }
}

void tp_cut_commit(tp_cut *cut) {
    if (cut->recent != NULL) {
        note_delivered(cut);
    }
    for (tp_key *key = NULL; (key = tp_window_next_key(cut->window, key)) != NULL;) {
        if (key->fate == FATE_HELD) {
            tp_limiter_hold(cut->limiter, key->limit, key);
        } else if (key->limit != TP_LIMIT_NONE) {
            tp_limiter_delivered(cut->limiter, key->limit, cut->now_ms, key->interval_ms);
        }
    }
    if (cut->held_keys > 0) {
        visit_held(cut, tp_limiter_hold_delta);
    }
}
