/* All strings of a batch lie in one growing block and are addressed by offsets, so that making a
 * batch of n keys takes a handful of allocations, and freeing it too. Failure is sticky, as in
 * tp_strbuf: adding goes on, sealing reports it. */
#include "core/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "core/batch_json.h"
#include "core/tuple.h"

typedef struct span {
    size_t start;
    size_t length;
} span;

/* A table as changes refer to it: name and key names, one after the other, each with its NUL. */
typedef struct batch_table {
    const tp_table *original; /* compared, never followed: it may be gone */
    size_t start;
    uint32_t key_count;
} batch_table;

typedef struct batch_change {
    uint64_t count;
    size_t tuple;
    uint32_t table;
    uint32_t ops;
} batch_change;

typedef struct batch_resync {
    size_t table;
    tp_resync_level level;
    uint32_t first; /* in texts[]: templates, then prefixes */
    uint32_t template_count;
    uint32_t prefix_count;
} batch_resync;

typedef struct list {
    void *items;
    uint32_t count;
    uint32_t capacity;
} list;

struct tp_batch {
    tp_batch_link link;
    tp_batch_reason reason;
    bool failed;
    uint64_t lsn;
    uint64_t tag;
    size_t position;
    tp_strbuf bytes;
    list keys;    /* of span */
    list tables;  /* of batch_table */
    list changes; /* of batch_change */
    list resyncs; /* of batch_resync */
    list texts;   /* of size_t */
    tp_strbuf json;
};

static bool reserve(tp_batch *batch, list *in, uint32_t more, size_t size) {
    uint32_t wanted = in->count + more;
    void *items = batch->failed ? NULL : tp_array_reserve(in->items, &in->capacity, wanted, size);
    batch->failed = items == NULL;
    in->items = items != NULL ? items : in->items;
    return !batch->failed;
}

/* A new last item to be filled in; NULL, and a failed batch, when memory is short. */
static void *push(tp_batch *batch, list *to, size_t size) {
    bool fits = to->count < to->capacity && !batch->failed;
    return fits || reserve(batch, to, 1, size) ? (char *)to->items + to->count++ * size : NULL;
}

static const void *item_at(const list *from, uint32_t i, size_t size) {
    return i < from->count ? (const char *)from->items + i * size : NULL;
}

/* Copies bytes and a NUL; returns where they start. */
static size_t put_bytes(tp_batch *batch, const char *bytes, size_t length) {
    size_t start = batch->bytes.length;
    tp_strbuf_add_string(&batch->bytes, bytes, length);
    batch->failed = batch->failed || batch->bytes.failed;
    return start;
}

static size_t put_text(tp_batch *batch, const char *text) {
    return put_bytes(batch, text, strlen(text));
}

static const char *text_at(const tp_batch *batch, size_t start) {
    return batch->bytes.data + start;
}

tp_batch *tp_batch_new(tp_batch_reason reason) {
    tp_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->reason = reason;
        batch->link.batch = batch;
        batch->link.attempt = 1;
        batch->link.hold.at = TP_HEAP_NOWHERE;
        batch->link.retry.at = TP_HEAP_NOWHERE;
    }
    return batch;
}

void tp_batch_free(tp_batch *batch) {
    if (batch == NULL) {
        return;
    }
    tp_strbuf_free(&batch->bytes);
    tp_strbuf_free(&batch->json);
    free(batch->keys.items);
    free(batch->tables.items);
    free(batch->changes.items);
    free(batch->resyncs.items);
    free(batch->texts.items);
    free(batch);
}

/* ---- making ---- */

void tp_batch_expect(tp_batch *batch, uint32_t keys, uint32_t changes) {
    if (keys > 0) {
        reserve(batch, &batch->keys, keys, sizeof(span));
    }
    if (changes > 0) {
        reserve(batch, &batch->changes, changes, sizeof(batch_change));
    }
}

void tp_batch_add_key(tp_batch *batch, const char *bytes, size_t length) {
    span *key = push(batch, &batch->keys, sizeof *key);
    if (key != NULL) {
        *key = (span){put_bytes(batch, bytes, length), length};
    }
}

static uint32_t add_table(tp_batch *batch, const tp_table *table) {
    for (uint32_t i = 0; i < batch->tables.count; i++) {
        const batch_table *known = item_at(&batch->tables, i, sizeof *known);
        if (known->original == table) {
            return i;
        }
    }
    batch_table *added = push(batch, &batch->tables, sizeof *added);
    if (added == NULL) {
        return 0;
    }
    *added = (batch_table){table, put_text(batch, table->name), table->key_count};
    for (uint32_t i = 0; i < table->key_count; i++) {
        put_text(batch, table->key_names[i]);
    }
    return batch->tables.count - 1;
}

