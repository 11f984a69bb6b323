/* A run is three statements: trigperf.job_begin() asks whether it may begin, then the work itself,
 * then trigperf.job_end() says how it ended. They are three and not one function around the work,
 * because the run has to be seen by others while it goes on, because a failure of the work must not
 * take its own record with it, and because some work can stand in no transaction at all.
 *
 * The server decides when a job is due as well (job_begin() answers how long to wait), so that
 * another leader goes on in the rhythm of the one before. A run whose process or connection is gone
 * has no end; the next one to begin finds that and lists it as lost.
 *
 * Waits after a failure double from the job's own interval, or five seconds if that is longer, up
 * to five minutes. */
#include "pg/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/entropy.h"
#include "base/json.h"
#include "core/backoff.h"

#define RETRY_MIN_MS 5000
#define RETRY_MAX_MS 300000
#define GRACE_MS 30000 /* that the server has to answer, after the limit of a run */

typedef struct slot {
    tp_job job;
    tp_backoff backoff;
    uint64_t next_ms;
    bool failed; /* the last run */
    bool more;   /* the last run left something to be done at once */
} slot;

struct tp_jobs {
    tp_jobs_options options;
    slot slots[TP_JOBS_MAX];
    const char *names[TP_JOBS_MAX];
    uint32_t count;
    slot *running;
    tp_connection *connection; /* that it runs on */
    bool working;              /* its statement is on the server */
    bool cancelled;
    bool wrong; /* something of the present run failed */
    uint64_t begun_ms;
    uint64_t now_ms;
};

int32_t tp_jobs_new(const tp_jobs_options *options, tp_jobs **out, trigperf_error **err) {
    tp_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL) {
        return tp_error_nomem(err);
    }
    jobs->options = *options;
    *out = jobs;
    return TRIGPERF_OK;
}

void tp_jobs_free(tp_jobs *jobs) {
    free(jobs);
}

bool tp_jobs_add(tp_jobs *jobs, const tp_job *job, uint64_t now_ms) {
    if (jobs->count == TP_JOBS_MAX) {
        return false;
    }
    uint32_t retry = job->every_ms < RETRY_MIN_MS ? job->every_ms : RETRY_MIN_MS;
    jobs->names[jobs->count] = job->name;
    jobs->slots[jobs->count++] =
        (slot){.job = *job, .backoff = {retry, RETRY_MAX_MS, 0}, .next_ms = now_ms + job->first_ms};
    return true;
}

uint32_t tp_jobs_count(const tp_jobs *jobs) {
    return jobs->count;
}

const char *const *tp_jobs_names(const tp_jobs *jobs) {
    return jobs->names;
}

/* --- ends of a run -----------------------------------------------------------------------------*/

static void rest(tp_jobs *jobs, uint64_t next_ms) {
    jobs->running->next_ms = next_ms > jobs->now_ms ? next_ms : jobs->now_ms;
    jobs->running = NULL;
    jobs->working = false;
}

static void note_failure(tp_jobs *jobs, const char *why) {
    tp_log_write(jobs->options.log, jobs->running->failed ? TP_LOG_DEBUG : TP_LOG_WARNING,
                 "job %s failed: %s", jobs->running->job.name, why);
    jobs->running->failed = true;
    jobs->wrong = true;
}

static void rest_after_failure(tp_jobs *jobs) {
    uint32_t random = 0;
    tp_entropy_fill(&random, sizeof random);
    rest(jobs, jobs->now_ms + tp_backoff_next(&jobs->running->backoff, random));
}

/* The server could not be told, or asked. */
static void fall_short(tp_jobs *jobs, const char *why) {
    note_failure(jobs, why);
    rest_after_failure(jobs);
}

static void rest_after_success(tp_jobs *jobs) {
    if (jobs->running->failed) {
        tp_log_write(jobs->options.log, TP_LOG_INFO, "job %s works again", jobs->running->job.name);
    }
    uint64_t wait = jobs->running->more ? 0 : jobs->running->job.every_ms;
    jobs->running->failed = false;
    tp_backoff_reset(&jobs->running->backoff);
    rest(jobs, jobs->begun_ms + wait);
}

/* --- statements --------------------------------------------------------------------------------*/

static void send(tp_jobs *jobs, tp_statement statement, const char *const *values,
                 tp_result_fn done) {
    trigperf_error *error = NULL;
    uint32_t limit = jobs->options.limit_ms;
    statement.repeated = true;
    statement.limit_ms =
        limit == 0 || limit > UINT32_MAX - GRACE_MS ? UINT32_MAX : limit + GRACE_MS;
    statement.values = values;
    statement.done = done;
    statement.user = jobs;
    if (tp_connection_send(jobs->connection, &statement, &error) != TRIGPERF_OK) {
        fall_short(jobs, trigperf_error_message(error));
        trigperf_error_free(error);
    }
}

static void on_ended(void *user, PGresult *result) {
    tp_jobs *jobs = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fall_short(jobs, PQresultErrorMessage(result));
    } else if (jobs->cancelled) {
        rest(jobs, jobs->begun_ms + jobs->running->job.every_ms);
    } else if (jobs->wrong) {
        rest_after_failure(jobs);
    } else {
        rest_after_success(jobs);
    }
}

