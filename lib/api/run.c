/* Processing from the host's side: a call a turn, or blocking waits. A thread that does not process
 * sleeps on the engine's condition variable, which every turn and every acknowledgement signals. */
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "base/clock.h"
#include "core/lsn.h"

/* Without the library's thread, a sleeper looks again so often, should nobody process. */
#define LOOK_AGAIN_MS 1000u
#define POLL_AGAIN_MS 10

static int32_t not_threaded(trigperf_context *context, trigperf_error **error) {
    if (tp_context_threaded(context)) {
        return tp_error_set(error, TRIGPERF_E_STATE,
                            "use trigperf_wait(), or stop the thread first",
                            "the library's thread processes this context");
    }
    return TRIGPERF_OK;
}

int32_t trigperf_process(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        status = not_threaded(context, error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_loop_wait(tp_context_loop(context), 0, error);
    }
    return status < 0 ? status : tp_context_turn(context, error);
}

static uint64_t deadline_of(int32_t timeout_ms) {
    return timeout_ms < 0 ? UINT64_MAX : tp_clock_ms() + (uint64_t)timeout_ms;
}

static int32_t time_left(uint64_t deadline) {
    if (deadline == UINT64_MAX) {
        return -1;
    }
    uint64_t now_ms = tp_clock_ms();
    return deadline > now_ms ? (int32_t)(deadline - now_ms) : 0;
}

static int32_t timed_out(trigperf_error **error, int32_t timeout_ms, const char *what) {
    return tp_error_set(error, TRIGPERF_E_TIMEOUT, "call again, or allow more time",
                        "%s within %d ms", what, timeout_ms);
}

/* A batch, or an alert that was raised since the last time. */
static bool has_news(trigperf_context *context) {
    return tp_watch_take_news(tp_context_watch(context), TP_WATCH_WAIT) ||
           tp_context_has_batch(context);
}

/* Processes until something is there. */
static int32_t wait_processing(trigperf_context *context, int32_t timeout_ms,
                               trigperf_error **error) {
    uint64_t deadline = deadline_of(timeout_ms);
    for (;;) {
        int32_t status = tp_context_turn(context, error);
        if (status != TRIGPERF_OK || tp_context_take_wakeup(context) || has_news(context)) {
            return status;
        }
        int32_t left = time_left(deadline);
        if (left == 0) {
            return timed_out(error, timeout_ms, "no batch was ready");
        }
        int32_t waited = tp_loop_wait(tp_context_loop(context), left, error);
        if (waited < 0) {
            return waited;
        }
    }
}

/* Sleeps until the library's thread has something. */
static int32_t wait_sleeping(trigperf_context *context, int32_t timeout_ms,
                             trigperf_error **error) {
    uint64_t deadline = deadline_of(timeout_ms);
    for (;;) {
        int32_t status = tp_context_failure(context, error);
        if (status != TRIGPERF_OK || tp_context_take_wakeup(context)) {
            return status;
        }
        tp_pipeline *pipeline = tp_engine_lock(tp_context_engine(context));
        bool has = tp_watch_take_news(tp_context_watch(context), TP_WATCH_WAIT) ||
                   tp_pipeline_has_next(pipeline);
        if (!has && time_left(deadline) != 0) {
            uint64_t again = tp_clock_ms() + LOOK_AGAIN_MS;
            tp_engine_sleep(tp_context_engine(context), deadline < again ? deadline : again);
            has = tp_pipeline_has_next(pipeline);
        }
        tp_engine_unlock(tp_context_engine(context));
        if (has) {
            return TRIGPERF_OK;
        }
        if (time_left(deadline) == 0) {
            return timed_out(error, timeout_ms, "no batch was ready");
        }
    }
}

int32_t trigperf_wait(trigperf_context *context, int32_t timeout_ms, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    return tp_context_threaded(context) ? wait_sleeping(context, timeout_ms, error)
                                        : wait_processing(context, timeout_ms, error);
}

