/* Every way sees the same batches, generated anew from the same seed, so that nothing has to be
 * kept and only the checks are timed, in processor time, because others use the machine as well.
 * The cache is empty at first and its misses count. */
#include "study.h"

#include <stdio.h>
#include <time.h>

const char *const ways[WAYS] = {"row by row", "row by row, all kept", "row by row, dear kept",
                                "in batches", "in batches, all kept", "in batches, dear kept"};

static uint64_t spent_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void take_tallies(hm_host *host, hm_way *way) {
    way->judged += trigperf_findings_tally(host->findings, TRIGPERF_TALLY_JUDGED);
    way->cached += trigperf_findings_tally(host->findings, TRIGPERF_TALLY_CACHED);
    way->missed += trigperf_findings_tally(host->findings, TRIGPERF_TALLY_MISSED);
    way->repeated += trigperf_findings_tally(host->findings, TRIGPERF_TALLY_REPEATED);
}

static bool check_rows(hm_host *host, trigperf_validator *validator, const hm_batch *batch,
                       hm_way *way) {
    uint32_t count = kinds[batch->kind].count;
    for (uint32_t row = 0; row < batch->rows; row++) {
        int32_t outcome = 0;
        size_t at = (size_t)row * count;
        trigperf_error *error = NULL;
        if (trigperf_validator_check_row(validator, TRIGPERF_OCCASION_NORMAL, NULL,
                                         batch->values + at, batch->lengths + at, count,
                                         host->findings, &outcome, &error) != 0) {
            return host_complain("cannot check", error);
        }
        take_tallies(host, way);
        way->invalid += outcome == TRIGPERF_OUTCOME_INVALID;
    }
    return true;
}

/* A record with several findings counts once. */
static uint64_t invalid_rows(const hm_host *host, uint32_t rows) {
    static bool seen[100000];
    uint64_t count = 0;
    for (uint32_t i = 0; i < rows; i++) {
        seen[i] = false;
    }
    for (uint32_t i = 0; i < trigperf_findings_count(host->findings); i++) {
        uint32_t row = trigperf_findings_row(host->findings, i);
        count += !seen[row];
        seen[row] = true;
    }
    return count;
}

static bool check_batch(hm_host *host, trigperf_validator *validator, const hm_batch *batch,
                        hm_way *way) {
    int32_t outcome = 0;
    trigperf_error *error = NULL;
    if (trigperf_validator_check_batch(validator, TRIGPERF_OCCASION_NORMAL, NULL, batch->values,
                                       batch->lengths, kinds[batch->kind].count, batch->rows,
                                       host->findings, &outcome, &error) != 0) {
        return host_complain("cannot check", error);
    }
    take_tallies(host, way);
    way->invalid += invalid_rows(host, batch->rows);
    return true;
}

/* One way over all batches of one kind; adds the time that it took. */
static bool run_way(hm_host *host, const hm_options *options, int kind, int way, bool checked,
                    hm_study *study, uint64_t *spent) {
    hm_batch batch;
    ex_dice dice = {options->seed + (uint32_t)kind};
    uint64_t sequence = 0;
    uint32_t keep = way % KEEPS == 1 ? TRIGPERF_KEEP_ALL : TRIGPERF_KEEP_COSTLY;
    int number = way % KEEPS == 0 ? -1 : 10 + 32 * checked + 8 * kind + way;
    trigperf_validator *validator = host_validator(host, kind, checked, number, keep, NULL);
    bool fine = validator != NULL && batch_new(&batch, kind, options->rows);
    for (uint32_t i = 0; fine && i < options->batches; i++) {
        batch_fill(&batch, &dice, &sequence);
        uint64_t begin = spent_ns();
        fine = way < KEEPS ? check_rows(host, validator, &batch, &study->ways[way])
                           : check_batch(host, validator, &batch, &study->ways[way]);
        *spent += spent_ns() - begin;
        for (uint32_t row = 0; way == 0 && row < batch.rows; row++) {
            study->spoilt += batch.spoilt[row];
        }
        study->records += way == 0 ? batch.rows : 0;
        study->values += way == 0 ? (uint64_t)batch.rows * kinds[kind].count : 0;
    }
    if (validator != NULL) {
        batch_free(&batch);
    }
    trigperf_validator_free(validator);
    return fine;
}

bool study_run(hm_host *host, const hm_options *options, bool checked, hm_study *study) {
    *study = (hm_study){.records = 0};
    for (int way = 0; way < WAYS; way++) {
        uint64_t spent = 0;
        if (trigperf_cache_clear(host->context, NULL) != 0) {
            return false;
        }
        for (int kind = 0; kind < KINDS; kind++) {
            if (!run_way(host, options, kind, way, checked, study, &spent)) {
                return false;
            }
        }
        study->ways[way].ns = (double)spent / (double)study->records;
    }
    return true;
}
