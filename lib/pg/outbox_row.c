/* A row carries the distinct key tuples of one statement, column by column: one array per key. They
 * are walked in parallel, so that a row of a thousand tuples needs no intermediate table. The
 * engine is locked once per row. */
#include "pg/outbox_row.h"

#include "pg/textarray.h"

static uint32_t op_of(char op) {
    return op == 'I'   ? TP_OP_INSERT
           : op == 'U' ? TP_OP_UPDATE
           : op == 'D' ? TP_OP_DELETE
           : op == 'T' ? TP_OP_TRUNCATE
                       : 0;
}

/* Opens the arrays of all keys; returns how many were opened (all, unless one is missing). */
static uint32_t open_arrays(const tp_outbox_row *row, const tp_registry_table *known,
                            tp_textarray *arrays) {
    for (uint32_t i = 0; i < known->table->key_count; i++) {
        if (!tp_textarray_begin(&arrays[i], row->columns[known->columns[i]])) {
            return i;
        }
    }
    return known->table->key_count;
}

static bool next_tuple(tp_textarray *arrays, uint32_t count, tp_value *values) {
    for (uint32_t i = 0; i < count; i++) {
        if (!tp_textarray_next(&arrays[i], &values[i])) {
            return false;
        }
    }
    return true;
}

/* False when the row is malformed or memory is short. */
static bool apply_tuples(const tp_outbox_row *row, const tp_registry_table *known,
                         tp_pipeline *pipeline, uint64_t now_ms, uint64_t lsn) {
    tp_textarray arrays[TP_REGISTRY_KEYS_MAX];
    tp_value values[TP_REGISTRY_KEYS_MAX];
    uint32_t count = known->table->key_count;
    uint32_t opened = open_arrays(row, known, arrays);
    bool fine = opened == count;
    tp_change change = {known->table, op_of(row->op), values, lsn};
    for (uint32_t i = 0; fine && i < row->tuples; i++) {
        fine = next_tuple(arrays, count, values) &&
               tp_pipeline_change(pipeline, now_ms, &change, NULL) == TRIGPERF_OK;
    }
    for (uint32_t i = 0; i < opened; i++) {
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
    bool rows = row->op == 'I' || row->op == 'U' || row->op == 'D';
    tp_pipeline *pipeline = tp_engine_lock(engine);
    bool fine =
        !known->coarse && (rows ? apply_tuples(row, known, pipeline, now_ms, lsn)
                                : row->op == 'T' && apply_truncate(known, pipeline, now_ms, lsn));
    if (!fine) {
        tp_pipeline_resync(pipeline, now_ms, known->table, 0, lsn);
    }
    tp_engine_unlock(engine);
    if (!fine && !known->coarse && row->op != 'B') {
        tp_log_write(log, TP_LOG_WARNING,
                     "table %s: a change of kind '%c' could not be told key by key: resync",
                     known->table->name, row->op);
    }
    return rows ? row->tuples : 1;
}
