/* Statements that may take long, jobs and the flush of series, go over a second connection
 * (pg/sideline), so that no poll ever stands behind them; with jobs.connection = shared they go
 * over the source's, for those who count connections. Short ones always go over the source's:
 * asking who leads (pg/lease), and ending a statement of the second connection, because libpq's own
 * way to cancel blocks.
 *
 * A job is one statement, however long it takes, and series do not wait for its end: a flush that
 * is due goes before the next job, and beside one that has run for a second over a third
 * connection, which is gone again when it idled. Where there is none to be had, it waits.
 *
 * Work begins only while the source is connected. When it has connected anew, the other connections
 * are made anew before they are used again, since they might lead to the server that was left; a
 * job that runs there goes on while the lease lasts. */
#include "pg/keeper.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/entropy.h"
#include "base/json.h"
#include "base/text.h"
#include "pg/jobs.h"
#include "pg/lease.h"
#include "pg/lifecycle.h"

#define FIRST_MS 10000
#define MINUTE_MS 60000
#define FINISH_MS 2000
#define FLUSH_PATIENCE_MS 1000

typedef enum flush_way { OVER_LINK, OVER_OWN, OVER_SPARE } flush_way;

struct tp_keeper {
    tp_keeper_options options;
    char *application;
    char instance[37];
    tp_jobs *jobs;
    tp_flusher *flusher;
    tp_sideline *sideline; /* NULL: the source's connection serves */
    tp_sideline *spare;    /* for series while a job runs; NULL like it */
    tp_lease lease;
    tp_connection *link;
    bool linked; /* at the last tick */
    flush_way flushing;
    bool stale;            /* the source has connected anew since the second connection was made */
    uint32_t number;       /* of the second connection, at the last tick */
    uint32_t spare_number; /* of the third one */
    uint64_t first_ms;
    uint64_t now_ms;
    uint64_t finish_ms; /* 0: not yet; else what is not done by then is left */
    bool owes_flush;    /* the last one, which waits for the one under way */
};

/* --- what there is to do -----------------------------------------------------------------------*/

static void add(tp_keeper *keeper, const char *name, const char *work, uint32_t every_ms,
                uint32_t first_ms, const char *argument) {
    tp_job job = {.name = name,
                  .work = work,
                  .every_ms = every_ms,
                  .first_ms = first_ms < every_ms ? first_ms : every_ms};
    snprintf(job.argument, sizeof job.argument, "%s", argument);
    tp_jobs_add(keeper->jobs, &job, keeper->now_ms);
}

static void add_jobs(tp_keeper *keeper) {
    const tp_keeper_options *options = &keeper->options;
    uint32_t judge_ms = options->collect_ms == 0 ? MINUTE_MS : options->collect_ms;
    char number[16];
    if (options->collect_ms > 0) {
        uint32_t unless_within_ms = (uint32_t)((uint64_t)options->collect_ms * 9 / 10);
        snprintf(number, sizeof number, "%u", unless_within_ms);
        add(keeper, "collect",
            "SELECT coalesce((c ->> 'functions')::bigint + (c ->> 'samples')::bigint, 0), "
            "NULL::text, false, pg_catalog.set_config('synchronous_commit', 'off', true) "
            "FROM trigperf.collect($1::int) AS c",
            options->collect_ms, FIRST_MS, number);
    }
    add(keeper, "alerts",
        "SELECT pg_catalog.count(*), NULL::text, false FROM trigperf.alerts_judge() AS e", judge_ms,
        FIRST_MS, "");
    if (options->refresh_ms > 0) {
        add(keeper, "kpi",
            "SELECT coalesce(pg_catalog.sum(r.refreshed), 0)::bigint, pg_catalog.min("
            "pg_catalog.concat(r.target, ': ', r.error)) FILTER (WHERE r.error IS NOT NULL), "
            "false FROM trigperf.kpi_refresh() AS r",
            options->refresh_ms, options->refresh_ms, "");
    }
    snprintf(number, sizeof number, "%u", options->retention_days);
    add(keeper, "retention",
        "SELECT c.rows, NULL::text, c.rows >= 10000 "
        "FROM trigperf.metrics_cleanup($1::int) AS c(rows)",
        MINUTE_MS, MINUTE_MS, number);
    add(keeper, "series_merge", "SELECT trigperf.series_merge(), NULL::text, false", 15 * MINUTE_MS,
        MINUTE_MS, "");
    add(keeper, "days_merge", "SELECT d.merged, NULL::text, d.more FROM trigperf.days_merge() AS d",
        60 * MINUTE_MS, MINUTE_MS, "");
    add(keeper, "series_sweep", "SELECT trigperf.series_sweep(), NULL::text, false",
        24 * 60 * MINUTE_MS, MINUTE_MS, "");
}

