/* Tables are collected in the batch that they will become, because the cascade may be replaced
 * while they wait. Everything needs no memory at all: a flag, and the cascade of the moment in
 * which the batch is made. That is why it is what all else falls back to. */
#include "core/resyncs.h"

#include <stdlib.h>
#include <string.h>

#include "core/tuple.h"

struct tp_resyncs {
    tp_batch *tables;    /* NULL: none */
    uint32_t known_from; /* entries before this one are of former rules */
    tp_groups *groups;
    bool all;
    tp_resync_mark mark;
    tp_coalescer truncates;
};

static const tp_resync_mark no_mark = {UINT64_MAX, 0, 0};

tp_resyncs *tp_resyncs_new(const tp_hash_key *key, uint32_t max_groups) {
    tp_resyncs *resyncs = calloc(1, sizeof *resyncs);
    if (resyncs == NULL) {
        return NULL;
    }
    resyncs->mark = no_mark;
    resyncs->groups = tp_groups_new(key, max_groups);
    if (resyncs->groups == NULL) {
        free(resyncs);
        return NULL;
    }
    return resyncs;
}

static void forget_tables(tp_resyncs *resyncs) {
    tp_batch_free(resyncs->tables);
    resyncs->tables = NULL;
    resyncs->known_from = 0;
}

void tp_resyncs_free(tp_resyncs *resyncs) {
    if (resyncs != NULL) {
        forget_tables(resyncs);
        tp_groups_free(resyncs->groups);
        tp_coalescer_free(&resyncs->truncates);
        free(resyncs);
    }
}

/* ---- collecting ---- */

static void note(tp_resyncs *resyncs, const tp_resync_mark *mark) {
    tp_resync_mark *sum = &resyncs->mark;
    sum->arrival = mark->arrival < sum->arrival ? mark->arrival : sum->arrival;
    sum->lsn = mark->lsn > sum->lsn ? mark->lsn : sum->lsn;
    sum->tag = mark->tag > sum->tag ? mark->tag : sum->tag;
}

/* Adds an entry for a table, or for everything (NULL). */
static bool add_entry(tp_batch *batch, const tp_cascade *cascade, const tp_table *table) {
    uint32_t count = table == NULL ? tp_cascade_template_count(cascade)
                                   : tp_cascade_table_template_count(cascade, table);
    const char **texts = calloc((size_t)count * 2 + 1, sizeof *texts);
    if (texts == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = table == NULL ? i : tp_cascade_table_template(cascade, table, i);
        texts[i] = tp_cascade_template(cascade, index);
        texts[count + i] = tp_cascade_template_prefix(cascade, index);
    }
    tp_batch_add_resync(batch,
                        &(tp_batch_entry){.table = table == NULL ? "*" : table->name,
                                          .level = table == NULL ? TP_RESYNC_ALL : TP_RESYNC_TABLE,
                                          .templates = texts,
                                          .template_count = count,
                                          .prefixes = texts + count,
                                          .prefix_count = count});
    free(texts);
    return !tp_batch_failed(batch);
}

