/* The keys of a delta are a run of references in an arena of their own. A delta that gets more keys
 * later (an operation with other rules) gets a new run; the old one is wasted until the window is
 * emptied, which is soon. */
#include "core/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "core/tuple.h"

#define TUPLE_MAX (UINT32_C(1) << 30)
#define LARGE 4096u      /* deltas: half a megabyte, beyond which memory is what one waits for */
#define AHEAD_BYTES 512u /* longer tuples are not worth a hint */
#define AHEAD_KEYS 8u

typedef struct staged {
    tp_staged_key key; /* bytes: unused, see start */
    size_t start;      /* in key_bytes */
    uint64_t hash;
    uint32_t handle; /* in the key set, or TP_KEY_NONE */
} staged;

/* A change that was looked at ahead: without its tuple, since it serves hints only. */
typedef struct foreseen {
    const tp_table *table;
    uint64_t hash;
    uint32_t length;
} foreseen;

struct tp_window {
    tp_hash_key hash_key;
    tp_coalescer deltas;
    tp_keyset keys;
    tp_arena refs;
    uint32_t keyless;
    uint64_t arrival;
    /* What is staged. */
    const tp_table *table; /* NULL: keys alone */
    const char *tuple;
    uint32_t tuple_length;
    uint64_t tuple_hash;
    tp_strbuf tuple_bytes;
    tp_strbuf key_bytes;
    staged *staged;
    uint32_t staged_count;
    uint32_t staged_capacity;
    /* What will be staged soon. */
    foreseen ahead[TP_WINDOW_AHEAD];
    uint32_t ahead_count;
    /* What was found about it, while the window is as it was then. */
    bool match_known;
    bool keys_known;
    tp_delta *match;
    uint32_t fresh_keys;
    size_t fresh_bytes;
};

tp_window *tp_window_new(const tp_hash_key *key) {
    tp_window *window = calloc(1, sizeof *window);
    if (window != NULL) {
        window->hash_key = *key;
        window->arrival = UINT64_MAX;
    }
    return window;
}

void tp_window_free(tp_window *window) {
    if (window == NULL) {
        return;
    }
    tp_coalescer_free(&window->deltas);
    tp_keyset_free(&window->keys);
    tp_arena_free(&window->refs);
    tp_strbuf_free(&window->tuple_bytes);
    tp_strbuf_free(&window->key_bytes);
    free(window->staged);
    free(window);
}

static void forget_findings(tp_window *window) {
    window->match_known = false;
    window->keys_known = false;
}

void tp_window_clear(tp_window *window) {
    forget_findings(window);
    tp_coalescer_clear(&window->deltas);
    tp_keyset_clear(&window->keys);
    tp_arena_clear(&window->refs);
    window->keyless = 0;
    window->arrival = UINT64_MAX;
}

/* ---- staging ---- */

void tp_window_stage_nothing(tp_window *window) {
    window->table = NULL;
    window->staged_count = 0;
    forget_findings(window);
    tp_strbuf_reset(&window->key_bytes);
}

static void stage_tuple(tp_window *window, const tp_table *table, const char *tuple,
                        uint32_t length) {
    tp_window_stage_nothing(window);
    window->table = table;
    window->tuple = tuple;
    window->tuple_length = length;
    window->tuple_hash = tp_hash64(&window->hash_key, tuple, length);
}

int32_t tp_window_stage(tp_window *window, const tp_table *table, const tp_value *values,
                        trigperf_error **err) {
    uint64_t length = tp_tuple_length(values, table->key_count);
    if (length > TUPLE_MAX) {
        return tp_error_set(err, TRIGPERF_E_LIMIT, "use shorter keys, such as a hash of the value",
                            "the key values of a change of %s may have 1 GB together, got more",
                            table->name);
    }
    char *room = tp_strbuf_room(&window->tuple_bytes, (size_t)length);
    if (room == NULL) {
        return tp_error_nomem(err);
    }
    tp_tuple_encode(values, table->key_count, room);
    stage_tuple(window, table, room, (uint32_t)length);
    return TRIGPERF_OK;
}