static void end(tp_jobs *jobs, const char *outcome, const char *rows, const char *sqlstate,
                const char *error) {
    const char *values[] = {
        jobs->running->job.name, jobs->options.instance, outcome, rows, sqlstate, error};
    tp_statement statement = {
        .text = "SELECT trigperf.job_end($1::text, $2::uuid, $3::text, $4::bigint, $5::text, "
                "$6::text), pg_catalog.set_config('synchronous_commit', 'off', true)",
        .count = 6};
    jobs->working = false;
    send(jobs, statement, values, on_ended);
}

static const char *value_of(const PGresult *result, int column) {
    return PQgetisnull(result, 0, column) ? NULL : PQgetvalue(result, 0, column);
}

static void on_worked(void *user, PGresult *result) {
    tp_jobs *jobs = user;
    jobs->running->more = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        const char *why = PQresultErrorMessage(result);
        if (!jobs->cancelled) {
            note_failure(jobs, why);
        }
        end(jobs, jobs->cancelled ? "cancelled" : "failed", NULL,
            PQresultErrorField(result, PG_DIAG_SQLSTATE), why);
    } else if (value_of(result, 1) != NULL) {
        note_failure(jobs, value_of(result, 1));
        end(jobs, "failed", value_of(result, 0), NULL, value_of(result, 1));
    } else {
        jobs->running->more = PQgetvalue(result, 0, 2)[0] == 't';
        end(jobs, "done", value_of(result, 0), NULL, NULL);
    }
}

static void work(tp_jobs *jobs) {
    const char *values[] = {jobs->running->job.argument};
    tp_statement statement = {.text = jobs->running->job.work,
                              .count = jobs->running->job.argument[0] == '\0' ? 0 : 1};
    jobs->working = true;
    send(jobs, statement, values, on_worked);
}

static void on_begun(void *user, PGresult *result) {
    tp_jobs *jobs = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fall_short(jobs, PQresultErrorMessage(result));
    } else if (PQgetvalue(result, 0, 0)[0] != 't') {
        rest(jobs, jobs->now_ms + strtoull(PQgetvalue(result, 0, 1), NULL, 10));
    } else if (jobs->cancelled) {
        end(jobs, "cancelled", NULL, NULL, NULL);
    } else {
        work(jobs);
    }
}

static void begin(tp_jobs *jobs) {
    char every[16];
    char limit[24];
    const char *values[] = {jobs->running->job.name, jobs->options.instance,
                            jobs->options.application, every, limit};
    uint64_t allowed = jobs->options.limit_ms == 0 ? UINT32_MAX : jobs->options.limit_ms;
    tp_statement statement = {
        .text = "SELECT b.go, b.wait_ms, pg_catalog.set_config('synchronous_commit', 'off', true) "
                "FROM trigperf.job_begin($1::text, $2::uuid, $3::text, $4::bigint, $5::bigint) "
                "AS b",
        .count = 5};
    snprintf(every, sizeof every, "%u", jobs->running->more ? 0 : jobs->running->job.every_ms);
    snprintf(limit, sizeof limit, "%" PRIu64, allowed + GRACE_MS);
    send(jobs, statement, values, on_begun);
}

/* --- turns -------------------------------------------------------------------------------------*/

/* The count of all when none is led. */
static uint32_t first_due(const tp_jobs *jobs, uint32_t led) {
    uint32_t first = jobs->count;
    for (uint32_t i = 0; i < jobs->count; i++) {
        if ((led & 1u << i) != 0 &&
            (first == jobs->count || jobs->slots[i].next_ms < jobs->slots[first].next_ms)) {
            first = i;
        }
    }
    return first;
}

uint64_t tp_jobs_deadline(const tp_jobs *jobs, uint32_t led) {
    uint32_t first = first_due(jobs, led);
    return first == jobs->count || jobs->running != NULL ? UINT64_MAX : jobs->slots[first].next_ms;
}

bool tp_jobs_due(const tp_jobs *jobs, uint32_t led, uint64_t now_ms) {
    return tp_jobs_deadline(jobs, led) <= now_ms;
}

void tp_jobs_set_now(tp_jobs *jobs, uint64_t now_ms) {
    jobs->now_ms = now_ms;
}

void tp_jobs_run(tp_jobs *jobs, tp_connection *connection, uint32_t led) {
    if (!tp_jobs_due(jobs, led, jobs->now_ms)) {
        return;
    }
    jobs->connection = connection;
    jobs->running = &jobs->slots[first_due(jobs, led)];
    jobs->cancelled = false;
    jobs->wrong = false;
    jobs->begun_ms = jobs->now_ms;
    begin(jobs);
}

bool tp_jobs_running(const tp_jobs *jobs) {
    return jobs->running != NULL;
}

uint64_t tp_jobs_begun(const tp_jobs *jobs) {
    return jobs->begun_ms;
}

uint32_t tp_jobs_bit(const tp_jobs *jobs) {
    return jobs->running == NULL ? 0 : 1u << (jobs->running - jobs->slots);
}

bool tp_jobs_cancel(tp_jobs *jobs) {
    bool first = jobs->running != NULL && !jobs->cancelled;
    jobs->cancelled = jobs->running != NULL;
    return first && jobs->working;
}

void tp_jobs_lost(tp_jobs *jobs) {
    if (jobs->running != NULL) {
        rest_after_failure(jobs);
    }
}

void tp_jobs_status(const tp_jobs *jobs, tp_strbuf *json) {
    tp_json_text(json, "running", jobs->running == NULL ? NULL : jobs->running->job.name);
    tp_json_open(json, "failed", '[');
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (jobs->slots[i].failed) {
            tp_json_text(json, NULL, jobs->slots[i].job.name);
        }
    }
    tp_json_close(json, ']');
}
