/* The inside of a context, for the rest of lib/api. */
#ifndef TP_API_CONTEXT_H
#define TP_API_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <trigperf/context.h>

#include "api/internals.h"
#include "api/meter.h"
#include "api/watch.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "core/cache.h"
#include "core/engine.h"

/* Stands at the beginning of a context, for calls that count in instructions. */
typedef struct tp_context_head {
    const volatile unsigned char *here; /* 0 in a forked child, or whoever does not know */
    tp_cache *cache;
} tp_context_head;

static inline const tp_context_head *tp_context_head_of(const trigperf_context *context) {
    return (const tp_context_head *)(const void *)context;
}

/* Every public call begins with it: E_FORKED in a child, E_INVALID for NULL, else 0. */
int32_t tp_context_check(trigperf_context *context, trigperf_error **err);
bool tp_context_forked(const trigperf_context *context);

tp_engine *tp_context_engine(trigperf_context *context);
tp_cache *tp_context_cache(trigperf_context *context);
tp_meter *tp_context_meter(trigperf_context *context);
tp_watch *tp_context_watch(trigperf_context *context);
tp_internals *tp_context_internals(trigperf_context *context);
tp_loop *tp_context_loop(trigperf_context *context);

/* One turn of processing: source, window, timers, callback. Any thread; turns exclude each other.
 */
int32_t tp_context_turn(trigperf_context *context, trigperf_error **err);
/* The error of state FAILED, 0 otherwise. */
int32_t tp_context_failure(trigperf_context *context, trigperf_error **err);
bool tp_context_offline(const trigperf_context *context);

/* Whether a batch can be pulled. */
bool tp_context_has_batch(trigperf_context *context);
/* Takes back a trigperf_wakeup(). */
bool tp_context_take_wakeup(trigperf_context *context);
/* Whether the position has passed a transaction. */
bool tp_context_passed(trigperf_context *context, uint64_t xid);

/* Who processes: the library's thread, the thread that did it last, or nobody yet. */
bool tp_context_threaded(const trigperf_context *context);
void tp_context_set_threaded(trigperf_context *context, bool threaded);
bool tp_context_processing_here(const trigperf_context *context);

/* The thread of the library, kept by thread.c. */
typedef struct tp_runner tp_runner;
tp_runner *tp_context_runner(const trigperf_context *context);
void tp_context_set_runner(trigperf_context *context, tp_runner *runner);

#endif