void tp_window_stage_delta(tp_window *window, const tp_delta *delta) {
    stage_tuple(window, delta->table, delta->tuple, delta->tuple_length);
}

bool tp_window_stage_key(tp_window *window, const tp_staged_key *key) {
    staged *list = tp_array_reserve(window->staged, &window->staged_capacity,
                                    window->staged_count + 1, sizeof *list);
    if (list == NULL) {
        return false;
    }
    window->staged = list;
    size_t start = window->key_bytes.length;
    tp_strbuf_add(&window->key_bytes, key->bytes, key->length);
    if (window->key_bytes.failed) {
        return false;
    }
    uint64_t hash = tp_hash64(&window->hash_key, key->bytes, key->length);
    list[window->staged_count++] = (staged){*key, start, hash, TP_KEY_NONE};
    window->keys_known = false;
    return true;
}

bool tp_window_has_key(const tp_window *window, const char *bytes, size_t length) {
    uint64_t hash = tp_hash64(&window->hash_key, bytes, length);
    return tp_keyset_find(&window->keys, bytes, (uint32_t)length, hash) != TP_KEY_NONE;
}

static const char *bytes_of(const tp_window *window, const staged *item) {
    return window->key_bytes.data + item->start;
}

tp_delta *tp_window_match(tp_window *window) {
    if (window->table == NULL) {
        return NULL;
    }
    if (!window->match_known) {
        window->match = tp_coalescer_find(&window->deltas, window->table, window->tuple,
                                          window->tuple_length, window->tuple_hash);
        window->match_known = true;
    }
    return window->match;
}

/* Looks the staged keys up, and how many of them are new, with how many bytes. */
static void look_up_keys(tp_window *window) {
    if (window->keys_known) {
        return;
    }
    window->fresh_keys = 0;
    window->fresh_bytes = 0;
    for (uint32_t i = 0; i < window->staged_count; i++) {
        staged *item = &window->staged[i];
        item->handle =
            tp_keyset_find(&window->keys, bytes_of(window, item), item->key.length, item->hash);
        if (item->handle == TP_KEY_NONE) {
            window->fresh_keys++;
            window->fresh_bytes += item->key.length;
        }
    }
    window->keys_known = true;
}

uint32_t tp_window_staged_count(const tp_window *window) {
    return window->staged_count;
}

bool tp_window_staged_recent(tp_window *window, const tp_recent *recent, uint64_t now_ms,
                             uint32_t within_ms) {
    for (uint32_t i = 0; i < window->staged_count; i++) {
        if (tp_recent_knows(recent, window->staged[i].hash, now_ms, within_ms)) {
            return true;
        }
    }
    if (window->staged_count > 0 || window->table == NULL) {
        return false;
    }
    uint64_t hash = tp_coalescer_hash(window->table, window->tuple_hash);
    return tp_recent_knows(recent, hash, now_ms, within_ms);
}

uint32_t tp_window_staged_weight(tp_window *window) {
    look_up_keys(window);
    bool lone = window->staged_count == 0 && tp_window_match(window) == NULL;
    return window->fresh_keys + (lone ? 1 : 0);
}

/* A match stays where it is, because then the coalescer does not grow. */
static bool reserve(tp_window *window, const tp_delta *match) {
    look_up_keys(window);
    uint32_t deltas = window->table != NULL && match == NULL ? 1 : 0;
    size_t refs = (match == NULL ? 0 : match->ref_count) + (size_t)window->staged_count;
    return tp_keyset_reserve(&window->keys, window->fresh_keys, window->fresh_bytes) &&
           tp_coalescer_reserve(&window->deltas, deltas, deltas * window->tuple_length) &&
           tp_arena_reserve(&window->refs, refs * sizeof(tp_ref));
}

