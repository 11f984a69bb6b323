/* A row carries the distinct key tuples of one statement in one array per kind of key, key by key:
 * with n tuples, the values of the second key of a kind are the elements n to 2n - 1 of its array.
 * A cursor for each key walks its stretch, all in parallel, so that a row of a thousand tuples
 * needs no intermediate table. The engine is locked once per row. */
#include "pg/outbox_row.h"

#include "pg/outbox_query.h"
#include "pg/textarray.h"

static uint32_t op_of(char op) {
    return op == 'I'   ? TP_OP_INSERT
           : op == 'U' ? TP_OP_UPDATE
           : op == 'D' ? TP_OP_DELETE
           : op == 'T' ? TP_OP_TRUNCATE
                       : 0;
}

/* How many tuples the row carries, from the arrays of all keys; false when they do not fit
 * together. A table without keys has one tuple, the empty one. */
static bool count_tuples(const tp_outbox_row *row, const tp_registry_table *known,
                         uint32_t *tuples) {
    *tuples = 1;
    for (uint32_t i = 0; i < known->table->key_count; i++) {
        const tp_registry_slot *slot = &known->slots[i];
        if (slot->place == 0) {
            uint32_t elements = 0;
            bool counted = tp_textarray_count(row->columns[slot->column], &elements);
            uint32_t here = elements / slot->keys;
            if (!counted || elements % slot->keys != 0 || (i > 0 && here != *tuples)) {
                return false;
            }
            *tuples = here;
        }
    }
    return true;
}

/* A cursor at the first value of every key. */
static void open_arrays(const tp_outbox_row *row, const tp_registry_table *known, uint32_t tuples,
                        tp_textarray *arrays) {
    for (uint32_t i = 0; i < known->table->key_count; i++) {
        const tp_registry_slot *slot = &known->slots[i];
        tp_textarray_begin(&arrays[i], row->columns[slot->column]);
        tp_textarray_skip(&arrays[i], slot->place * tuples);
    }
}

static bool next_tuple(tp_textarray *arrays, uint32_t count, tp_value *values) {
    for (uint32_t i = 0; i < count; i++) {
        if (!tp_textarray_next(&arrays[i], &values[i])) {
            return false;
        }
    }
    return true;
}

/* Hints at the next tuples, which are walked by cursors of their own. */
static void look_ahead(tp_pipeline *pipeline, const tp_change *like, const tp_textarray *arrays,
                       uint32_t tuples) {
    tp_textarray scouts[TP_REGISTRY_KEYS_MAX];
    tp_value values[TP_REGISTRY_KEYS_MAX];
    uint32_t count = like->table->key_count;
    tp_change change = {like->table, like->op, values, like->lsn};
    for (uint32_t i = 0; i < count; i++) {
        scouts[i] = (tp_textarray){arrays[i].at, TP_STRBUF_INIT};
    }
    for (uint32_t i = 0; i < tuples && next_tuple(scouts, count, values); i++) {
        tp_pipeline_foresee(pipeline, &change);
    }
    tp_pipeline_approach(pipeline);
    for (uint32_t i = 0; i < count; i++) {
        tp_textarray_end(&scouts[i]);
    }
}

/* False when the row is malformed or memory is short; changes: how many were told. */
static bool apply_tuples(const tp_outbox_row *row, const tp_registry_table *known,
                         tp_pipeline *pipeline, uint64_t now_ms, uint64_t lsn, uint32_t *changes) {
    tp_textarray arrays[TP_REGISTRY_KEYS_MAX];
    tp_value values[TP_REGISTRY_KEYS_MAX];
    uint32_t count = known->table->key_count;
    if (!count_tuples(row, known, changes)) {
        return false;
    }
    open_arrays(row, known, *changes, arrays);
    tp_change change = {known->table, op_of(row->op), values, lsn};
    bool fine = true;
    for (uint32_t i = 0; fine && i < *changes; i++) {
        uint32_t left = *changes - i;
        if (i % TP_PIPELINE_AHEAD == 0 && left > 1 && tp_pipeline_looks_ahead(pipeline)) {
            look_ahead(pipeline, &change, arrays,
                       left < TP_PIPELINE_AHEAD ? left : TP_PIPELINE_AHEAD);
        }
        fine = next_tuple(arrays, count, values) &&
               tp_pipeline_change(pipeline, now_ms, &change, NULL) == TRIGPERF_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        tp_textarray_end(&arrays[i]);
    }
    return fine;
}

static bool apply_truncate(const tp_registry_table *known, tp_pipeline *pipeline, uint64_t now_ms,
                           uint64_t lsn) {
    tp_value nulls[TP_REGISTRY_KEYS_MAX] = {{NULL, 0}};
    tp_change change = {known->table, TP_OP_TRUNCATE, nulls, lsn};
    return tp_pipeline_change(pipeline, now_ms, &change, NULL) == TRIGPERF_OK;
}

static bool is_rows(const tp_outbox_row *row) {
    return row->op == 'I' || row->op == 'U' || row->op == 'D';
}

void tp_outbox_row_foresee(const tp_outbox_row *row, const tp_registry *registry,
                           tp_pipeline *pipeline) {
    const tp_registry_table *known = tp_registry_find(registry, row->table_id);
    tp_textarray arrays[TP_REGISTRY_KEYS_MAX];
    tp_value values[TP_REGISTRY_KEYS_MAX];
    uint32_t tuples = 0;
    if (known == NULL || known->coarse || !is_rows(row) || !count_tuples(row, known, &tuples)) {
        return;
    }
    uint32_t count = known->table->key_count;
    tp_change change = {known->table, op_of(row->op), values, 0};
    open_arrays(row, known, tuples, arrays);
    if (tuples > 0 && next_tuple(arrays, count, values)) {
        tp_pipeline_foresee(pipeline, &change);
    }
    for (uint32_t i = 0; i < count; i++) {
        tp_textarray_end(&arrays[i]);
    }
}

uint32_t tp_outbox_row_apply(const tp_outbox_row *row, const tp_registry *registry,
                             tp_engine *engine, uint64_t now_ms, uint64_t lsn, const tp_log *log) {
    const tp_registry_table *known = tp_registry_find(registry, row->table_id);
    if (row->table_id == 0) {
        tp_pipeline_resync(tp_engine_lock(engine), now_ms, NULL, 0, lsn);
        tp_engine_unlock(engine);
        return 1;
    }
    if (known == NULL) {
        tp_log_write(log, TP_LOG_DEBUG, "a change of table number %d, detached meanwhile, skipped",
                     row->table_id);
        return 0;
    }
    bool rows = is_rows(row);
    uint32_t changes = 1;
    tp_pipeline *pipeline = tp_engine_lock(engine);
    bool fine =
        !known->coarse && (rows ? apply_tuples(row, known, pipeline, now_ms, lsn, &changes)
                                : row->op == 'T' && apply_truncate(known, pipeline, now_ms, lsn));
    if (row->op == TP_OUTBOX_UNREADABLE) {
        tp_pipeline_unreadable(pipeline, now_ms, known->table, &(tp_value){"", 0}, lsn);
    } else if (!fine) {
        tp_pipeline_resync(pipeline, now_ms, known->table, 0, lsn);
    }
    tp_engine_unlock(engine);
    if (!fine && !known->coarse && row->op != 'B') {
        tp_log_write(log, TP_LOG_WARNING,
                     "table %s: a change of kind '%c' could not be told key by key: resync",
                     known->table->name, row->op);
    }
    return changes;
}
