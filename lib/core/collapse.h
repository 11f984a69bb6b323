/* Arrivals that are told as resyncs: because they are asked for, or because there is no memory left
 * for changes one by one. */
#ifndef TP_CORE_COLLAPSE_H
#define TP_CORE_COLLAPSE_H

#include <stdint.h>

#include "core/coalescer.h"
#include "core/pipeline.h"

/* A resync arrives. table NULL: everything. Never fails. */
void tp_collapse_resync(tp_pipeline *pipeline, const tp_table *table, uint64_t tag, uint64_t lsn);

/* A TRUNCATE arrives: a resync of its table that shows the change. copy: see core/tables.h. False
 * when memory is short: nothing has happened. */
bool tp_collapse_truncate(tp_pipeline *pipeline, const tp_change *change, const tp_table *copy);

/* How a change that finds nothing to merge into has to be told for the memory in use;
 * TP_RESYNC_NONE: as it is. */
tp_resync_level tp_collapse_level(const tp_pipeline *pipeline, const tp_table *table);
/* A change is told so, or as a higher level when memory is short. Never fails. */
void tp_collapse_change(tp_pipeline *pipeline, const tp_change *change, const tp_table *copy,
                        tp_resync_level level);
/* The same for a key that the host named: it becomes everything. */
void tp_collapse_key(tp_pipeline *pipeline);

#endif