/* --- life --------------------------------------------------------------------------------------*/

static int32_t build_sidelines(tp_keeper *keeper, tp_loop *loop, const tp_conninfo *info,
                               trigperf_error **err) {
    tp_sideline_options options = keeper->options.sideline;
    options.purpose = "jobs and series";
    options.suffix = " jobs";
    int32_t status = tp_sideline_new(loop, info, &options, &keeper->sideline, err);
    if (status == TRIGPERF_OK) {
        options.purpose = "series while a job runs";
        options.suffix = " series";
        status = tp_sideline_new(loop, info, &options, &keeper->spare, err);
    }
    return status;
}

static int32_t build(tp_keeper *keeper, tp_loop *loop, const tp_conninfo *info,
                     trigperf_error **err) {
    const tp_keeper_options *options = &keeper->options;
    tp_jobs_options jobs = {keeper->instance, keeper->application,
                            options->sideline.statement_timeout_ms, options->log};
    tp_flusher_options flusher = {keeper->instance, keeper->application, options->flush_ms,
                                  options->read,    options->user,       options->log};
    int32_t status = tp_jobs_new(&jobs, &keeper->jobs, err);
    if (status == TRIGPERF_OK) {
        status = tp_flusher_new(&flusher, keeper->now_ms, &keeper->flusher, err);
    }
    if (status == TRIGPERF_OK && options->own) {
        status = build_sidelines(keeper, loop, info, err);
    }
    if (status == TRIGPERF_OK && options->leads) {
        add_jobs(keeper);
    }
    return status;
}

int32_t tp_keeper_new(tp_loop *loop, const tp_conninfo *info, const tp_keeper_options *options,
                      uint64_t now_ms, tp_keeper **out, trigperf_error **err) {
    tp_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return tp_error_nomem(err);
    }
    keeper->options = *options;
    keeper->now_ms = now_ms;
    keeper->application = tp_text_copy(options->application);
    int32_t status = keeper->application == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    if (status == TRIGPERF_OK && !tp_entropy_uuid(keeper->instance)) {
        status = tp_error_set(err, TRIGPERF_E_SYSTEM, "the operating system's generator is needed",
                              "no random bytes could be had for the name of this process");
    }
    if (status == TRIGPERF_OK) {
        status = build(keeper, loop, info, err);
    }
    if (status != TRIGPERF_OK) {
        tp_keeper_free(keeper);
        return status;
    }
    keeper->lease = (tp_lease){.instance = keeper->instance,
                               .application = keeper->application,
                               .jobs = tp_jobs_names(keeper->jobs),
                               .count = tp_jobs_count(keeper->jobs),
                               .log = options->log};
    keeper->first_ms = tp_jobs_deadline(keeper->jobs, UINT32_MAX);
    *out = keeper;
    return TRIGPERF_OK;
}

void tp_keeper_free(tp_keeper *keeper) {
    if (keeper != NULL) {
        tp_sideline_free(keeper->spare);
        tp_sideline_free(keeper->sideline);
        tp_flusher_free(keeper->flusher);
        tp_jobs_free(keeper->jobs);
        free(keeper->application);
        free(keeper);
    }
}

void tp_keeper_abandon(tp_keeper *keeper) {
    if (keeper != NULL && keeper->sideline != NULL) {
        tp_sideline_abandon(keeper->sideline);
        tp_sideline_abandon(keeper->spare);
    }
}

/* --- connections -------------------------------------------------------------------------------*/

/* Answers to what was sent on a connection that is gone never come. */
static void forget_lost(tp_keeper *keeper, bool link_lost, bool own_lost, bool spare_lost) {
    const bool lost[] = {[OVER_LINK] = link_lost, [OVER_OWN] = own_lost, [OVER_SPARE] = spare_lost};
    if (own_lost || (link_lost && keeper->sideline == NULL)) {
        tp_jobs_lost(keeper->jobs);
    }
    if (lost[keeper->flushing]) {
        tp_flusher_lost(keeper->flusher);
    }
}

/* Whether it is another connection than at the last tick. */
static bool has_changed(const tp_sideline *sideline, uint32_t *number) {
    bool changed = tp_sideline_number(sideline) != *number;
    *number = tp_sideline_number(sideline);
    return changed;
}

static void leave_stale(tp_keeper *keeper) {
    if (keeper->stale && !tp_jobs_running(keeper->jobs)) {
        tp_sideline_close(keeper->sideline);
        keeper->stale = false;
    }
}

