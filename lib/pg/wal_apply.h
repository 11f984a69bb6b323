/* A committed transaction of the log, given to the engine. */
#ifndef TP_PG_WAL_APPLY_H
#define TP_PG_WAL_APPLY_H

#include <stdint.h>

#include "core/engine.h"
#include "core/waltx.h"
#include "pg/registry.h"
#include "pg/wal_specs.h"

/* What cannot be told key by key becomes a resync of its table, or of everything: nothing is
 * dropped. Sets a checkpoint at the transaction's end. False when the checkpoint could not be set
 * for lack of memory: a later one covers it. */
bool tp_wal_apply(tp_waltx *tx, const tp_registry *registry, const tp_wal_specs *specs,
                  tp_engine *engine, uint64_t now_ms);

/* Everything before this position has been given to the engine. */
bool tp_wal_checkpoint(tp_engine *engine, uint64_t lsn);

#endif
