/* A host whose allocations fail, one at a time: for n = FIRST, FIRST + STEP ... a context connects
 * to a real server and follows it while the n-th allocation of the library fails. Whatever that
 * breaks, the context must come back by itself and deliver a change that is committed meanwhile.
 * Ends when a whole run needed fewer than n allocations. Prints how many were tried; exit code 1
 * tells what was lost.
 *
 *     oom_host CONNINFO SOURCE [FIRST [STEP [jobs]]]
 *
 * With "jobs" they fail once it is ready, and what one context of all does for the database must be
 * done after that as well, on a connection that comes and goes.
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trigperf.h>

#include "oom.h"

#define TURNS 40000

static void set_all(trigperf_config *config, const char *const *settings, size_t count) {
    for (size_t i = 0; i < count; i += 2) {
        trigperf_config_set(config, settings[i], settings[i + 1], NULL);
    }
}

static trigperf_context *make_context(const char *conninfo, const char *source, int jobs) {
    static const char *const often[] = {"metrics.collect_ms", "5",      "metrics.flush_ms", "0",
                                        "kpi.refresh_ms",     "5",      "jobs.idle_ms",     "10",
                                        "alert.interval_ms",  "3600000"};
    static const char *const settings[] = {"batch.window_ms", "0", "poll.min_ms",      "2",
                                           "poll.max_ms",     "5", "reconnect.min_ms", "2",
                                           "ack.interval_ms", "10"};
    int notify = strcmp(source, "notify") == 0;
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    trigperf_config_new(&config, NULL);
    trigperf_config_set(config, "connection", conninfo, NULL);
    set_all(config, settings, sizeof settings / sizeof settings[0]);
    set_all(config, often, jobs ? sizeof often / sizeof often[0] : 0);
    trigperf_config_set(config, "source", source, NULL);
    trigperf_config_set(config, "consumer", notify ? "" : "oom", NULL);
    if (notify) {
        trigperf_config_rule(config, "calls", NULL, NULL, "call:{record_id}", 0, NULL);
    }
    trigperf_context_new(config, &context, NULL);
    trigperf_config_free(config);
    return context;
}

static int has_key(const trigperf_batch *batch, const char *key) {
    for (uint32_t i = 0; i < trigperf_batch_key_count(batch); i++) {
        if (strcmp(trigperf_batch_key_at(batch, i, NULL), key) == 0) {
            return 1;
        }
    }
    return trigperf_batch_resync_count(batch) > 0 ? 2 : 0;
}

/* Pulls and acknowledges what is there; 1 when the key was among it, 2 a resync that covers it. */
static int pull(trigperf_context *context, const char *key) {
    trigperf_batch *batch = NULL;
    int found = 0;
    while (trigperf_batch_next(context, &batch, NULL) == TRIGPERF_OK && batch != NULL) {
        int has = has_key(batch, key);
        found = has != 0 ? has : found;
        trigperf_batch_ack(batch, NULL);
    }
    return found;
}

static int insert(PGconn *connection, unsigned n) {
    char sql[100];
    snprintf(sql, sizeof sql, "INSERT INTO calls VALUES (%u, 1)", n);
    PGresult *result = PQexec(connection, sql);
    int fine = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return fine;
}

/* Whether three jobs were done that began after others had been, or, with begin, are to be. */
static int worked(PGconn *connection, int begin) {
    PGresult *result = PQexec(
        connection, begin ? "CREATE TEMPORARY TABLE IF NOT EXISTS began (at timestamptz);"
                            "TRUNCATE began; INSERT INTO began VALUES (clock_timestamp())"
                          : "SELECT count(*) FROM trigperf.job j, began b WHERE j.outcome = 'done'"
                            " AND j.begun_at > b.at AND j.name IN ('alerts', 'collect', 'kpi')");
    int fine = begin || (PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "3") == 0);
    PQclear(result);
    return fine;
}

static void wait_until_ready(trigperf_context *context) {
    for (int turn = 0; turn < TURNS && trigperf_context_state(context) != 2; turn++) {
        trigperf_wait(context, 4, NULL);
    }
}

/* Without a word in *wrong when jobs were done. */
static void see_jobs(trigperf_context *context, PGconn *writer, const char **wrong) {
    int done = !worked(writer, 1);
    for (int turn = 0; turn < TURNS && !done; turn++) {
        trigperf_wait(context, 4, NULL);
        pull(context, "");
        done = turn % 4 == 3 && worked(writer, 0);
    }
    *wrong = done ? NULL : "jobs were not done";
}

/* 0: delivered; else what went wrong. */
static const char *follow(const char *conninfo, const char *source, int jobs, PGconn *writer,
                          unsigned n, int *reached) {
    char key[32];
    snprintf(key, sizeof key, "call:%u", n);
    trigperf_context *context = make_context(conninfo, source, jobs);
    const char *wrong = "the change was not delivered";
    int first = jobs ? 0 : 10; /* turn, in which there is a change */
    if (jobs) {
        wait_until_ready(context);
    }
    oom_fail_at(n);
    for (int turn = 0; turn < TURNS; turn++) {
        int32_t status = trigperf_wait(context, 4, NULL);
        if (status == TRIGPERF_E_SUPERSEDED || trigperf_context_state(context) == 4) {
            trigperf_error *error = trigperf_context_error(context);
            fprintf(stderr, "%s\n", trigperf_error_message(error));
            trigperf_error_free(error);
            wrong = "the context gave up for good";
            break;
        }
        if (turn == first && !insert(writer, n)) {
            wrong = "the writer's insert failed";
            break;
        }
        int found = pull(context, key);
        if (turn >= first && found != 0) {
            wrong = NULL;
            break;
        }
    }
    if (jobs && wrong == NULL) {
        see_jobs(context, writer, &wrong);
    }
    trigperf_context_close(context, 2000, NULL);
    *reached = oom_reset() ? 1 : 0;
    trigperf_context_free(context);
    return wrong;
}

int main(int count, char **arguments) {
    PGconn *writer = PQconnectdb(arguments[1]);
    unsigned n = count > 3 ? (unsigned)strtoul(arguments[3], NULL, 10) : 1;
    unsigned step = count > 4 ? (unsigned)strtoul(arguments[4], NULL, 10) : 1;
    int jobs = count > 5 && strcmp(arguments[5], "jobs") == 0;
    unsigned tried = 0;
    for (int reached = 1; reached; n += step) {
        const char *wrong = follow(arguments[1], arguments[2], jobs, writer, n, &reached);
        if (wrong != NULL) {
            printf("allocation %u failed: %s\n", n, wrong);
            return 1;
        }
        tried += reached != 0;
    }
    printf("%u\n", tried);
    PQfinish(writer);
    return 0;
}
