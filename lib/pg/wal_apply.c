/* Under one lock of the engine, so that a transaction arrives as a whole. Tuples of a table that
 * was attached anew with other keys meanwhile cannot be matched: the table is resynced. */
#include "pg/wal_apply.h"

#include "core/lsn.h"
#include "core/tuple.h"

typedef struct work {
    const tp_registry *registry;
    const tp_wal_specs *specs;
    tp_pipeline *pipeline;
    uint64_t now_ms;
    uint64_t lsn;
} work;

static const tp_registry_table *find(const work *w, int32_t table) {
    return tp_wal_specs_find(w->specs, table) == NULL ? NULL : tp_registry_find(w->registry, table);
}

static void apply_table(const work *w, const tp_waltx_table *state) {
    const tp_registry_table *known = find(w, state->table);
    if (known == NULL) {
        return; /* not of this source, or detached */
    }
    tp_value nulls[TP_REGISTRY_KEYS_MAX] = {{NULL, 0}};
    tp_change change = {known->table, TP_OP_TRUNCATE, nulls, w->lsn};
    bool told = state->truncated &&
                tp_pipeline_change(w->pipeline, w->now_ms, &change, NULL) == TRIGPERF_OK;
    if (state->resync || (state->truncated && !told)) {
        tp_pipeline_resync(w->pipeline, w->now_ms, known->table, 0, w->lsn);
    }
}

static void apply_change(const work *w, const tp_waltx_change *change) {
    const tp_walspec *spec = tp_wal_specs_find(w->specs, change->table);
    const tp_registry_table *known = find(w, change->table);
    tp_value values[TP_REGISTRY_KEYS_MAX];
    if (known == NULL) {
        return;
    }
    bool fine = !known->coarse && known->table->key_count == spec->key_count;
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

static bool checkpoint(tp_pipeline *pipeline, uint64_t lsn) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_lsn_format(lsn, &text);
    bool set = !text.failed &&
               tp_pipeline_checkpoint(pipeline, tp_strbuf_str(&text), lsn, NULL) == TRIGPERF_OK;
    tp_strbuf_free(&text);
    return set;
}

bool tp_wal_apply(tp_waltx *tx, const tp_registry *registry, const tp_wal_specs *specs,
                  tp_engine *engine, uint64_t now_ms) {
    const tp_waltx_facts *facts = tp_waltx_facts_of(tx);
    tp_waltx_cursor cursor = {0, NULL};
    tp_waltx_change change;
    tp_waltx_table state;
    work w = {registry, specs, tp_engine_lock(engine), now_ms, facts->end_lsn};
    if (facts->everything) {
        tp_pipeline_resync(w.pipeline, now_ms, NULL, 0, w.lsn);
    }
    for (uint32_t i = 0; tp_waltx_table_at(tx, i, &state); i++) {
        apply_table(&w, &state);
    }
    while (tp_waltx_next(tx, &cursor, &change)) {
        apply_change(&w, &change);
    }
    bool set = checkpoint(w.pipeline, facts->end_lsn);
    tp_engine_unlock(engine);
    return set;
}

bool tp_wal_checkpoint(tp_engine *engine, uint64_t lsn) {
    bool set = checkpoint(tp_engine_lock(engine), lsn);
    tp_engine_unlock(engine);
    return set;
}
