/* Jobs: work that one context of all does for the database, one statement at a time. Each run is
 * announced to the server and its end is told, so that the history stands there; what failed is
 * tried again with growing waits.
 *
 * A further job is one call of tp_jobs_add(), with a statement that says what it did. */
#ifndef TP_PG_JOBS_H
#define TP_PG_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "pg/connection.h"

#define TP_JOBS_MAX 16

typedef struct tp_jobs tp_jobs;

typedef struct tp_jobs_options {
    const char *instance; /* uuid; both outlive it */
    const char *application;
    uint32_t limit_ms; /* of a run, after which the server gives it up; 0: none */
    const tp_log *log;
} tp_jobs_options;

typedef struct tp_job {
    const char *name; /* letters and underscores; outlives the jobs, as work does */
    /* One statement that gives one row: bigint how many rows it worked on, text what failed or
     * NULL, boolean whether more is to be done at once. */
    const char *work;
    char argument[16]; /* $1; "": it takes none */
    uint32_t every_ms; /* from beginning to beginning */
    uint32_t first_ms; /* from now */
} tp_job;

int32_t tp_jobs_new(const tp_jobs_options *options, tp_jobs **out, trigperf_error **err);
void tp_jobs_free(tp_jobs *jobs);

/* False: there is no room. */
bool tp_jobs_add(tp_jobs *jobs, const tp_job *job, uint64_t now_ms);
uint32_t tp_jobs_count(const tp_jobs *jobs);
const char *const *tp_jobs_names(const tp_jobs *jobs);

/* Before answers are taken and before what follows: what time it is. */
void tp_jobs_set_now(tp_jobs *jobs, uint64_t now_ms);
/* Whether one that is led (a bit for each, in the order of adding) is due and none runs. */
bool tp_jobs_due(const tp_jobs *jobs, uint32_t led, uint64_t now_ms);
/* Begins the one that has been due for longest; answers come through the connection. */
void tp_jobs_run(tp_jobs *jobs, tp_connection *connection, uint32_t led);
/* When the first of them is due; UINT64_MAX while one runs. */
uint64_t tp_jobs_deadline(const tp_jobs *jobs, uint32_t led);

bool tp_jobs_running(const tp_jobs *jobs);
uint64_t tp_jobs_begun(const tp_jobs *jobs); /* when it began, while one runs */
/* The bit of the one that runs, else 0. */
uint32_t tp_jobs_bit(const tp_jobs *jobs);
/* The one that runs is not wanted any more; true when its statement is on the server, where the
 * caller ends it. To be called once. */
bool tp_jobs_cancel(tp_jobs *jobs);
/* The connection it ran on is gone. */
void tp_jobs_lost(tp_jobs *jobs);

/* Members "running" and "failed": the names of those whose last run failed. */
void tp_jobs_status(const tp_jobs *jobs, tp_strbuf *json);

#endif
