/* The opt-in thread: it does what trigperf_wait() would do in the host's own. All signals are
 * blocked in it, so that the host's handlers run on the host's threads. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"

/* A turn that failed for lack of memory, or for good, is followed by such a pause at most. */
#define FAILED_PAUSE_MS 1000

struct tp_runner {
    trigperf_context *context;
    pthread_t thread;
    atomic_bool stop;
};

static void *run(void *argument) {
    tp_runner *runner = argument;
    while (!atomic_load(&runner->stop)) {
        int32_t status = tp_context_turn(runner->context, NULL);
        if (!atomic_load(&runner->stop)) {
            tp_loop_wait(tp_context_loop(runner->context),
                         status == TRIGPERF_OK ? -1 : FAILED_PAUSE_MS, NULL);
        }
    }
    return NULL;
}

static int spawn(tp_runner *runner) {
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int code = pthread_create(&runner->thread, NULL, run, runner);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return code;
}

int32_t trigperf_thread_start(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (tp_context_runner(context) != NULL) {
        return tp_error_set(error, TRIGPERF_E_STATE, "start it once",
                            "the thread of this context runs already");
    }
    tp_runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) {
        return tp_error_nomem(error);
    }
    runner->context = context;
    tp_context_set_threaded(context, true);
    int code = spawn(runner);
    if (code != 0) {
        free(runner);
        tp_context_set_threaded(context, false);
        return tp_error_set(error, TRIGPERF_E_SYSTEM, "raise the limit on threads (ulimit -u)",
                            "cannot start a thread: %s", strerror(code));
    }
    tp_context_set_runner(context, runner);
    return TRIGPERF_OK;
}

int32_t trigperf_thread_stop(trigperf_context *context, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    tp_runner *runner = status == TRIGPERF_OK ? tp_context_runner(context) : NULL;
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (runner == NULL || pthread_equal(runner->thread, pthread_self())) {
        return tp_error_set(error, TRIGPERF_E_STATE, "start it first; stop it from another thread",
                            runner == NULL ? "the thread of this context does not run"
                                           : "a thread cannot stop itself");
    }
    atomic_store(&runner->stop, true);
    tp_loop_wake(tp_context_loop(context));
    pthread_join(runner->thread, NULL);
    tp_context_set_runner(context, NULL);
    tp_context_set_threaded(context, false);
    free(runner);
    return TRIGPERF_OK;
}
