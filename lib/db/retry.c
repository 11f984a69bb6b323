/* Waiting long for a strong lock would make everybody wait who comes later. So the wait is short,
 * and between two tries the queue behind us can pass. */
#include "db/retry.h"

#include <string.h>
#include <time.h>

#include "db/sqltext.h"

#define ATTEMPTS 5

static int32_t once(PGconn *connection, tp_retry_work work, void *user, bool keep, const char *what,
                    trigperf_error **err) {
    int32_t status = tp_sql_run(connection,
                                "BEGIN; SET LOCAL lock_timeout = '2s'; "
                                "SET LOCAL client_min_messages = warning",
                                what, err);
    if (status == TRIGPERF_OK) {
        status = work(connection, user, err);
    }
    if (status == TRIGPERF_OK && keep) {
        status = tp_sql_run(connection, "COMMIT", what, err);
    }
    if (status != TRIGPERF_OK || !keep) {
        tp_sql_rollback(connection);
    }
    return status;
}

/* Two transactions that change the same rights or the same trigger: the server has no state of its
 * own for that, and does not translate this message. */
static bool is_catalog_race(const trigperf_error *error) {
    return strcmp(trigperf_error_sqlstate(error), "XX000") == 0 &&
           strstr(trigperf_error_message(error), "tuple concurrently ") != NULL;
}

static bool passes(const trigperf_error *error) {
    const char *state = trigperf_error_sqlstate(error);
    return strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0 || is_catalog_race(error);
}

static void pause_before(int attempt) {
    struct timespec pause = {0, 100L * 1000 * 1000 * attempt};
    nanosleep(&pause, NULL);
}

static int32_t still_locked(trigperf_error **err, trigperf_error *cause) {
    int32_t code = trigperf_error_code(cause);
    code = tp_error_set_sql(err, code, trigperf_error_sqlstate(cause), true,
                            "another transaction holds a lock on the table: end it (pg_locks and "
                            "pg_stat_activity name it), or try again later",
                            "%s (tried %d times, nothing was changed)",
                            trigperf_error_message(cause), ATTEMPTS);
    trigperf_error_free(cause);
    return code;
}

int32_t tp_retry(PGconn *connection, tp_retry_work work, void *user, bool keep, const char *what,
                 trigperf_error **err) {
    for (int attempt = 1;; attempt++) {
        trigperf_error *error = NULL;
        int32_t status = once(connection, work, user, keep, what, &error);
        if (status == TRIGPERF_OK || !passes(error)) {
            return tp_error_move(err, error, status);
        }
        if (attempt == ATTEMPTS) {
            return still_locked(err, error);
        }
        trigperf_error_free(error);
        pause_before(attempt);
    }
}
