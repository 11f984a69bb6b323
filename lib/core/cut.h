/* Closing a window: from its contents to batches and to what the limiter holds back. */
#ifndef TP_CORE_CUT_H
#define TP_CORE_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/limiter.h"
#include "core/recent.h"
#include "core/window.h"

typedef struct tp_cut {
    /* Filled in by the caller. */
    tp_window *window;
    tp_limiter *limiter;
    tp_recent *recent; /* is told what was delivered; may be NULL */
    tp_batch_reason reason;
    uint64_t now_ms;
    uint32_t max_keys;
    const char *position;
    /* Results. */
    tp_batch *batches; /* linked by next, in order of delivery */
    tp_batch *last;
    uint32_t batch_count;
    uint32_t named_keys; /* in batches; one shared by several counts for each */
    uint32_t held_keys;
} tp_cut;

/* Makes the batches. False when memory is short: nothing has changed, and cut holds no batch. */
bool tp_cut_prepare(tp_cut *cut);
/* Hands the rest to the limiter. Cannot fail; the window may be cleared afterwards. */
void tp_cut_commit(tp_cut *cut);
/* Instead of committing: releases the batches. */
void tp_cut_abandon(tp_cut *cut);

#endif