static void commit_keys(tp_window *window) {
    for (uint32_t i = 0; i < window->staged_count; i++) {
        staged *item = &window->staged[i];
        const tp_staged_key *from = &item->key;
        if (item->handle == TP_KEY_NONE) {
            item->handle =
                tp_keyset_add(&window->keys, bytes_of(window, item), from->length, item->hash);
        }
        tp_key *key = tp_keyset_at(&window->keys, item->handle);
        key->arrival = from->arrival < key->arrival ? from->arrival : key->arrival;
        key->lsn = from->lsn > key->lsn ? from->lsn : key->lsn;
        key->interval_ms =
            from->interval_ms > key->interval_ms ? from->interval_ms : key->interval_ms;
    }
}

static bool has_ref(const tp_ref *refs, uint32_t count, uint32_t key) {
    for (uint32_t i = 0; i < count; i++) {
        if (refs[i].key == key) {
            return true;
        }
    }
    return false;
}

/* The delta's run of references, the staged keys that it lacks added. */
static void commit_refs(tp_window *window, tp_delta *delta) {
    if (window->staged_count == 0) {
        return;
    }
    const tp_ref *old = tp_window_refs(window, delta);
    uint32_t count = delta->ref_count;
    uint32_t at = window->refs.used;
    tp_ref *run = tp_arena_at(&window->refs, at);
    for (uint32_t i = 0; i < window->staged_count; i++) {
        const staged *item = &window->staged[i];
        if (!has_ref(old, delta->ref_count, item->handle)) {
            run[count++] = (tp_ref){item->handle, item->key.fence_slot};
        }
    }
    if (count > delta->ref_count) {
        if (delta->ref_count > 0) {
            memcpy(run, old, delta->ref_count * sizeof *run);
        }
        delta->refs = tp_arena_take(&window->refs, count * sizeof *run);
        delta->ref_count = count;
    }
}

/* The staged change's delta, with its keys. */
static tp_delta *commit_delta(tp_window *window) {
    tp_delta *delta = tp_window_match(window);
    bool fresh = delta == NULL;
    if (fresh) {
        delta = tp_coalescer_add(&window->deltas, window->table, window->tuple,
                                 window->tuple_length, window->tuple_hash);
    }
    bool was_keyless = !fresh && delta->ref_count == 0;
    commit_refs(window, delta);
    bool is_keyless = delta->ref_count == 0;
    window->keyless += (is_keyless ? 1u : 0u) - (was_keyless ? 1u : 0u);
    return delta;
}

/* *delta becomes NULL when keys alone are staged. */
static bool commit_staged(tp_window *window, uint64_t arrival, tp_delta **delta) {
    if (!reserve(window, tp_window_match(window))) {
        return false;
    }
    commit_keys(window);
    *delta = window->table == NULL ? NULL : commit_delta(window);
    forget_findings(window);
    window->arrival = arrival < window->arrival ? arrival : window->arrival;
    return true;
}

bool tp_window_commit(tp_window *window, const tp_addition *addition, uint8_t expanded) {
    tp_delta *delta = NULL;
    if (!commit_staged(window, addition->arrival, &delta)) {
        return false;
    }
    if (delta != NULL) {
        tp_delta_merge(delta, addition);
        delta->expanded |= expanded;
    }
    return true;
}

bool tp_window_commit_returned(tp_window *window, const tp_addition *addition) {
    tp_delta *delta = NULL;
    if (!commit_staged(window, addition->arrival, &delta)) {
        return false;
    }
    if (delta != NULL) {
        tp_delta_return(delta, addition);
    }
    return true;
}

/* ---- looking ahead ---- */

bool tp_window_is_large(const tp_window *window) {
    return window->deltas.count >= LARGE;
}