void tp_batch_add_delta(tp_batch *batch, const tp_delta *delta) {
    uint32_t table = add_table(batch, delta->table);
    batch_change *change = push(batch, &batch->changes, sizeof *change);
    if (change != NULL) {
        size_t tuple = put_bytes(batch, delta->tuple, delta->tuple_length);
        *change = (batch_change){tp_delta_count(delta), tuple, table, delta->ops};
        tp_batch_raise(batch, delta->lsn, 0);
    }
}

static int compare_texts(const void *a, const void *b, void *batch) {
    const size_t *left = a;
    const size_t *right = b;
    return strcmp(text_at(batch, *left), text_at(batch, *right));
}

/* Sorts the last `count` texts and drops repeated ones; returns how many are left. */
static uint32_t sort_distinct(tp_batch *batch, uint32_t count) {
    if (count == 0) {
        return 0;
    }
    size_t *texts = (size_t *)batch->texts.items + (batch->texts.count - count);
    qsort_r(texts, count, sizeof *texts, compare_texts, batch);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < count; i++) {
        if (compare_texts(&texts[i], &texts[kept - 1], batch) != 0) {
            texts[kept++] = texts[i];
        }
    }
    batch->texts.count -= count - kept;
    return kept;
}

static void add_texts(tp_batch *batch, const char *const *texts, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        size_t *text = push(batch, &batch->texts, sizeof *text);
        if (text != NULL) {
            *text = put_text(batch, texts[i]);
        }
    }
}

void tp_batch_add_resync(tp_batch *batch, const tp_batch_entry *entry) {
    uint32_t first = batch->texts.count;
    add_texts(batch, entry->templates, entry->template_count);
    add_texts(batch, entry->prefixes, entry->prefix_count);
    batch_resync *resync = push(batch, &batch->resyncs, sizeof *resync);
    if (resync != NULL) {
        *resync = (batch_resync){.table = put_text(batch, entry->table),
                                 .level = entry->level,
                                 .first = first,
                                 .template_count = entry->template_count};
        resync->prefix_count = batch->failed ? 0 : sort_distinct(batch, entry->prefix_count);
    }
}

void tp_batch_fail(tp_batch *batch) {
    batch->failed = true;
}

void tp_batch_raise(tp_batch *batch, uint64_t lsn, uint64_t tag) {
    batch->lsn = lsn > batch->lsn ? lsn : batch->lsn;
    batch->tag = tag > batch->tag ? tag : batch->tag;
}

bool tp_batch_failed(const tp_batch *batch) {
    return batch->failed;
}

