/* The loop of `trigperf tail`.
 *
 * One poll() on three things: the context, standard output (only while a line waits for it, or to
 * see its reader leave) and the stop descriptor. A batch is acknowledged when its line, newline
 * included, was taken by the descriptor; nothing is buffered here. While the reader is slow the
 * context is still processed: it keeps its connection and leadership and stops reading by itself
 * when its memory is full.
 *
 * The end by quiet needs two things: no line for the time asked, then a catch-up (a poll, window
 * and limiter flushed) begun after the last line that brings none. A line in between begins both
 * anew.
 */
#include "follow.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch_text.h"
#include "line_out.h"
#include "say.h"
#include "stop.h"

enum {
    DRAIN_MAX = 200,      /* lines between two turns of the context */
    STOP_GRACE_MS = 3000, /* for a reader that takes nothing after a signal */
    CLOSE_MS = 10000
};

enum drained { DRAINED, DRAIN_MORE, DRAIN_BLOCKED, DRAIN_FAILED };

typedef struct follow {
    trigperf_context *context;
    const follow_plan *plan;
    trigperf_batch *batch; /* whose line is being written */
    char *text;            /* that line, when it is not the batch's JSON */
    line_out out;
    uint64_t ticket;
    int64_t now;
    int64_t quiet_since; /* last line, or ready */
    int64_t lost_since;
    int64_t stop_since;
    int code;
    bool delivered; /* at least one line */
    bool asked;     /* the ticket is a catch-up begun after the last line */
    bool ever_ready;
    bool lost;
    bool stopping;
} follow;

static int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool fail(follow *run, trigperf_error *error) {
    run->code = say_failure(error);
    return false;
}

/* --- the connection --------------------------------------------------------------------------- */

static void note_ready(follow *run) {
    if (!run->ever_ready) {
        run->quiet_since = run->now;
        say_progress("ready");
    } else if (run->lost) {
        say_note("connected again");
        run->quiet_since = run->now;
    }
    run->ever_ready = true;
    run->lost = false;
}

/* The connection failed and is tried again, which the library's log tells; only an endless plan
 * goes on with that. */
static bool note_lost(follow *run, trigperf_error *error) {
    if (!run->lost) {
        run->lost = true;
        run->lost_since = run->now;
    }
    bool patient = run->plan->endless || run->stopping ||
                   (run->ever_ready && run->now - run->lost_since < run->plan->patience_ms);
    if (patient) {
        trigperf_error_free(error);
        return true;
    }
    return fail(run, error);
}

static bool watch_connection(follow *run) {
    if (trigperf_context_state(run->context) == TRIGPERF_STATE_READY) {
        note_ready(run);
        return true;
    }
    trigperf_error *error = trigperf_context_error(run->context);
    return (error == NULL && !run->lost) || note_lost(run, error);
}

/* --- delivering --------------------------------------------------------------------------------
 */

static bool begin_line(follow *run) {
    const char *line = NULL;
    uint64_t length = 0;
    if (run->plan->text) {
        size_t size = 0;
        run->text = batch_text(run->batch, &size);
        line = run->text;
        length = size;
    } else {
        trigperf_error *error = NULL;
        if (trigperf_batch_json(run->batch, &line, &length, &error) != TRIGPERF_OK) {
            return fail(run, error);
        }
    }
    line_out_begin(&run->out, line, (size_t)length);
    return true;
}

static bool acknowledge(follow *run) {
    trigperf_error *error = NULL;
    trigperf_batch *batch = run->batch;
    run->batch = NULL;
    free(run->text);
    run->text = NULL;
    run->delivered = true;
    run->quiet_since = clock_ms();
    run->asked = run->asked && !run->plan->until_idle;
    if (trigperf_batch_ack(batch, &error) != TRIGPERF_OK) {
        return fail(run, error);
    }
    return true;
}

static void report_broken(follow *run) {
    uint64_t number = run->batch != NULL ? trigperf_batch_number(run->batch) : 0;
    const char *what = strerror(run->out.failure);
    if (number == 0) {
        run->code = say_error("nobody reads standard output any more: %s", what);
    } else {
        run->code = say_error("standard output did not take the line of batch %llu: %s; it is not "
                              "acknowledged",
                              (unsigned long long)number, what);
    }
}

static bool next_batch(follow *run) {
    trigperf_error *error = NULL;
    if (trigperf_batch_next(run->context, &run->batch, &error) != TRIGPERF_OK) {
        return fail(run, error);
    }
    return run->batch == NULL || begin_line(run);
}

static enum drained drain(follow *run) {
    for (int lines = 0; lines < DRAIN_MAX; lines++) {
        if (run->batch == NULL && !next_batch(run)) {
            return DRAIN_FAILED;
        }
        if (run->batch == NULL) {
            return DRAINED;
        }
        enum line_out_state state = line_out_push(&run->out);
        if (state == LINE_BLOCKED) {
            return DRAIN_BLOCKED;
        }
        if (state == LINE_FAILED) {
            report_broken(run);
            return DRAIN_FAILED;
        }
        if (!acknowledge(run)) {
            return DRAIN_FAILED;
        }
    }
    return DRAIN_MORE;
}

/* --- when to end -------------------------------------------------------------------------------
 */

