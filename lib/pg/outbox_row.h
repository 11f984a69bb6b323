/* One row of the outbox, and what it means for the engine. */
#ifndef TP_PG_OUTBOX_ROW_H
#define TP_PG_OUTBOX_ROW_H

#include <stdint.h>

#include "base/log.h"
#include "core/engine.h"
#include "pg/registry.h"

typedef struct tp_outbox_row {
    uint64_t xid;
    int32_t table_id;           /* 0: everything */
    char op;                    /* I U D T, B (bulk), E (key computation failed), X (unreadable) */
    const char *const *columns; /* registry's columns as text; NULL for SQL NULL */
} tp_outbox_row;

/* Gives the row's changes to the engine. What cannot be understood or stored becomes a resync of
 * its table: nothing is dropped. Returns the number of changes. */
uint32_t tp_outbox_row_apply(const tp_outbox_row *row, const tp_registry *registry,
                             tp_engine *engine, uint64_t now_ms, uint64_t lsn, const tp_log *log);

/* Hints at the first change of a row that will be applied soon: see tp_pipeline_foresee(). */
void tp_outbox_row_foresee(const tp_outbox_row *row, const tp_registry *registry,
                           tp_pipeline *pipeline);

#endif