static int compare_keys(const void *a, const void *b, void *batch) {
    const span *left = a;
    const span *right = b;
    size_t common = left->length < right->length ? left->length : right->length;
    int order = memcmp(text_at(batch, left->start), text_at(batch, right->start), common);
    return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

/* They often are: rows are written, and told, in the order of their ids. */
static bool is_sorted(tp_batch *batch) {
    const span *keys = batch->keys.items;
    uint32_t i = 1;
    while (i < batch->keys.count && compare_keys(&keys[i - 1], &keys[i], batch) <= 0) {
        i++;
    }
    return i >= batch->keys.count;
}

bool tp_batch_seal(tp_batch *batch, const char *position) {
    batch->position = put_text(batch, position);
    if (batch->failed) {
        return false;
    }
    if (!is_sorted(batch)) {
        qsort_r(batch->keys.items, batch->keys.count, sizeof(span), compare_keys, batch);
    }
    return true;
}

tp_batch_link *tp_batch_link_of(tp_batch *batch) {
    return &batch->link;
}

void tp_batch_forget_json(tp_batch *batch) {
    tp_strbuf_free(&batch->json);
}

uint64_t tp_batch_bytes(const tp_batch *batch) {
    return sizeof *batch + batch->bytes.capacity + batch->keys.capacity * sizeof(span) +
           batch->tables.capacity * sizeof(batch_table) +
           batch->changes.capacity * sizeof(batch_change) +
           batch->resyncs.capacity * sizeof(batch_resync) + batch->texts.capacity * sizeof(size_t);
}

/* ---- reading ---- */

uint64_t tp_batch_number(const tp_batch *batch) {
    return batch->link.number;
}

uint32_t tp_batch_attempt(const tp_batch *batch) {
    return batch->link.attempt;
}

tp_batch_reason tp_batch_reason_of(const tp_batch *batch) {
    return batch->reason;
}

uint64_t tp_batch_lsn(const tp_batch *batch) {
    return batch->lsn == TP_LSN_UNKNOWN ? 0 : batch->lsn;
}

const char *tp_batch_position(const tp_batch *batch) {
    return text_at(batch, batch->position);
}

uint64_t tp_batch_tag(const tp_batch *batch) {
    return batch->tag;
}

uint32_t tp_batch_key_count(const tp_batch *batch) {
    return batch->keys.count;
}

static const char *hand_out(const char *bytes, size_t bytes_length, size_t *length) {
    if (length != NULL) {
        *length = bytes_length;
    }
    return bytes;
}

const char *tp_batch_key(const tp_batch *batch, uint32_t i, size_t *length) {
    const span *key = item_at(&batch->keys, i, sizeof *key);
    return key == NULL ? hand_out(NULL, 0, length)
                       : hand_out(text_at(batch, key->start), key->length, length);
}

uint32_t tp_batch_change_count(const tp_batch *batch) {
    return batch->changes.count;
}

static const batch_change *change_at(const tp_batch *batch, uint32_t i) {
    return item_at(&batch->changes, i, sizeof(batch_change));
}

static const batch_table *table_of(const tp_batch *batch, uint32_t i) {
    const batch_change *change = change_at(batch, i);
    return change == NULL ? NULL : item_at(&batch->tables, change->table, sizeof(batch_table));
}

const char *tp_batch_change_table(const tp_batch *batch, uint32_t i) {
    const batch_table *table = table_of(batch, i);
    return table == NULL ? NULL : text_at(batch, table->start);
}

uint32_t tp_batch_change_ops(const tp_batch *batch, uint32_t i) {
    const batch_change *change = change_at(batch, i);
    return change == NULL ? 0 : change->ops;
}

uint64_t tp_batch_change_merged(const tp_batch *batch, uint32_t i) {
    const batch_change *change = change_at(batch, i);
    return change == NULL ? 0 : change->count;
}

uint32_t tp_batch_change_value_count(const tp_batch *batch, uint32_t i) {
    const batch_table *table = table_of(batch, i);
    return table == NULL ? 0 : table->key_count;
}

const char *tp_batch_change_name(const tp_batch *batch, uint32_t i, uint32_t j) {
    if (j >= tp_batch_change_value_count(batch, i)) {
        return NULL;
    }
    const char *name = tp_batch_change_table(batch, i);
    for (uint32_t skip = 0; skip <= j; skip++) {
        name += strlen(name) + 1;
    }
    return name;
}

const char *tp_batch_change_value(const tp_batch *batch, uint32_t i, uint32_t j, size_t *length) {
    if (j >= tp_batch_change_value_count(batch, i)) {
        return hand_out(NULL, 0, length);
    }
    tp_value value = tp_tuple_value(text_at(batch, change_at(batch, i)->tuple), j);
    return hand_out(value.data, value.length, length);
}

uint32_t tp_batch_resync_count(const tp_batch *batch) {
    return batch->resyncs.count;
}

static const batch_resync *resync_at(const tp_batch *batch, uint32_t i) {
    return item_at(&batch->resyncs, i, sizeof(batch_resync));
}

static const char *resync_text(const tp_batch *batch, uint32_t i) {
    const size_t *text = item_at(&batch->texts, i, sizeof *text);
    return text_at(batch, *text);
}

const char *tp_batch_resync_table(const tp_batch *batch, uint32_t i) {
    const batch_resync *resync = resync_at(batch, i);
    return resync == NULL ? NULL : text_at(batch, resync->table);
}

tp_resync_level tp_batch_resync_level(const tp_batch *batch, uint32_t i) {
    const batch_resync *resync = resync_at(batch, i);
    return resync == NULL ? TP_RESYNC_NONE : resync->level;
}

uint32_t tp_batch_resync_template_count(const tp_batch *batch, uint32_t i) {
    const batch_resync *resync = resync_at(batch, i);
    return resync == NULL ? 0 : resync->template_count;
}

const char *tp_batch_resync_template(const tp_batch *batch, uint32_t i, uint32_t j) {
    if (j >= tp_batch_resync_template_count(batch, i)) {
        return NULL;
    }
    return resync_text(batch, resync_at(batch, i)->first + j);
}

uint32_t tp_batch_resync_prefix_count(const tp_batch *batch, uint32_t i) {
    const batch_resync *resync = resync_at(batch, i);
    return resync == NULL ? 0 : resync->prefix_count;
}

const char *tp_batch_resync_prefix(const tp_batch *batch, uint32_t i, uint32_t j) {
    if (j >= tp_batch_resync_prefix_count(batch, i)) {
        return NULL;
    }
    const batch_resync *resync = resync_at(batch, i);
    return resync_text(batch, resync->first + resync->template_count + j);
}

const char *tp_batch_json(tp_batch *batch, size_t *length) {
    if (batch->json.length == 0) {
        tp_batch_write_json(batch, &batch->json);
    }
    if (batch->json.failed) {
        tp_strbuf_free(&batch->json);
        return NULL;
    }
    return hand_out(tp_strbuf_str(&batch->json), batch->json.length, length);
}