static bool ask(follow *run) {
    trigperf_error *error = NULL;
    if (trigperf_catch_up(run->context, &run->ticket, &error) != TRIGPERF_OK) {
        return fail(run, error);
    }
    run->asked = true;
    return true;
}

static bool quiet_enough(const follow *run) {
    return run->plan->until_idle && run->ever_ready && !run->lost && !run->asked &&
           run->now - run->quiet_since >= run->plan->idle_ms;
}

/* Whether everything was written that shall be; `complete` was read before the last drain. */
static bool fulfilled(const follow *run, bool complete) {
    return run->stopping || (!run->plan->endless && run->asked && complete);
}

/* What waits in window and limiter becomes batches; from then on only those are written. */
static bool begin_stop(follow *run) {
    trigperf_error *error = NULL;
    run->stopping = true;
    run->stop_since = run->now;
    if (trigperf_flush(run->context, &error) != TRIGPERF_OK ||
        trigperf_process(run->context, &error) != TRIGPERF_OK) {
        return fail(run, error);
    }
    return true;
}

static bool give_up_reader(follow *run) {
    if (!run->stopping || run->now - run->stop_since < STOP_GRACE_MS) {
        return false;
    }
    run->code =
        say_error("the reader of standard output took nothing for %d s; batch %llu is not "
                  "acknowledged",
                  STOP_GRACE_MS / 1000, (unsigned long long)trigperf_batch_number(run->batch));
    return true;
}

/* --- the loop ----------------------------------------------------------------------------------
 */

static int64_t sooner(int64_t timeout, int64_t due, int64_t now) {
    int64_t left = due > now ? due - now : 0;
    return timeout < 0 || left < timeout ? left : timeout;
}

static int timeout_of(const follow *run) {
    int64_t timeout = -1;
    int64_t now = clock_ms();
    if (run->plan->until_idle && run->ever_ready && !run->lost && !run->asked) {
        timeout = sooner(timeout, run->quiet_since + run->plan->idle_ms, now);
    }
    if (run->lost && !run->plan->endless) {
        timeout = sooner(timeout, run->lost_since + run->plan->patience_ms, now);
    }
    if (run->stopping) {
        timeout = sooner(timeout, run->stop_since + STOP_GRACE_MS, now);
    }
    return timeout > INT_MAX ? INT_MAX : (int)timeout;
}

/* Sleeps until something is due; false when nobody reads standard output any more. */
static bool sleep_until_due(follow *run) {
    bool pending = line_out_pending(&run->out);
    struct pollfd due[] = {
        {.fd = run->stopping ? -1 : trigperf_fd(run->context), .events = POLLIN},
        {.fd = run->stopping ? -1 : run->plan->stop_fd, .events = POLLIN},
        {.fd = pending || run->plan->endless ? STDOUT_FILENO : -1, .events = pending ? POLLOUT : 0},
    };
    int ready = poll(due, sizeof due / sizeof due[0], timeout_of(run));
    if (ready > 0 && !pending && (due[2].revents & (POLLERR | POLLHUP)) != 0) {
        run->out.failure = EPIPE;
        report_broken(run);
        return false;
    }
    return true;
}

static bool process(follow *run) {
    trigperf_error *error = NULL;
    if (trigperf_process(run->context, &error) != TRIGPERF_OK) {
        return fail(run, error);
    }
    return watch_connection(run);
}

/* One turn; false when the loop is over. */
static bool turn(follow *run) {
    run->now = clock_ms();
    if (!run->stopping && !process(run)) {
        return false;
    }
    if (!run->stopping && stop_requested() && !begin_stop(run)) {
        return false;
    }
    if (quiet_enough(run) && !run->stopping && !ask(run)) {
        return false;
    }
    bool complete = run->asked && trigperf_catch_up_done(run->context, run->ticket) == 1;
    switch (drain(run)) {
    case DRAIN_FAILED:
        return false;
    case DRAIN_MORE:
        return true;
    case DRAIN_BLOCKED:
        return !give_up_reader(run) && sleep_until_due(run);
    case DRAINED:
        break;
    }
    return !fulfilled(run, complete) && sleep_until_due(run);
}

/* Stores what was acknowledged. After a signal the answer stays 0 when that fails: the lines will
 * come again, and a person is told. */
static void close_context(follow *run) {
    trigperf_error *error = NULL;
    trigperf_batch_free(run->batch);
    free(run->text);
    int32_t status = trigperf_context_close(run->context, CLOSE_MS, &error);
    if (status == TRIGPERF_OK || run->code != EXIT_FINE || !run->delivered || !run->plan->durable) {
        trigperf_error_free(error);
        return;
    }
    if (!run->stopping) {
        fail(run, error);
        return;
    }
    say_note("the position could not be stored, the last lines will come again: %s",
             trigperf_error_message(error));
    trigperf_error_free(error);
}

int follow_run(trigperf_context *context, const follow_plan *plan) {
    follow run = {.context = context, .plan = plan, .code = EXIT_FINE};
    line_out_init(&run.out, STDOUT_FILENO);
    bool going = plan->endless || plan->until_idle || ask(&run);
    while (going) {
        going = turn(&run);
    }
    close_context(&run);
    return run.code;
}