static void follow_connections(tp_keeper *keeper, tp_connection *link) {
    bool link_lost = link == NULL && keeper->linked;
    bool anew = link != NULL && !keeper->linked;
    bool own_lost = false;
    bool spare_lost = false;
    keeper->link = link;
    keeper->linked = link != NULL;
    if (keeper->sideline != NULL) {
        keeper->stale = keeper->stale || anew;
        tp_sideline_process(keeper->sideline, keeper->now_ms);
        leave_stale(keeper);
        own_lost = has_changed(keeper->sideline, &keeper->number);
        tp_sideline_process(keeper->spare, keeper->now_ms);
        if (anew) {
            tp_sideline_close(keeper->spare);
        }
        spare_lost = has_changed(keeper->spare, &keeper->spare_number);
    }
    forget_lost(keeper, link_lost, own_lost, spare_lost);
}

/* The connection for what is due, once there is one. */
static tp_connection *way(tp_keeper *keeper) {
    if (keeper->sideline == NULL) {
        return keeper->link;
    }
    tp_sideline_want(keeper->sideline, keeper->now_ms);
    return keeper->stale ? NULL : tp_sideline_ready(keeper->sideline);
}

/* Ends the statement of the job on the server: asked for over the source's connection, or else left
 * to the server, which notices that its client is gone. */
static void cancel(tp_keeper *keeper) {
    if (!tp_jobs_cancel(keeper->jobs) || keeper->sideline == NULL) {
        return;
    }
    const char *values[] = {tp_sideline_pid(keeper->sideline)};
    tp_statement statement = {
        .text = "SELECT pg_catalog.pg_cancel_backend($1::int)", .count = 1, .values = values};
    if (keeper->link == NULL || tp_connection_send(keeper->link, &statement, NULL) != TRIGPERF_OK) {
        tp_sideline_close(keeper->sideline);
    }
}

/* --- turns -------------------------------------------------------------------------------------*/

static bool flush_over(tp_keeper *keeper, tp_connection *connection, flush_way over) {
    if (connection != NULL) {
        keeper->flushing = over;
        tp_flusher_run(keeper->flusher, connection);
    }
    return connection != NULL;
}

/* When series wait no longer for the end of the job that runs; 0: none does. */
static uint64_t patience_ends(const tp_keeper *keeper) {
    bool waits = keeper->sideline != NULL && tp_jobs_running(keeper->jobs);
    return waits ? tp_jobs_begun(keeper->jobs) + FLUSH_PATIENCE_MS : 0;
}

/* False: there is no connection for it yet. */
static bool flush(tp_keeper *keeper) {
    uint64_t patience = patience_ends(keeper);
    if (patience == 0) {
        return flush_over(keeper, way(keeper), keeper->sideline == NULL ? OVER_LINK : OVER_OWN);
    }
    if (keeper->now_ms < patience) {
        return false;
    }
    tp_sideline_want(keeper->spare, keeper->now_ms);
    return flush_over(keeper, tp_sideline_ready(keeper->spare), OVER_SPARE);
}

static bool begin_job(tp_keeper *keeper, uint32_t led) {
    tp_connection *connection = way(keeper);
    if (connection != NULL) {
        tp_jobs_run(keeper->jobs, connection, led);
    }
    return connection != NULL;
}

static void work(tp_keeper *keeper, uint32_t led) {
    bool flushed = tp_flusher_due(keeper->flusher, keeper->now_ms) && flush(keeper);
    bool began = tp_jobs_due(keeper->jobs, led, keeper->now_ms) && begin_job(keeper, led);
    if ((flushed || began) && keeper->sideline != NULL) {
        tp_sideline_process(keeper->sideline, keeper->now_ms);
        tp_sideline_process(keeper->spare, keeper->now_ms);
    }
}

static bool asks(const tp_keeper *keeper) {
    return keeper->now_ms >= keeper->first_ms && keeper->finish_ms == 0;
}

/* There is nothing to be done at all, ever. */
static bool rests(const tp_keeper *keeper) {
    return tp_jobs_count(keeper->jobs) == 0 && keeper->options.flush_ms == 0;
}

static void begin_turn(tp_keeper *keeper, tp_connection *link, uint64_t now_ms) {
    keeper->now_ms = now_ms;
    tp_jobs_set_now(keeper->jobs, now_ms);
    tp_flusher_set_now(keeper->flusher, now_ms);
    follow_connections(keeper, link);
}

/* No connection is made for it: where there is no second one, or a job that does not end stands
 * before it there, the source's serves, which delivers nothing any more. */
