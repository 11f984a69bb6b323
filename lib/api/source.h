/* From configuration to a source. */
#ifndef TP_API_SOURCE_H
#define TP_API_SOURCE_H

#include <stdint.h>

#include <trigperf/config.h>

#include "base/log.h"
#include "base/loop.h"
#include "core/engine.h"
#include "pg/conninfo.h"
#include "pg/feed.h"

/* Makes the source that the option "source" names: none when it is "none". info receives what the
 * source connects with, and outlives it. All other pointers must outlive the source. */
int32_t tp_api_source_new(const trigperf_config *config, tp_loop *loop, tp_engine *engine,
                          const tp_log *log, tp_conninfo **info, tp_feed *out,
                          trigperf_error **err);

#endif
