/* The wal source: follows the write-ahead log through a replication slot. */
#ifndef TP_PG_WAL_SOURCE_H
#define TP_PG_WAL_SOURCE_H

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/engine.h"
#include "pg/conninfo.h"
#include "pg/feed.h"
#include "pg/wal_parts.h"

/* All pointers but options must outlive the source. */
int32_t tp_wal_source_new(const tp_wal_options *options, const tp_conninfo *info, tp_loop *loop,
                          tp_engine *engine, const tp_log *log, tp_feed *out, trigperf_error **err);

#endif