/* What wait_position waits for. */
typedef struct awaited {
    uint64_t xid;    /* 0: none */
    uint64_t ticket; /* of a poll that began after the call */
    uint64_t mark;   /* arrival number to be acknowledged, 0: the poll is not complete yet */
    int32_t timeout_ms;
    uint64_t deadline;
} awaited;

static int32_t parse_position(const char *position, uint64_t *xid, trigperf_error **error) {
    uint64_t lsn;
    *xid = 0;
    if (position == NULL || tp_lsn_parse(position, &lsn)) {
        return TRIGPERF_OK;
    }
    char *rest = NULL;
    *xid = strtoull(position, &rest, 10);
    if (position[0] < '0' || position[0] > '9' || *rest != '\0' || *xid < 3 || *xid == UINT64_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "pass pg_current_xact_id() or pg_current_wal_insert_lsn() as text",
                            "expected a transaction id or an LSN as position, got \"%s\"",
                            position);
    }
    return TRIGPERF_OK;
}

/* Whether all is delivered; sets the mark once the poll is complete, asks for another poll when the
 * transaction was not visible to it. */
static bool delivered(trigperf_context *context, awaited *what) {
    if (what->mark == 0) {
        if (trigperf_catch_up_done(context, what->ticket) == 0) {
            return false;
        }
        if (what->xid != 0 && !tp_context_passed(context, what->xid)) {
            trigperf_catch_up(context, &what->ticket, NULL);
            return false;
        }
        what->mark = tp_pipeline_arrived(tp_engine_lock(tp_context_engine(context))) + 1;
        tp_engine_unlock(tp_context_engine(context));
    }
    bool done = tp_pipeline_low_water(tp_engine_lock(tp_context_engine(context))) >= what->mark;
    tp_engine_unlock(tp_context_engine(context));
    return done;
}

static int32_t position_processing(trigperf_context *context, awaited *what,
                                   trigperf_error **error) {
    for (;;) {
        int32_t status = tp_context_turn(context, error);
        if (status != TRIGPERF_OK || delivered(context, what)) {
            return status;
        }
        if (tp_context_has_batch(context)) {
            return tp_error_set(error, TRIGPERF_E_AGAIN,
                                "pull and acknowledge them, then call again",
                                "batches wait to be pulled");
        }
        int32_t left = time_left(what->deadline);
        if (left == 0) {
            return timed_out(error, what->timeout_ms, "the position was not delivered");
        }
        bool polling = what->xid != 0 && what->mark == 0;
        int32_t nap = polling && (left < 0 || left > POLL_AGAIN_MS) ? POLL_AGAIN_MS : left;
        int32_t waited = tp_loop_wait(tp_context_loop(context), nap, error);
        if (waited < 0) {
            return waited;
        }
    }
}

static int32_t position_sleeping(trigperf_context *context, awaited *what, trigperf_error **error) {
    for (;;) {
        int32_t status = tp_context_failure(context, error);
        if (status != TRIGPERF_OK || delivered(context, what)) {
            return status;
        }
        if (time_left(what->deadline) == 0) {
            return timed_out(error, what->timeout_ms, "the position was not delivered");
        }
        uint64_t again = tp_clock_ms() + POLL_AGAIN_MS;
        tp_engine_lock(tp_context_engine(context));
        tp_engine_sleep(tp_context_engine(context),
                        what->deadline < again ? what->deadline : again);
        tp_engine_unlock(tp_context_engine(context));
    }
}

int32_t trigperf_wait_position(trigperf_context *context, const char *position, int32_t timeout_ms,
                               trigperf_error **error) {
    awaited what = {0, 0, 0, timeout_ms, deadline_of(timeout_ms)};
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK && tp_context_offline(context)) {
        status = tp_error_set(error, TRIGPERF_E_STATE, "use trigperf_flush() for pushed changes",
                              "expected a context with a database, this one has source = none");
    }
    if (status == TRIGPERF_OK) {
        status = parse_position(position, &what.xid, error);
    }
    if (status == TRIGPERF_OK) {
        status = trigperf_catch_up(context, &what.ticket, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    bool here = !tp_context_threaded(context) && tp_context_processing_here(context);
    return here ? position_processing(context, &what, error)
                : position_sleeping(context, &what, error);
}
