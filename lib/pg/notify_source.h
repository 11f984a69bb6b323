/* The notify source: listens to channels on which triggers send JSON (core/notice.h). */
#ifndef TP_PG_NOTIFY_SOURCE_H
#define TP_PG_NOTIFY_SOURCE_H

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/engine.h"
#include "pg/conninfo.h"
#include "pg/feed.h"

typedef struct tp_notify_options {
    const char *channels; /* comma-separated */
    const char *keys;     /* comma-separated names of members that are keys */
    uint32_t reconnect_min_ms;
    uint32_t reconnect_max_ms;
    uint32_t connect_timeout_ms;
    uint32_t silence_timeout_ms;
} tp_notify_options;

/* All pointers but options must outlive the source. */
int32_t tp_notify_source_new(const tp_notify_options *options, const tp_conninfo *info,
                             tp_loop *loop, tp_engine *engine, const tp_log *log, tp_feed *out,
                             trigperf_error **err);

#endif