static void flush_last(tp_keeper *keeper, tp_connection *link) {
    if (!keeper->owes_flush || tp_flusher_busy(keeper->flusher)) {
        return;
    }
    bool usable = keeper->sideline != NULL && !keeper->stale && !tp_jobs_running(keeper->jobs);
    tp_connection *own = usable ? tp_sideline_ready(keeper->sideline) : NULL;
    keeper->owes_flush = false;
    flush_over(keeper, own != NULL ? own : link, own != NULL ? OVER_OWN : OVER_LINK);
}

void tp_keeper_tick(tp_keeper *keeper, tp_connection *link, uint64_t now_ms) {
    if (rests(keeper)) {
        return;
    }
    begin_turn(keeper, link, now_ms);
    if (keeper->finish_ms != 0) {
        flush_last(keeper, link);
        return;
    }
    tp_lease_tick(&keeper->lease, link, asks(keeper), now_ms);
    uint32_t led = tp_lease_held(&keeper->lease, now_ms);
    if ((tp_jobs_bit(keeper->jobs) & ~led) != 0) {
        cancel(keeper);
    }
    if (link != NULL && keeper->lease.ground == TP_LEASE_PRESENT) {
        work(keeper, led);
    }
}

static uint64_t flush_deadline(const tp_keeper *keeper) {
    uint64_t due = tp_flusher_deadline(keeper->flusher);
    uint64_t patience = patience_ends(keeper);
    return due > patience ? due : patience;
}

/* When work is due; not while it waits for a connection, which has deadlines of its own. */
static uint64_t work_deadline(const tp_keeper *keeper) {
    if (!keeper->linked || keeper->lease.ground != TP_LEASE_PRESENT) {
        return UINT64_MAX;
    }
    uint64_t deadline =
        tp_earlier(flush_deadline(keeper),
                   tp_jobs_deadline(keeper->jobs, tp_lease_held(&keeper->lease, keeper->now_ms)));
    bool waits = deadline <= keeper->now_ms && keeper->sideline != NULL;
    return waits ? UINT64_MAX : deadline;
}

uint64_t tp_keeper_deadline(const tp_keeper *keeper) {
    if (rests(keeper)) {
        return UINT64_MAX;
    }
    uint64_t deadline = keeper->sideline == NULL
                            ? UINT64_MAX
                            : tp_earlier(tp_sideline_deadline(keeper->sideline),
                                         tp_sideline_deadline(keeper->spare));
    if (keeper->finish_ms != 0) {
        return tp_earlier(deadline, keeper->finish_ms);
    }
    bool asking = asks(keeper);
    uint64_t first = asking || !keeper->linked ? UINT64_MAX : keeper->first_ms;
    deadline = tp_earlier(deadline, tp_earlier(first, work_deadline(keeper)));
    return tp_earlier(deadline, tp_lease_deadline(&keeper->lease, asking));
}

/* --- the way out -------------------------------------------------------------------------------*/

void tp_keeper_finish(tp_keeper *keeper, tp_connection *link, uint64_t now_ms) {
    if (rests(keeper) || keeper->finish_ms != 0) {
        return;
    }
    begin_turn(keeper, link, now_ms);
    keeper->finish_ms = now_ms + FINISH_MS;
    cancel(keeper);
    tp_lease_resign(&keeper->lease);
    keeper->owes_flush = keeper->options.flush_ms > 0 && keeper->lease.ground == TP_LEASE_PRESENT;
    flush_last(keeper, link);
}

bool tp_keeper_closed(const tp_keeper *keeper, uint64_t now_ms) {
    bool idle =
        !tp_flusher_busy(keeper->flusher) && !keeper->owes_flush && !tp_jobs_running(keeper->jobs);
    return keeper->finish_ms == 0 || idle || now_ms >= keeper->finish_ms;
}

void tp_keeper_status(const tp_keeper *keeper, tp_strbuf *json) {
    uint32_t led = tp_lease_held(&keeper->lease, keeper->now_ms);
    tp_json_open(json, "jobs", '{');
    tp_json_text(json, "schema", tp_lease_ground_name(&keeper->lease));
    if (keeper->sideline == NULL) {
        tp_json_text(json, "connection", "shared");
    } else {
        tp_sideline_status(keeper->sideline, json);
        tp_json_open(json, "series", '{');
        tp_sideline_status(keeper->spare, json);
        tp_json_close(json, '}');
    }
    tp_json_open(json, "leads", '[');
    for (uint32_t i = 0; i < keeper->lease.count; i++) {
        if ((led & 1u << i) != 0) {
            tp_json_text(json, NULL, keeper->lease.jobs[i]);
        }
    }
    tp_json_close(json, ']');
    tp_jobs_status(keeper->jobs, json);
    tp_json_close(json, '}');
}