void tp_window_foresee(tp_window *window, const tp_table *table, const tp_value *values) {
    char tuple[AHEAD_BYTES];
    uint64_t length = tp_tuple_length(values, table->key_count);
    if (length > sizeof tuple || window->ahead_count == TP_WINDOW_AHEAD) {
        return;
    }
    tp_tuple_encode(values, table->key_count, tuple);
    uint64_t hash = tp_hash64(&window->hash_key, tuple, (size_t)length);
    window->ahead[window->ahead_count++] = (foreseen){table, hash, (uint32_t)length};
    tp_coalescer_foresee(&window->deltas, table, hash);
}

/* Each pass reads what the one before it has asked for. */
void tp_window_approach(tp_window *window, const tp_fence *fence) {
    const tp_coalescer *deltas = &window->deltas;
    const tp_delta *likely[TP_WINDOW_AHEAD];
    uint32_t count = window->ahead_count;
    window->ahead_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const foreseen *f = &window->ahead[i];
        tp_coalescer_approach(deltas, f->table, f->length, f->hash);
    }
    for (uint32_t i = 0; i < count; i++) {
        const foreseen *f = &window->ahead[i];
        likely[i] = tp_coalescer_likely(deltas, f->table, f->hash);
        if (likely[i] != NULL && likely[i]->ref_count > 0) {
            __builtin_prefetch(tp_window_refs(window, likely[i]));
        }
    }
    for (uint32_t i = 0; i < count && fence != NULL; i++) {
        uint32_t keys = likely[i] == NULL ? 0 : likely[i]->ref_count;
        const tp_ref *refs = keys == 0 ? NULL : tp_window_refs(window, likely[i]);
        for (uint32_t j = 0; j < keys && j < AHEAD_KEYS; j++) {
            tp_fence_fetch(fence, refs[j].fence_slot);
        }
    }
}

/* ---- the fence ---- */

void tp_window_mark_staged(const tp_window *window, tp_fence *fence, tp_fence_marks *marks) {
    for (uint32_t i = 0; fence != NULL && i < window->staged_count; i++) {
        tp_fence_note(fence, marks, window->staged[i].key.fence_slot);
    }
}

void tp_window_mark(const tp_window *window, const tp_delta *delta, tp_fence *fence,
                    tp_fence_marks *marks) {
    const tp_ref *refs = tp_window_refs(window, delta);
    for (uint32_t i = 0; fence != NULL && i < delta->ref_count; i++) {
        tp_fence_note(fence, marks, refs[i].fence_slot);
    }
}

/* ---- contents ---- */

uint32_t tp_window_weight(const tp_window *window) {
    return tp_keyset_count(&window->keys) + window->keyless;
}

uint32_t tp_window_key_count(const tp_window *window) {
    return tp_keyset_count(&window->keys);
}

uint32_t tp_window_delta_count(const tp_window *window) {
    return window->deltas.count;
}

uint64_t tp_window_arrival(const tp_window *window) {
    return window->arrival;
}

uint64_t tp_window_bytes(const tp_window *window) {
    return tp_coalescer_bytes(&window->deltas) + tp_keyset_bytes(&window->keys) +
           (uint64_t)window->refs.used * TP_ARENA_UNIT;
}

tp_delta *tp_window_next_delta(const tp_window *window, const tp_delta *delta) {
    return tp_coalescer_next(&window->deltas, delta);
}

const tp_ref *tp_window_refs(const tp_window *window, const tp_delta *delta) {
    return delta->ref_count == 0 ? NULL : tp_arena_at(&window->refs, delta->refs);
}

tp_key *tp_window_key(const tp_window *window, uint32_t key) {
    return tp_keyset_at(&window->keys, key);
}

tp_key *tp_window_next_key(const tp_window *window, const tp_key *key) {
    return tp_keyset_next(&window->keys, key);
}

void tp_window_forget_expansions(tp_window *window) {
    for (tp_delta *d = NULL; (d = tp_coalescer_next(&window->deltas, d)) != NULL;) {
        d->expanded = 0;
    }
}
