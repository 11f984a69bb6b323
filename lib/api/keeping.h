/* From configuration to what a context does for its database beside following it. */
#ifndef TP_API_KEEPING_H
#define TP_API_KEEPING_H

#include <stdint.h>

#include <trigperf/config.h>

#include "base/log.h"
#include "base/loop.h"
#include "pg/conninfo.h"
#include "pg/keeper.h"

/* What it is made of; all but config outlives the keeper. */
typedef struct tp_api_keeping {
    const trigperf_config *config;
    tp_loop *loop;
    const tp_conninfo *info;
    const tp_log *log;
    tp_flusher_read_fn read;
    void *user;
} tp_api_keeping;

int32_t tp_api_keeper_new(const tp_api_keeping *keeping, tp_keeper **out, trigperf_error **err);

#endif