static bool has_table(const tp_resyncs *resyncs, const char *name) {
    uint32_t count = resyncs->tables == NULL ? 0 : tp_batch_resync_count(resyncs->tables);
    for (uint32_t i = resyncs->known_from; i < count; i++) {
        if (strcmp(tp_batch_resync_table(resyncs->tables, i), name) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_table(tp_resyncs *resyncs, const tp_cascade *cascade, const tp_table *table) {
    if (resyncs->tables == NULL) {
        resyncs->tables = tp_batch_new(TP_BATCH_RESYNC);
    }
    return resyncs->tables != NULL &&
           (has_table(resyncs, table->name) || add_entry(resyncs->tables, cascade, table));
}

void tp_resyncs_add(tp_resyncs *resyncs, const tp_cascade *cascade, const tp_table *table,
                    const tp_resync_mark *mark) {
    note(resyncs, mark);
    if (!resyncs->all && !add_table(resyncs, cascade, table)) {
        tp_resyncs_add_all(resyncs, mark);
    }
}

void tp_resyncs_add_groups(tp_resyncs *resyncs, const tp_resync_mark *mark) {
    note(resyncs, mark);
}

tp_groups *tp_resyncs_groups(tp_resyncs *resyncs) {
    return resyncs->groups;
}

void tp_resyncs_add_all(tp_resyncs *resyncs, const tp_resync_mark *mark) {
    note(resyncs, mark);
    forget_tables(resyncs);
    tp_groups_clear(resyncs->groups);
    resyncs->all = true;
}

bool tp_resyncs_add_truncate(tp_resyncs *resyncs, const tp_table *table,
                             const tp_addition *addition) {
    tp_value *nulls = calloc((size_t)table->key_count + 1, sizeof *nulls);
    uint32_t length = (uint32_t)(table->key_count * sizeof(uint32_t));
    char *tuple = malloc((size_t)length + 1);
    bool fine =
        nulls != NULL && tuple != NULL && tp_coalescer_reserve(&resyncs->truncates, 1, length);
    if (fine) {
        tp_tuple_encode(nulls, table->key_count, tuple);
        tp_delta *delta = tp_coalescer_find(&resyncs->truncates, table, tuple, length, 0);
        if (delta == NULL) {
            delta = tp_coalescer_add(&resyncs->truncates, table, tuple, length, 0);
        }
        tp_delta_merge(delta, addition);
    }
    free(nulls);
    free(tuple);
    return fine;
}

void tp_resyncs_rules_changed(tp_resyncs *resyncs) {
    if (resyncs->tables != NULL) {
        resyncs->known_from = tp_batch_resync_count(resyncs->tables);
    }
    tp_groups_rules_changed(resyncs->groups);
}

bool tp_resyncs_has_tables(const tp_resyncs *resyncs) {
    return resyncs->tables != NULL || !tp_groups_is_empty(resyncs->groups);
}

bool tp_resyncs_covers(const tp_resyncs *resyncs, const tp_table *table) {
    return resyncs->all || has_table(resyncs, table->name);
}

bool tp_resyncs_has_all(const tp_resyncs *resyncs) {
    return resyncs->all;
}

uint64_t tp_resyncs_arrival(const tp_resyncs *resyncs) {
    return resyncs->mark.arrival;
}

uint64_t tp_resyncs_bytes(const tp_resyncs *resyncs) {
    return (resyncs->tables == NULL ? 0 : tp_batch_bytes(resyncs->tables)) +
           tp_groups_bytes(resyncs->groups) + tp_coalescer_bytes(&resyncs->truncates);
}

/* ---- handing over ---- */

static bool complete(const tp_resyncs *resyncs, tp_batch *batch, const char *position) {
    for (tp_delta *d = NULL; (d = tp_coalescer_next(&resyncs->truncates, d)) != NULL;) {
        tp_batch_add_delta(batch, d);
    }
    tp_batch_raise(batch, resyncs->mark.lsn, resyncs->mark.tag);
    return tp_batch_seal(batch, position);
}

static tp_batch *make_all(const tp_resyncs *resyncs, const tp_cascade *cascade,
                          const char *position) {
    tp_batch *batch = tp_batch_new(TP_BATCH_RESYNC);
    if (batch != NULL && add_entry(batch, cascade, NULL) && complete(resyncs, batch, position)) {
        return batch;
    }
    tp_batch_free(batch);
    return NULL;
}

/* NULL when memory is short; what is half told by then becomes everything. */
static tp_batch *make_tables(tp_resyncs *resyncs, const char *position) {
    tp_batch *batch = resyncs->tables == NULL ? tp_batch_new(TP_BATCH_RESYNC) : resyncs->tables;
    if (batch == NULL) {
        return NULL;
    }
    resyncs->tables = batch;
    tp_groups_tell(resyncs->groups, batch);
    if (!complete(resyncs, batch, position)) {
        tp_resyncs_add_all(resyncs, &no_mark);
        return NULL;
    }
    return batch;
}

tp_batch *tp_resyncs_take(tp_resyncs *resyncs, const tp_cascade *cascade, const char *position) {
    tp_batch *batch = tp_resyncs_has_tables(resyncs) ? make_tables(resyncs, position)
                                                     : make_all(resyncs, cascade, position);
    if (batch != NULL) {
        resyncs->tables = NULL;
        resyncs->known_from = 0;
        tp_groups_clear(resyncs->groups);
        resyncs->all = false;
        resyncs->mark = no_mark;
        tp_coalescer_clear(&resyncs->truncates);
    }
    return batch;
}
