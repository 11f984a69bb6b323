/* The state of a source, and what a failure does to it: try again later, or wait for the host. */
#ifndef TP_PG_LIFECYCLE_H
#define TP_PG_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "core/backoff.h"

typedef enum tp_source_state {
    TP_SOURCE_CONNECTING,
    TP_SOURCE_READY,
    TP_SOURCE_BACKOFF,
    TP_SOURCE_FAILED
} tp_source_state;

typedef struct tp_lifecycle {
    tp_source_state state;
    bool started; /* the first attempt was begun */
    tp_backoff backoff;
    uint64_t retry_at;
    uint64_t reconnects;
    trigperf_error *error; /* the newest failure, NULL when none since ready */
    bool was_ready;
    const tp_log *log;
} tp_lifecycle;

void tp_lifecycle_init(tp_lifecycle *lifecycle, uint32_t min_ms, uint32_t max_ms,
                       const tp_log *log);
void tp_lifecycle_free(tp_lifecycle *lifecycle);
const char *tp_lifecycle_name(const tp_lifecycle *lifecycle);

/* A failure (the error is taken): BACKOFF, or FAILED when only the host can mend it. */
void tp_lifecycle_fail(tp_lifecycle *lifecycle, uint64_t now_ms, trigperf_error *error);
/* True when it became ready just now. */
bool tp_lifecycle_ready(tp_lifecycle *lifecycle);
/* Leaves FAILED: the next attempt is due. */
void tp_lifecycle_retry(tp_lifecycle *lifecycle);
/* An attempt is due: the state is CONNECTING from now on, and the owner begins to. */
bool tp_lifecycle_begins(tp_lifecycle *lifecycle, uint64_t now_ms);
/* It connects, or is ready: there is something to drive. */
bool tp_lifecycle_works(const tp_lifecycle *lifecycle);
/* When the next turn is wanted, while it does not work; UINT64_MAX: not before the host asks. */
uint64_t tp_lifecycle_deadline(const tp_lifecycle *lifecycle);
/* The error of state FAILED, copied; 0 in any other. */
int32_t tp_lifecycle_verdict(const tp_lifecycle *lifecycle, trigperf_error **err);

/* The earlier of two deadlines. */
static inline uint64_t tp_earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

#endif
