/* A transaction is kept whole until its commit is read, as distinct key tuples. The log tells
 * either of one transaction after its commit (Begin .. Commit), or, when it grows large, in pieces
 * while it runs (Stream Start .. Stop), with a Stream Commit or Abort at its end.
 *
 * What a change means:
 *
 *   old and new row known (REPLICA IDENTITY FULL)   compared: no watched column or key differs, no
 *                                                   change; else new keys, and old ones
 *   old identity known, keys part of it             new and old keys
 *   no old row, keys part of the identity           the keys are as before: new keys
 *   anything else                                   the table is resynced
 *
 * A value that is sent as "unchanged" is the old one, if that is known; if it is a key and not
 * known, the table is resynced. */
#include "core/waldecoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/pgoutput.h"
#include "core/walrel.h"

#define SPACE 64 /* for a key whose text is not the server's */
#define SPARE_MAX 256

struct tp_waldecoder {
    tp_hash_key key;
    char *instance;
    uint64_t max_bytes;
    tp_walrels *rels;
    tp_waltx *open;    /* being received whole */
    tp_waltx *running; /* list: those in pieces */
    tp_waltx *piece;   /* of them the one being received */
    bool streaming;
    tp_waltx *first; /* list: committed */
    tp_waltx *last;
    tp_waltx
        *spare; /* list: done with, for those to come, so that a small one costs no allocation */
    uint32_t spare_count;
    uint64_t waiting_bytes;
    uint64_t running_bytes;
    uint64_t end_lsn; /* of the newest committed one */
    uint64_t changes;
};

int32_t tp_waldecoder_new(const tp_hash_key *key, const char *instance, uint64_t max_bytes,
                          tp_waldecoder **out, trigperf_error **err) {
    tp_waldecoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL) {
        return tp_error_nomem(err);
    }
    decoder->key = *key;
    decoder->max_bytes = max_bytes;
    decoder->instance = tp_text_copy(instance);
    decoder->rels = tp_walrels_new();
    if (decoder->instance == NULL || decoder->rels == NULL) {
        tp_waldecoder_free(decoder);
        return tp_error_nomem(err);
    }
    *out = decoder;
    return TRIGPERF_OK;
}

static void free_list(tp_waltx *tx) {
    while (tx != NULL) {
        tp_waltx *next = *tp_waltx_link(tx);
        tp_waltx_free(tx);
        tx = next;
    }
}

uint64_t tp_waldecoder_resume(tp_waldecoder *decoder) {
    tp_waltx_free(decoder->open);
    free_list(decoder->running);
    decoder->open = NULL;
    decoder->running = NULL;
    decoder->piece = NULL;
    decoder->streaming = false;
    decoder->running_bytes = 0;
    return decoder->end_lsn;
}

void tp_waldecoder_reset(tp_waldecoder *decoder) {
    tp_waldecoder_resume(decoder);
    free_list(decoder->first);
    free_list(decoder->spare);
    decoder->spare = NULL;
    decoder->spare_count = 0;
    decoder->first = NULL;
    decoder->last = NULL;
    decoder->waiting_bytes = 0;
    decoder->end_lsn = 0;
    tp_walrels_forget(decoder->rels);
}

void tp_waldecoder_free(tp_waldecoder *decoder) {
    if (decoder != NULL) {
        if (decoder->rels != NULL) {
            tp_waldecoder_reset(decoder);
        }
        tp_walrels_free(decoder->rels);
        free(decoder->instance);
        free(decoder);
    }
}

void tp_waldecoder_use(tp_waldecoder *decoder, const tp_walspec *specs, uint32_t count) {
    tp_walrels_use(decoder->rels, specs, count);
}

static int32_t broken(trigperf_error **err, const char *why) {
    return tp_error_set(err, TRIGPERF_E_SERVER, "it is connected to anew; if it stays, report it",
                        "the stream of changes is not understood: %s", why);
}

/* ---- rows ---- */

static bool is_blank_filled(const tp_value *value) {
    return value->length > 0 && value->data[value->length - 1] == ' ';
}

