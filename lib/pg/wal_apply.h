/* Committed transactions of the log, given to the engine. */
#ifndef TP_PG_WAL_APPLY_H
#define TP_PG_WAL_APPLY_H

#include <stdint.h>

#include "core/pipeline.h"
#include "core/waldecoder.h"
#include "pg/registry.h"
#include "pg/wal_look.h"
#include "pg/wal_specs.h"

typedef struct tp_wal_group {
    tp_waldecoder *decoder;
    const tp_wal_look *look;
    const tp_registry *registry;
    const tp_wal_specs *specs;
    uint64_t now_ms;
    bool loaded; /* the registry, for a first transaction that changed it; cleared with that */
    /* zeroes, set by the call */
    uint32_t count;    /* transactions applied */
    uint64_t mark;     /* that the last of them carries, 0: none */
    uint64_t end_lsn;  /* of the last of them */
    bool checkpointed; /* there; if not, a later checkpoint covers it */
} tp_wal_group;

/* Both with the engine's lock held.
 *
 * Applies transactions from the oldest on: up to one that is not visible yet, or for which the
 * registry must be loaded first, to one that carries a mark, to a pipeline that is full, or to as
 * many as one lock should be held for. What cannot be told key by key becomes a resync of its
 * table, or of everything: nothing is dropped. */
void tp_wal_apply_group(tp_wal_group *group, tp_pipeline *pipeline);

/* Everything before this position has been given to the engine. False when memory was short: a
 * later checkpoint covers it. */
bool tp_wal_checkpoint(tp_pipeline *pipeline, uint64_t lsn);

#endif
