/* What a pipeline consists of, for the modules that it is made of: pipeline.c and collapse.c. */
#ifndef TP_CORE_PIPELINE_PARTS_H
#define TP_CORE_PIPELINE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/checkpoints.h"
#include "core/delivery.h"
#include "core/due.h"
#include "core/generations.h"
#include "core/limiter.h"
#include "core/pipeline.h"
#include "core/recent.h"
#include "core/resyncs.h"
#include "core/tables.h"
#include "core/window.h"

struct tp_pipeline {
    tp_pipeline_options options;
    uint64_t group_bytes; /* from there on changes collapse to groups, */
    uint64_t table_bytes; /* and to tables */
    tp_cascade *cascade;
    tp_fence *fence;
    tp_fence_marks marks;
    tp_tables *tables;
    tp_window *window;
    tp_limiter *limiter;
    tp_resyncs *resyncs;
    tp_delivery *delivery;
    tp_checkpoints *checkpoints;
    tp_generations *generations;
    tp_recent *recent;   /* NULL: all windows last their full length */
    tp_batch *ready_all; /* a resync of everything that was not handed out yet */
    uint64_t now_ms;     /* never goes back */
    uint64_t arrived;
    tp_due due;
    uint64_t retry_ms; /* memory was short: not before */
    bool flushing;     /* a flush could not be completed */
    uint64_t position_lsn;
    tp_samples unreadable; /* key values that are not UTF-8 */
    tp_pipeline_counters counters;
};

/* What a batch of the window takes beside its contents: so much is counted before it is made, since
 * a host that does not pull may find a large window cut into many. */
#define TP_PIPELINE_BATCH_BYTES 800u

/* Memory of what waits. */
static inline uint64_t tp_pipeline_bytes(const tp_pipeline *pipeline) {
    uint32_t weight = tp_window_weight(pipeline->window);
    uint32_t max_keys = pipeline->options.max_keys;
    uint64_t batches = weight < max_keys ? 0 : weight / max_keys;
    return batches * TP_PIPELINE_BATCH_BYTES + tp_window_bytes(pipeline->window) +
           tp_limiter_bytes(pipeline->limiter) + tp_resyncs_bytes(pipeline->resyncs) +
           tp_delivery_bytes(pipeline->delivery);
}

/* Stages a cache key of the next arrival: in the window, for what is staged there. False when
 * memory is short. */
bool tp_pipeline_stage_key(tp_pipeline *pipeline, const char *key, size_t length,
                           uint32_t interval_ms, uint64_t lsn);

#endif