/* The text of a key, as a cast to text would write it. */
static tp_value render(const tp_pgo_column *column, uint8_t form, char *space) {
    tp_value value = {column->kind == 't' ? column->data : NULL, column->length};
    if (value.data == NULL) {
        return (tp_value){NULL, 0};
    }
    if (form == TP_WAL_BOOL && value.length == 1) {
        bool yes = value.data[0] == 't';
        return (tp_value){yes ? "true" : "false", yes ? 4 : 5};
    }
    while (form == TP_WAL_BLANKS && is_blank_filled(&value)) {
        value.length--;
    }
    if (form == TP_WAL_INET && value.length < SPACE - 4 &&
        memchr(value.data, '/', value.length) == NULL) {
        bool six = memchr(value.data, ':', value.length) != NULL;
        memcpy(space, value.data, value.length);
        memcpy(space + value.length, six ? "/128" : "/32", six ? 4 : 3);
        return (tp_value){space, value.length + (six ? 4 : 3)};
    }
    return value;
}

typedef struct row {
    const tp_walrel *rel;
    bool unknown;                        /* a key did not change, and is not sent */
    tp_pgo_column keys[TP_WAL_KEYS_MAX]; /* as many as the table has */
} row;

/* The keys of a tuple; those that did not change are taken from the old row, which may be NULL. */
static void read_row(const tp_walrel *rel, tp_pgo_tuple tuple, const row *old, row *out) {
    out->rel = rel;
    out->unknown = false;
    for (uint32_t column = 0; column < tuple.count; column++) {
        tp_pgo_column value = tp_pgo_column_next(&tuple.at);
        for (uint32_t i = 0; i < rel->spec->key_count; i++) {
            if (rel->key_at[i] == column) {
                bool missing = value.kind == 'u';
                out->unknown = out->unknown || (missing && (old == NULL || old->unknown));
                out->keys[i] = missing && old != NULL ? old->keys[i] : value;
            }
        }
    }
}

static void add_row(tp_waltx *tx, uint32_t subxid, uint32_t op, const row *from) {
    const tp_walspec *spec = from->rel->spec;
    char space[TP_WAL_KEYS_MAX][SPACE];
    tp_value values[TP_WAL_KEYS_MAX];
    if (from->unknown) {
        tp_waltx_resync(tx, spec->id);
        return;
    }
    for (uint32_t i = 0; i < spec->key_count; i++) {
        values[i] = render(&from->keys[i], from->rel->forms[i], space[i]);
    }
    tp_waltx_add(tx, subxid, spec, op, values);
}

