/**
 * @file context.h
 * @brief The context: everything is reached through it.
 *
 * A process may hold many contexts; they share nothing. Unless a function says otherwise, it
 * belongs to the thread that processes the context. In a forked child every call that can fail
 * returns #TRIGPERF_E_FORKED, and trigperf_context_free() closes the child's copies of descriptors
 * without talking on the parent's connection.
 *
 * Three ways to run it:
 * - an event loop: wait until trigperf_fd() is readable, call trigperf_process(), pull batches;
 * - a loop of one's own: trigperf_wait() blocks until a batch is ready or time is up;
 * - a thread of the library: trigperf_thread_start(); then trigperf_wait() from the host's thread
 *   sleeps until that thread has made a batch.
 */
#ifndef TRIGPERF_CONTEXT_H
#define TRIGPERF_CONTEXT_H

#include <stdint.h>

#include <trigperf/config.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A context. Opaque. */
typedef struct trigperf_context trigperf_context;

/** States of a context; see trigperf_context_state(). */
enum trigperf_state {
    TRIGPERF_STATE_OFFLINE = 0,    /**< `source = none`: works without a database */
    TRIGPERF_STATE_CONNECTING = 1, /**< connecting, or proving the path */
    TRIGPERF_STATE_READY = 2,      /**< subscribed, replayed and self-tested: changes arrive */
    TRIGPERF_STATE_BACKOFF = 3,    /**< the connection failed; waiting to try again */
    TRIGPERF_STATE_FAILED = 4      /**< will not go on by itself; trigperf_process() says why */
};

/** Levels of trigperf_log_fn. */
enum trigperf_log_level {
    TRIGPERF_LOG_ERROR = 0,   /**< something was lost or needs a person */
    TRIGPERF_LOG_WARNING = 1, /**< handled, but worth knowing */
    TRIGPERF_LOG_INFO = 2,    /**< changes of state */
    TRIGPERF_LOG_DEBUG = 3    /**< details for finding faults */
};

/**
 * @brief Receives log messages; called inside the library's calls, on the caller's thread.
 * @param user    as given to trigperf_log_set().
 * @param level   one of #trigperf_log_level.
 * @param message one line of UTF-8 without a newline, valid during the call.
 */
typedef void (*trigperf_log_fn)(void *user, int32_t level, const char *message);

/**
 * @brief Told when batches are ready to be pulled, or alerts were raised; called inside
 * trigperf_process() or trigperf_wait(), on the caller's thread (on the library's thread after
 *        trigperf_thread_start()), with no lock held. It may pull, ack and nack.
 * @param user    as given to trigperf_ready_set().
 * @param context the context.
 */
typedef void (*trigperf_ready_fn)(void *user, trigperf_context *context);

/**
 * @brief Makes a context. Does not touch the network: connecting begins with the first
 *        trigperf_process(), trigperf_wait() or trigperf_thread_start().
 * @param config a configuration (copied), or NULL for the defaults and the environment.
 * @param[out] context receives the context; release with trigperf_context_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_CONFIG (for instance a cycle in the rules, or a malformed connection
 *         string), #TRIGPERF_E_SYSTEM (no descriptors left) or #TRIGPERF_E_NOMEM. Any thread.
 */
int32_t trigperf_context_new(const trigperf_config *config, trigperf_context **context,
                             trigperf_error **error);

/**
 * @brief Stores what was acknowledged, gives up leadership and disconnects, politely.
 *
 * What was not acknowledged stays undelivered: a named consumer gets it again next time.
 * @param context the context; its thread, if started, is stopped first.
 * @param timeout_ms most time to spend, 0 to 600000.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_TIMEOUT, #TRIGPERF_E_CONNECTION or #TRIGPERF_E_SERVER when the position
 *         could not be stored (nothing is lost: some batches will come again); #TRIGPERF_E_FORKED.
 */
int32_t trigperf_context_close(trigperf_context *context, int32_t timeout_ms,
                               trigperf_error **error);

/**
 * @brief Releases a context, without waiting for the network; see trigperf_context_close() for the
 *        polite way. Batches still held by the host stay readable and must still be released by
 *        trigperf_batch_ack(), trigperf_batch_nack() or trigperf_batch_free().
 * @param context a context, or NULL (no effect). No other thread may be using it.
 */
void trigperf_context_free(trigperf_context *context);

/**
 * @brief The one descriptor to wait on, for the context's whole life.
 *
 * It becomes readable whenever trigperf_process() has something to do: socket readiness, timers and
 * wake-ups are all inside it. Do not read from it or close it. While the library's own thread runs,
 * waiting on it is that thread's business.
 * @param context the context.
 * @return a file descriptor, or -1 in a forked child.
 */
int32_t trigperf_fd(trigperf_context *context);

/**
 * @brief Makes progress: never blocks, bounded work per call.
 * @param context the context.
 * @param[out] error for a failure that needs the host: see below; may be NULL.
 * @return 0 (also while reconnecting: see trigperf_context_state()); #TRIGPERF_E_SUPERSEDED when a
 *         newer process claimed the consumer name; #TRIGPERF_E_VERSION, #TRIGPERF_E_UNSUPPORTED,
 *         #TRIGPERF_E_PERMISSION, #TRIGPERF_E_NOT_FOUND when the server cannot serve this context
 *         (the same error comes again at each call until the context is closed or
 *         trigperf_context_retry() is called); #TRIGPERF_E_NOMEM (call again later);
 *         #TRIGPERF_E_STATE while the library's thread runs; #TRIGPERF_E_FORKED.
 */
