/* Per batch: one check of all values, one pass through the tracker, one COPY. The server has its
 * own constraints; a COPY that it refuses proves a check wrong, and so does an invalid record that
 * it takes when asked. */
#include "intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/db.h"
#include "store.h"

enum { PROBES = 5, ROWS_MAX = 100000 };

typedef struct worker {
    hm_host *host;
    PGconn *conn;
    hm_intake *intake;
    trigperf_validator *validators[KINDS];
    trigperf_dedup_tracker *tracker;
    trigperf_dedup_stats *records;
    trigperf_dedup_stats *duplicates;
    bool *wanted;
    uint8_t *seen;
} worker;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}

static void record(worker *work, int stage, int64_t *since) {
    int64_t now = now_ns();
    trigperf_series_record(work->host->durations[stage], now - *since);
    *since = now;
}

static bool validate(worker *work, const hm_batch *batch) {
    int32_t outcome = 0;
    trigperf_error *error = NULL;
    trigperf_findings *findings = work->host->findings;
    if (trigperf_validator_check_batch(work->validators[batch->kind], TRIGPERF_OCCASION_NORMAL,
                                       NULL, batch->values, batch->lengths,
                                       kinds[batch->kind].count, batch->rows, findings, &outcome,
                                       &error) != 0) {
        return host_complain("cannot check a batch", error);
    }
    memset(work->wanted, true, batch->rows * sizeof *work->wanted);
    for (uint32_t i = 0; i < trigperf_findings_count(findings); i++) {
        work->wanted[trigperf_findings_row(findings, i)] = false;
    }
    return true;
}

static bool deduplicate(worker *work, const hm_batch *batch) {
    trigperf_error *error = NULL;
    int32_t taken = trigperf_dedup_seen_many(work->tracker, (uint32_t)batch->kind, batch->lines,
                                             batch->line_lengths, batch->rows, work->seen, &error);
    uint64_t bytes = trigperf_dedup_tracker_bytes(work->tracker);
    work->intake->tracker_bytes =
        bytes > work->intake->tracker_bytes ? bytes : work->intake->tracker_bytes;
    if (taken != (int32_t)batch->rows ||
        trigperf_dedup_batch_end(work->tracker, work->records, work->duplicates, &error) != 0) {
        return host_complain("cannot look for duplicates", error);
    }
    return true;
}

/* Asks the server about some of the records that were found invalid. */
static void probe(worker *work, const hm_batch *batch) {
    uint32_t asked = 0;
    for (uint32_t row = 0; row < batch->rows && asked < PROBES; row++) {
        if (!work->wanted[row]) {
            asked++;
            work->intake->probed++;
            work->intake->taken += store_takes(work->conn, batch, row);
        }
    }
}

static bool take_in(worker *work, const hm_batch *batch) {
    hm_intake *intake = work->intake;
    int64_t since = now_ns();
    if (!validate(work, batch)) {
        return false;
    }
    record(work, 0, &since);
    if (!deduplicate(work, batch)) {
        return false;
    }
    record(work, 1, &since);
    probe(work, batch);
    for (uint32_t row = 0; row < batch->rows; row++) {
        intake->invalid += !work->wanted[row];
        intake->spoilt += batch->spoilt[row];
        intake->duplicates += work->seen[row];
        work->wanted[row] = work->wanted[row] && !work->seen[row];
        intake->stored += work->wanted[row];
    }
    intake->records += batch->rows;
    intake->repeated += batch->repeated;
    since = now_ns();
    bool stored = store_copy(work->conn, batch, work->wanted);
    record(work, 2, &since);
    return stored;
}

static bool prepare(worker *work, uint32_t rows) {
    trigperf_error *error = NULL;
    work->wanted = malloc(rows * sizeof *work->wanted);
    work->seen = malloc(rows * sizeof *work->seen);
    for (int kind = 0; kind < KINDS; kind++) {
        work->validators[kind] =
            host_validator(work->host, kind, true, kind, TRIGPERF_KEEP_COSTLY, NULL);
        if (work->validators[kind] == NULL) {
            return false;
        }
    }
    bool fine =
        trigperf_dedup_tracker_new(work->host->dedup, 0, rows, &work->tracker, &error) == 0 &&
        trigperf_dedup_stats_new(&work->records, &error) == 0 &&
        trigperf_dedup_stats_new(&work->duplicates, &error) == 0;
    return (fine && work->wanted != NULL && work->seen != NULL) ||
           host_complain("cannot prepare", error);
}

static void release(worker *work) {
    for (int kind = 0; kind < KINDS; kind++) {
        trigperf_validator_free(work->validators[kind]);
    }
    trigperf_dedup_stats_free(work->records);
    trigperf_dedup_stats_free(work->duplicates);
    trigperf_dedup_tracker_free(work->tracker);
    free(work->wanted);
    free(work->seen);
}

bool intake_run(hm_host *host, PGconn *conn, const hm_options *options, hm_intake *intake) {
    worker work = {.host = host, .conn = conn, .intake = intake};
    ex_dice dice = {options->seed + 1000};
    uint64_t sequence = 1000000000;
    *intake = (hm_intake){.records = 0};
    bool fine = prepare(&work, options->rows);
    for (int kind = 0; fine && kind < KINDS; kind++) {
        hm_batch batch;
        fine = batch_new(&batch, kind, options->rows);
        for (uint32_t i = 0; fine && i < options->batches; i++) {
            batch_fill(&batch, &dice, &sequence);
            fine = take_in(&work, &batch);
        }
        batch_free(&batch);
    }
    intake->stats_bytes = trigperf_dedup_stats_bytes(work.duplicates);
    release(&work);
    return fine;
}

bool intake_constraint_added(hm_host *host, PGconn *conn, bool *noticed, bool *holds) {
    uint32_t column = 0;
    int32_t outcome = 0;
    trigperf_validator *former = host_validator(host, 2, false, -1, 0, NULL);
    if (former == NULL || !db_run(conn, "alter table health_metrics.activity"
                                        " add check (active_min <= 720) not valid")) {
        trigperf_validator_free(former);
        return false;
    }
    *noticed = trigperf_validator_recheck(former, host->admin, NULL) == TRIGPERF_E_STALE;
    trigperf_validator_free(former);
    trigperf_validator *anew = host_validator(host, 2, false, -1, 0, NULL);
    bool fine = anew != NULL && trigperf_validator_find(anew, "active_min", &column, NULL) == 0 &&
                trigperf_validator_check_integer(anew, TRIGPERF_OCCASION_NORMAL, column, 721, NULL,
                                                 &outcome, NULL) == 0;
    *holds = outcome == TRIGPERF_OUTCOME_INVALID;
    trigperf_validator_free(anew);
    return fine;
}