static bool same_image(const tp_pgo_column *a, const tp_pgo_column *b) {
    return a->kind == b->kind && a->length == b->length &&
           (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

static bool same_keys(const row *a, const row *b) {
    bool same = a->unknown == b->unknown;
    for (uint32_t i = 0; same && i < a->rel->spec->key_count; i++) {
        same = same_image(&a->keys[i], &b->keys[i]);
    }
    return same;
}

/* Whether a column that counts has another image in the new row. */
static bool differs(const tp_walrel *rel, tp_pgo_tuple before, tp_pgo_tuple after) {
    for (uint32_t i = 0; i < before.count; i++) {
        tp_pgo_column old = tp_pgo_column_next(&before.at);
        tp_pgo_column new = tp_pgo_column_next(&after.at);
        if (rel->compared[i] != 0 && new.kind != 'u' && !same_image(&old, &new)) {
            return true;
        }
    }
    return false;
}

static void take_update(tp_waltx *tx, const tp_walrel *rel, const tp_pgo_message *message) {
    if (!rel->identity_covers || (message->old_kind == 0 && rel->identity == 'f')) {
        tp_waltx_resync(tx, rel->spec->id);
        return;
    }
    if (message->old_kind == 'O' && !differs(rel, message->before, message->after)) {
        return;
    }
    row old;
    row new;
    if (message->old_kind != 0) {
        read_row(rel, message->before, NULL, &old);
        add_row(tx, message->xid, TP_OP_UPDATE, &old);
    }
    read_row(rel, message->after, message->old_kind == 0 ? NULL : &old, &new);
    if (message->old_kind == 0 || !same_keys(&old, &new)) {
        add_row(tx, message->xid, TP_OP_UPDATE, &new);
    }
}

static void take_row(tp_waltx *tx, const tp_walrel *rel, const tp_pgo_message *message) {
    row one;
    if (message->kind == TP_PGO_UPDATE) {
        take_update(tx, rel, message);
    } else if (message->kind == TP_PGO_INSERT) {
        read_row(rel, message->after, NULL, &one);
        add_row(tx, message->xid, TP_OP_INSERT, &one);
    } else if (rel->identity_covers) {
        read_row(rel, message->before, NULL, &one);
        add_row(tx, message->xid, TP_OP_DELETE, &one);
    } else {
        tp_waltx_resync(tx, rel->spec->id);
    }
}

/* A table that is published and not attached was detached meanwhile: what is still in the log
 * of it was committed before, so one resync covers all of it. That of a transaction which still
 * runs does not, since it may be rolled back. */
static void take_unknown(const tp_waldecoder *decoder, tp_waltx *tx, tp_walrel *rel) {
    tp_waltx_facts_of(tx)->everything = tp_waltx_facts_of(tx)->everything || !rel->told;
    rel->told = rel->told || !decoder->streaming;
}

static bool fits(const tp_walrel *rel, const tp_pgo_message *message) {
    bool before = message->old_kind == 0 || message->before.count == rel->column_count;
    bool after = message->kind == TP_PGO_DELETE || message->after.count == rel->column_count;
    return before && after;
}

static bool is_crowded(const tp_waldecoder *decoder) {
    uint64_t open = decoder->open == NULL ? 0 : tp_waltx_bytes(decoder->open);
    return decoder->running_bytes + decoder->waiting_bytes + open > decoder->max_bytes;
}

static int32_t take_change(tp_waldecoder *decoder, tp_waltx *tx, const tp_pgo_message *message,
                           trigperf_error **err) {
    tp_walrel *rel = tp_walrels_find(decoder->rels, message->relid);
    decoder->changes++;
    if (rel == NULL) {
        tp_waltx_facts_of(tx)->everything = true;
    } else if (rel->spec == NULL) {
        take_unknown(decoder, tx, rel);
    } else if (!fits(rel, message)) {
        return broken(err, "a row has another number of columns than its table");
    } else if (!rel->keys_known || is_crowded(decoder)) {
        tp_waltx_resync(tx, rel->spec->id);
    } else {
        take_row(tx, rel, message);
    }
    return TRIGPERF_OK;
}

static void take_truncate(tp_waldecoder *decoder, tp_waltx *tx, const tp_pgo_message *message) {
    for (uint32_t i = 0; i < message->relations.count; i++) {
        tp_walrel *rel = tp_walrels_find(decoder->rels, tp_pgo_relation_at(message, i));
        decoder->changes++;
        if (rel == NULL) {
            tp_waltx_facts_of(tx)->everything = true;
        } else if (rel->spec == NULL) {
            take_unknown(decoder, tx, rel);
        } else {
            tp_waltx_truncate(tx, rel->spec->id);
        }
    }
}

/* A description that differs from the one before: values may have been rewritten, without a word
 * in the log. */
static void take_relation(tp_waldecoder *decoder, tp_waltx *tx, const tp_pgo_message *message) {
    bool altered = false;
    if (!tp_walrels_take(decoder->rels, message, &altered)) {
        tp_waltx_facts_of(tx)->everything = true;
        return;
    }
    const tp_walrel *rel = tp_walrels_find(decoder->rels, message->relid);
    if (altered && rel->spec != NULL) {
        tp_waltx_resync(tx, rel->spec->id);
    }
}

/* ---- messages of our own ---- */

/* After a word and a blank: a number, 0 when there is none. */
static uint64_t number_after(const char *text, size_t length) {
    uint64_t number = 0;
    for (size_t i = 0; i < length && text[i] >= '0' && text[i] <= '9' && i < 19; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    return number;
}

/* "mark INSTANCE NUMBER", "registry", "resync TABLE", "resync" */
static void take_message(const tp_waldecoder *decoder, tp_waltx *tx,
                         const tp_pgo_message *message) {
    const char *text = message->content.data;
    size_t length = message->content.length;
    tp_waltx_facts *facts = tp_waltx_facts_of(tx);
    size_t name = strlen(decoder->instance);
    if (!message->transactional || strcmp(message->name, TP_WAL_PREFIX) != 0) {
        return;
    }
    if (length == 8 && memcmp(text, "registry", 8) == 0) {
        facts->registry = true;
    } else if (length == 6 && memcmp(text, "resync", 6) == 0) {
        facts->everything = true;
    } else if (length > 7 && memcmp(text, "resync ", 7) == 0) {
        tp_waltx_resync(tx, (int32_t)number_after(text + 7, length - 7));
    } else if (length > name + 6 && memcmp(text, "mark ", 5) == 0 &&
               memcmp(text + 5, decoder->instance, name) == 0 && text[5 + name] == ' ') {
        facts->mark = number_after(text + 6 + name, length - 6 - name);
    }
}

/* ---- transactions ---- */

static tp_waltx **find_running(tp_waldecoder *decoder, uint32_t xid) {
    tp_waltx **at = &decoder->running;
    while (*at != NULL && tp_waltx_facts_of(*at)->xid != xid) {
        at = tp_waltx_link(*at);
    }
    return at;
}

static tp_waltx *take_out(tp_waldecoder *decoder, tp_waltx **at) {
    tp_waltx *tx = *at;
    *at = *tp_waltx_link(tx);
    *tp_waltx_link(tx) = NULL;
    decoder->running_bytes -= tp_waltx_bytes(tx);
    return tx;
}

static void commit(tp_waldecoder *decoder, tp_waltx *tx, const tp_pgo_message *message) {
    tp_waltx_facts *facts = tp_waltx_facts_of(tx);
    facts->lsn = message->lsn;
    facts->end_lsn = message->end_lsn;
    decoder->end_lsn = message->end_lsn;
    decoder->waiting_bytes += tp_waltx_bytes(tx);
    if (decoder->last == NULL) {
        decoder->first = tx;
    } else {
        *tp_waltx_link(decoder->last) = tx;
    }
    decoder->last = tx;
}

static void put_aside(tp_waldecoder *decoder, tp_waltx *tx) {
    if (decoder->spare_count == SPARE_MAX || !tp_waltx_renew(tx)) {
        tp_waltx_free(tx);
        return;
    }
    *tp_waltx_link(tx) = decoder->spare;
    decoder->spare = tx;
    decoder->spare_count++;
}

/* NULL when memory is short. */
static tp_waltx *new_transaction(tp_waldecoder *decoder, uint32_t xid) {
    tp_waltx *tx = decoder->spare;
    if (tx == NULL) {
        return tp_waltx_new(&decoder->key, xid);
    }
    decoder->spare = *tp_waltx_link(tx);
    decoder->spare_count--;
    *tp_waltx_link(tx) = NULL;
    tp_waltx_facts_of(tx)->xid = xid;
    return tx;
}

static int32_t begin(tp_waldecoder *decoder, uint32_t xid, tp_waltx **out, trigperf_error **err) {
    tp_waltx *tx = new_transaction(decoder, xid);
    if (tx == NULL) {
        return tp_error_nomem(err);
    }
    *out = tx;
    return TRIGPERF_OK;
}

static int32_t stream_start(tp_waldecoder *decoder, const tp_pgo_message *message,
                            trigperf_error **err) {
    tp_waltx **at = find_running(decoder, message->xid);
    decoder->streaming = true;
    if (*at == NULL) {
        int32_t status = begin(decoder, message->xid, at, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
        decoder->running_bytes += tp_waltx_bytes(*at);
    }
    decoder->piece = *at;
    return TRIGPERF_OK;
}

static int32_t stream_end(tp_waldecoder *decoder, const tp_pgo_message *message,
                          trigperf_error **err) {
    tp_waltx **at = find_running(decoder, message->xid);
    if (*at == NULL) {
        return broken(err, "a transaction ends that never began");
    }
    if (message->kind == TP_PGO_STREAM_COMMIT) {
        commit(decoder, take_out(decoder, at), message);
    } else if (message->subxid == message->xid) {
        tp_waltx_free(take_out(decoder, at));
    } else {
        decoder->running_bytes -= tp_waltx_bytes(*at);
        tp_waltx_abort(*at, message->subxid);
        decoder->running_bytes += tp_waltx_bytes(*at);
    }
    return TRIGPERF_OK;
}

/* What stands within a transaction. */
static int32_t take_inside(tp_waldecoder *decoder, tp_waltx *tx, const tp_pgo_message *message,
                           trigperf_error **err) {
    switch (message->kind) {
    case TP_PGO_INSERT:
    case TP_PGO_UPDATE:
    case TP_PGO_DELETE:
        return take_change(decoder, tx, message, err);
    case TP_PGO_TRUNCATE:
        take_truncate(decoder, tx, message);
        return TRIGPERF_OK;
    case TP_PGO_RELATION:
        take_relation(decoder, tx, message);
        return TRIGPERF_OK;
    case TP_PGO_MESSAGE:
        take_message(decoder, tx, message);
        return TRIGPERF_OK;
    default:
        return TRIGPERF_OK; /* types and origins tell nothing that is needed */
    }
}

static int32_t take_content(tp_waldecoder *decoder, const tp_pgo_message *message,
                            trigperf_error **err) {
    tp_waltx *tx = decoder->streaming ? decoder->piece : decoder->open;
    if (tx == NULL) {
        return message->kind == TP_PGO_MESSAGE && !message->transactional
                   ? TRIGPERF_OK
                   : broken(err, "a change stands outside of a transaction");
    }
    uint64_t before = decoder->streaming ? tp_waltx_bytes(tx) : 0;
    int32_t status = take_inside(decoder, tx, message, err);
    decoder->running_bytes += decoder->streaming ? tp_waltx_bytes(tx) - before : 0;
    return status;
}

int32_t tp_waldecoder_feed(tp_waldecoder *decoder, const void *bytes, size_t length,
                           trigperf_error **err) {
    tp_pgo_message message;
    const char *why = "";
    if (!tp_pgo_parse(bytes, length, decoder->streaming, &message, &why)) {
        return broken(err, why);
    }
    bool outside = decoder->open == NULL && !decoder->streaming;
    switch (message.kind) {
    case TP_PGO_BEGIN:
        return outside ? begin(decoder, message.xid, &decoder->open, err)
                       : broken(err, "a transaction begins within another");
    case TP_PGO_COMMIT:
        if (decoder->open == NULL) {
            return broken(err, "a commit without its beginning");
        }
        commit(decoder, decoder->open, &message);
        decoder->open = NULL;
        return TRIGPERF_OK;
    case TP_PGO_STREAM_START:
        return outside ? stream_start(decoder, &message, err)
                       : broken(err, "a piece begins within another");
    case TP_PGO_STREAM_STOP:
        decoder->streaming = false;
        decoder->piece = NULL;
        return TRIGPERF_OK;
    case TP_PGO_STREAM_COMMIT:
    case TP_PGO_STREAM_ABORT:
        return outside ? stream_end(decoder, &message, err)
                       : broken(err, "a transaction ends within another");
    case TP_PGO_ORIGIN:
        return TRIGPERF_OK;
    default:
        return take_content(decoder, &message, err);
    }
}

bool tp_waldecoder_registry_changed(const tp_waldecoder *decoder) {
    return decoder->last != NULL && tp_waltx_facts_of(decoder->last)->registry;
}

tp_waltx *tp_waldecoder_first(const tp_waldecoder *decoder) {
    return decoder->first;
}

void tp_waldecoder_drop_first(tp_waldecoder *decoder) {
    tp_waltx *tx = decoder->first;
    decoder->first = *tp_waltx_link(tx);
    decoder->last = decoder->first == NULL ? NULL : decoder->last;
    decoder->waiting_bytes -= tp_waltx_bytes(tx);
    put_aside(decoder, tx);
}

bool tp_waldecoder_between(const tp_waldecoder *decoder) {
    return decoder->open == NULL && decoder->first == NULL;
}

uint64_t tp_waldecoder_waiting_bytes(const tp_waldecoder *decoder) {
    return decoder->waiting_bytes;
}

uint64_t tp_waldecoder_changes(const tp_waldecoder *decoder) {
    return decoder->changes;
}