int32_t trigperf_process(trigperf_context *context, trigperf_error **error);

/**
 * @brief Blocks until a batch is ready to be pulled, an alert is raised (see alert.h), the time is
 * up, or trigperf_wakeup() is called; processes meanwhile (or sleeps, when the library's thread
 * does that).
 * @param context the context.
 * @param timeout_ms most time to wait, in ms; 0: do what is due now; -1: without limit.
 * @param[out] error see trigperf_process(); may be NULL.
 * @return 0 when a batch is ready, once for each alert that was raised, or after trigperf_wakeup();
 *         #TRIGPERF_E_TIMEOUT; or as trigperf_process().
 */
int32_t trigperf_wait(trigperf_context *context, int32_t timeout_ms, trigperf_error **error);

/**
 * @brief Ends a trigperf_wait() that is under way or comes next. Any thread, async-signal-safe.
 * @param context the context.
 */
void trigperf_wakeup(trigperf_context *context);

/**
 * @brief Starts a thread that processes this context. Signals are blocked in it.
 * @param context the context.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_STATE (started already), #TRIGPERF_E_SYSTEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_thread_start(trigperf_context *context, trigperf_error **error);

/**
 * @brief Stops that thread and waits for its end; bounded by one turn of processing.
 * @param context the context.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_STATE (not started, or called by that thread itself), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_thread_stop(trigperf_context *context, trigperf_error **error);

/**
 * @brief State of the connection. Any thread.
 * @param context the context.
 * @return one of #trigperf_state.
 */
int32_t trigperf_context_state(trigperf_context *context);

/**
 * @brief The newest failure of the connection, also one that is being retried. Any thread.
 * @param context the context.
 * @return a copy that the caller releases with trigperf_error_free(); NULL when there was none
 * since the context became ready.
 */
trigperf_error *trigperf_context_error(trigperf_context *context);

/**
 * @brief Leaves #TRIGPERF_STATE_FAILED and connects again (a superseded consumer claims its name
 *        again).
 * @param context the context.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_STATE (not failed), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_context_retry(trigperf_context *context, trigperf_error **error);

/**
 * @brief State, counters, position and lag as one JSON object; in its member "jobs" what the
 * context does for its database: whether the schema is there, state of the second connection, jobs
 *        that it leads, that run and that failed. Any thread.
 * @param context the context.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_context_status(trigperf_context *context, char **json, trigperf_error **error);

/**
 * @brief Asks for everything that is visible now: a poll that begins after this call, then window
 *        and rate limiter flushed into batches.
 * @param context the context. Any thread.
 * @param[out] ticket receives a number for trigperf_catch_up_done().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_catch_up(trigperf_context *context, uint64_t *ticket, trigperf_error **error);

/**
 * @brief Whether such a request is complete: the poll found its end, and all its changes stand in
 *        batches that can be pulled or were pulled. Any thread.
 * @param context the context.
 * @param ticket  from trigperf_catch_up().
 * @return 1 when complete, 0 while under way (also while disconnected).
 */
int32_t trigperf_catch_up_done(trigperf_context *context, uint64_t ticket);

/**
 * @brief Read your writes: returns once the changes of one's own committed transaction have been
 *        delivered, that is pulled and acknowledged; window and limiter are flushed for it.
 *
 * On the processing thread it processes meanwhile, and returns #TRIGPERF_E_AGAIN when batches wait
 * to be pulled: pull and acknowledge them, then call again with the same position. On other threads
 * (while the library's thread, or another thread of the host, processes) it sleeps.
 * @param context the context.
 * @param position a transaction id (`pg_current_xact_id()` as decimal text), an LSN (`X/Y`, from
 *        `pg_current_wal_insert_lsn()` after the commit), or NULL for everything that is visible
 *        now. Take the id in the transaction, the LSN after its commit, and call after the commit:
 *        an id is waited for until its transaction has ended, an LSN stands for everything that is
 *        visible at the call, however large it is.
 * @param timeout_ms most time to wait, in ms; 0: only look; -1: without limit.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_AGAIN, #TRIGPERF_E_TIMEOUT, #TRIGPERF_E_INVALID (malformed position),
 *         #TRIGPERF_E_STATE (`source = none`), or as trigperf_process().
 */
int32_t trigperf_wait_position(trigperf_context *context, const char *position, int32_t timeout_ms,
                               trigperf_error **error);

/**
 * @brief Turns what waits in window and rate limiter into batches now. Any thread.
 * @param context the context.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_flush(trigperf_context *context, trigperf_error **error);

/**
 * @brief Sets the receiver of log messages. Set it before processing begins.
 * @param context the context.
 * @param level   messages above it are dropped, one of #trigperf_log_level.
 * @param fn      the receiver, or NULL for none (the default).
 * @param user    handed to it.
 * @return 0, #TRIGPERF_E_INVALID (level), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_log_set(trigperf_context *context, int32_t level, trigperf_log_fn fn, void *user);

/**
 * @brief Sets the function that is told of ready batches. Set it before processing begins.
 * @param context the context.
 * @param fn      the function, or NULL for none (the default: pull after process or wait).
 * @param user    handed to it.
 * @return 0, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_ready_set(trigperf_context *context, trigperf_ready_fn fn, void *user);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
