/* Under one lock of the engine, so that a transaction arrives as a whole, and several of them with
 * one checkpoint: a host that acknowledges only some of them gets the others again after a crash,
 * which a position for each would not save it often enough to be worth it. Tuples of a table that
 * was attached anew with other keys meanwhile cannot be matched: the table is resynced. */
#include "pg/wal_apply.h"

#include "core/lsn.h"
#include "core/tuple.h"

#define GROUP_MAX 64
#define LOOK_AFTER 16u /* changes */

typedef struct work {
    const tp_registry *registry;
    const tp_wal_specs *specs;
    tp_pipeline *pipeline;
    uint64_t now_ms;
    uint64_t lsn;
    uint64_t changes;
    uint64_t look_at; /* after so many of them, whether there is room for more */
    /* looked up last, as most changes are of one table */
    int32_t table; /* 0: none */
    const tp_walspec *spec;
    const tp_registry_table *known; /* NULL: not of this source, or detached */
} work;

static void look_up(work *w, int32_t table) {
    if (table != w->table) {
        w->table = table;
        w->spec = tp_wal_specs_find(w->specs, table);
        w->known = w->spec == NULL ? NULL : tp_registry_find(w->registry, table);
    }
}

static void apply_table(work *w, const tp_waltx_table *state) {
    static const tp_value nulls[TP_REGISTRY_KEYS_MAX];
    look_up(w, state->table);
    const tp_registry_table *known = w->known;
    if (known == NULL || !(state->truncated || state->resync)) {
        return;
    }
    tp_change change = {known->table, TP_OP_TRUNCATE, nulls, w->lsn};
    bool told = state->truncated &&
                tp_pipeline_change(w->pipeline, w->now_ms, &change, NULL) == TRIGPERF_OK;
    if (state->resync || (state->truncated && !told)) {
        tp_pipeline_resync(w->pipeline, w->now_ms, known->table, 0, w->lsn);
    }
}

static void apply_change(work *w, const tp_waltx_change *change) {
    tp_value values[TP_REGISTRY_KEYS_MAX];
    look_up(w, change->table);
    const tp_registry_table *known = w->known;
    if (known == NULL) {
        return;
    }
    bool fine = !known->coarse && known->table->key_count == w->spec->key_count;
    for (uint32_t i = 0; fine && i < known->table->key_count; i++) {
        values[i] = tp_tuple_value(change->tuple, i);
    }
    for (uint32_t op = TP_OP_DELETE; fine && op <= TP_OP_UPDATE; op <<= 1) {
        tp_change one = {known->table, op, values, w->lsn};
        fine = (change->ops & op) == 0 ||
               tp_pipeline_change(w->pipeline, w->now_ms, &one, NULL) == TRIGPERF_OK;
    }
    if (!fine) {
        tp_pipeline_resync(w->pipeline, w->now_ms, known->table, 0, w->lsn);
    }
}

bool tp_wal_checkpoint(tp_pipeline *pipeline, uint64_t lsn) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_lsn_format(lsn, &text);
    bool set = !text.failed &&
               tp_pipeline_checkpoint(pipeline, tp_strbuf_str(&text), lsn, NULL) == TRIGPERF_OK;
    tp_strbuf_free(&text);
    return set;
}

static void apply(work *w, const tp_waltx *tx, const tp_waltx_facts *facts) {
    tp_waltx_cursor cursor = {0, NULL};
    tp_waltx_change change;
    tp_waltx_table state;
    w->lsn = facts->end_lsn;
    if (facts->everything) {
        tp_pipeline_resync(w->pipeline, w->now_ms, NULL, 0, w->lsn);
    }
    for (uint32_t i = 0; tp_waltx_table_at(tx, i, &state); i++) {
        apply_table(w, &state);
    }
    for (; tp_waltx_next(tx, &cursor, &change); w->changes++) {
        apply_change(w, &change);
    }
}

/* Asked now and then: what a few changes add does not matter. */
static bool is_full(work *w) {
    if (w->changes < w->look_at) {
        return false;
    }
    w->look_at = w->changes + LOOK_AFTER;
    return tp_pipeline_full(w->pipeline);
}

/* The oldest transaction that waits, if it may be applied now. */
static tp_waltx *next_visible(const tp_wal_group *group) {
    tp_waltx *tx = tp_waldecoder_first(group->decoder);
    bool may = tx != NULL && tp_wal_look_visible(group->look, tp_waltx_facts_of(tx)->xid) &&
               (!tp_waltx_facts_of(tx)->registry || group->loaded);
    return may ? tx : NULL;
}

void tp_wal_apply_group(tp_wal_group *group, tp_pipeline *pipeline) {
    tp_waltx *tx;
    work w = {.registry = group->registry,
              .specs = group->specs,
              .pipeline = pipeline,
              .now_ms = group->now_ms};
    while (group->count < GROUP_MAX && group->mark == 0 && !is_full(&w) &&
           (tx = next_visible(group)) != NULL) {
        const tp_waltx_facts *facts = tp_waltx_facts_of(tx);
        group->mark = facts->mark;
        group->end_lsn = facts->end_lsn;
        group->loaded = false;
        group->count++;
        apply(&w, tx, facts);
        tp_waldecoder_drop_first(group->decoder);
    }
    group->checkpointed = group->count > 0 && tp_wal_checkpoint(pipeline, group->end_lsn);
}
