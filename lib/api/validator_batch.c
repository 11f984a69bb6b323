/* Checking many rows, group by group: keys of all rows in one buffer, equal ones found, the cache
 * asked for the others in one call (which fetches ahead from memory), what it lacks judged and put
 * back, in one call unless they depend on a table. A value too long for the cache is judged by
 * itself. */
#include <stdlib.h>
#include <string.h>

#include "api/validator_check.h"
#include "base/error.h"
#include "core/distinct.h"
#include <trigperf/cache.h>

typedef struct batch {
    tp_checking in;
    const char *const *values;
    const uint64_t *lengths;
    uint32_t count; /* columns in a row */
    uint32_t rows;
    uint32_t places[TP_VALIDATOR_COLUMNS_MAX];
    char *bytes; /* of the keys */
    size_t room;
    const char **keys; /* of the rows; then, in the front, of the distinct ones */
    uint64_t *sizes;
    uint32_t *first;     /* the row of each row's verdict */
    int32_t *found;      /* by distinct key */
    uint32_t *verdicts;  /* by row */
    uint32_t *distincts; /* rows with a key of their own */
    uint32_t distinct;
    trigperf_error **err;
} batch;

static bool allocate(batch *all) {
    size_t rows = (size_t)all->rows + 1;
    all->keys = malloc(rows * sizeof *all->keys);
    all->sizes = malloc(rows * sizeof *all->sizes);
    all->first = malloc(rows * sizeof *all->first);
    all->found = malloc(rows * sizeof *all->found);
    all->verdicts = malloc(rows * sizeof *all->verdicts);
    all->distincts = malloc(rows * sizeof *all->distincts);
    return all->keys != NULL && all->sizes != NULL && all->first != NULL && all->found != NULL &&
           all->verdicts != NULL && all->distincts != NULL;
}

static void release(batch *all) {
    free(all->bytes);
    free(all->keys);
    free(all->sizes);
    free(all->first);
    free(all->found);
    free(all->verdicts);
    free(all->distincts);
}

static int32_t row_values(const batch *all, const tp_rule_group *group, uint32_t row,
                          tp_value *out) {
    for (uint32_t i = 0; i < group->column_count; i++) {
        uint64_t place = (uint64_t)row * all->count + all->places[group->columns[i]];
        int32_t status = tp_check_row_value(all->values, all->lengths, place, &out[i], all->err);
        if (status != TRIGPERF_OK) {
            return status;
        }
    }
    return TRIGPERF_OK;
}

/* Sizes first, then room for all of them at once. */
static int32_t make_keys(batch *all, uint32_t number, const tp_rule_group *group) {
    tp_value values[TP_CONDITION_COLUMNS_MAX];
    size_t total = 1;
    for (uint32_t row = 0; row < all->rows; row++) {
        int32_t status = row_values(all, group, row, values);
        if (status != TRIGPERF_OK) {
            return status;
        }
        all->sizes[row] = tp_check_key_size(group, values);
        total += (size_t)all->sizes[row];
    }
    if (total > all->room) {
        free(all->bytes);
        all->bytes = malloc(total);
        all->room = all->bytes == NULL ? 0 : total;
    }
    if (all->bytes == NULL) {
        return tp_error_nomem(all->err);
    }
    char *at = all->bytes;
    for (uint32_t row = 0; row < all->rows; row++) {
        row_values(all, group, row, values);
        tp_check_key_put(at, group, number, all->in.occasion, values);
        all->keys[row] = at;
        at += all->sizes[row];
    }
    return TRIGPERF_OK;
}

/* Moves the keys of distinct values to the front. */
static int32_t find_distinct(batch *all) {
    if (!tp_distinct_find(&all->in.validator->hash_key, all->keys, all->sizes, all->rows,
                          all->first)) {
        return tp_error_nomem(all->err);
    }
    all->distinct = 0;
    for (uint32_t row = 0; row < all->rows; row++) {
        if (all->first[row] == row) {
            all->keys[all->distinct] = all->keys[row];
            all->sizes[all->distinct] = all->sizes[row];
            all->distincts[all->distinct++] = row;
        }
    }
    all->in.tally.repeated += all->rows - all->distinct;
    return TRIGPERF_OK;
}

static bool all_fit(const batch *all) {
    for (uint32_t i = 0; i < all->distinct; i++) {
        if (all->sizes[i] > TRIGPERF_KEY_MAX) {
            return false;
        }
    }
    return true;
}

static int32_t look_up(batch *all, bool keeps) {
    trigperf_validator *validator = all->in.validator;
    if (!keeps) {
        memset(all->found, 0xFF, all->distinct * sizeof *all->found);
        return TRIGPERF_OK;
    }
    int32_t hits = trigperf_cache_get_many(validator->context, validator->number, all->keys,
                                           all->sizes, all->distinct, all->found);
    if (hits < 0) {
        return tp_check_failed(hits, all->err);
    }
    all->in.tally.cached += (uint64_t)hits;
    all->in.tally.missed += all->distinct - (uint64_t)hits;
    return TRIGPERF_OK;
}

/* Judges what is not known; found[] then holds what is new and may be kept, -1 elsewhere. */
static int32_t judge_missing(batch *all, uint32_t number, const tp_rule_group *group) {
    tp_value values[TP_CONDITION_COLUMNS_MAX];
    for (uint32_t i = 0; i < all->distinct; i++) {
        uint32_t row = all->distincts[i];
        if (all->found[i] >= 0) {
            all->verdicts[row] = (uint32_t)all->found[i];
            all->found[i] = -1;
            continue;
        }
        bool keep = false;
        row_values(all, group, row, values);
        int32_t status = tp_validator_judge(all->in.validator->core, number, all->in.occasion,
                                            values, &all->verdicts[row], &keep);
        if (status != TRIGPERF_OK) {
            return tp_check_failed(status, all->err);
        }
        all->in.tally.judged++;
        all->found[i] = keep ? (int32_t)all->verdicts[row] : -1;
    }
    return TRIGPERF_OK;
}

static void keep_new(const batch *all, const tp_rule_group *group, uint64_t token) {
    const trigperf_validator *validator = all->in.validator;
    if (group->table == NULL) {
        trigperf_cache_put_many(validator->context, validator->number, all->keys, all->sizes,
                                all->found, all->distinct, validator->ttl_ms, NULL);
        return;
    }
    for (uint32_t i = 0; i < all->distinct; i++) {
        if (all->found[i] >= 0) {
            tp_check_keep(validator, group, token, all->keys[i], (size_t)all->sizes[i],
                          (uint32_t)all->found[i]);
        }
    }
}

static int32_t note_all(batch *all, uint32_t number, const tp_rule_group *group) {
    tp_value values[TP_CONDITION_COLUMNS_MAX];
    for (uint32_t row = 0; row < all->rows; row++) {
        uint32_t verdict = all->verdicts[all->first[row]];
        if (verdict == TP_VERDICT_HOLDS) {
            continue;
        }
        row_values(all, group, row, values);
        int32_t status = tp_check_note(&all->in, number, verdict, row, values, all->err);
        if (status != TRIGPERF_OK) {
            return status;
        }
    }
    return TRIGPERF_OK;
}

static int32_t check_group(batch *all, uint32_t number) {
    tp_rule_group group = tp_validator_group(all->in.validator->core, number);
    tp_given given = tp_check_given(&group, all->places);
    if (given != TP_GIVEN_ALL) {
        all->in.tally.undecided += given == TP_GIVEN_SOME ? all->rows : 0;
        return TRIGPERF_OK;
    }
    all->in.tally.skipped += (group.unless & all->in.occasion) != 0 ? all->rows : 0;
    int32_t status = make_keys(all, number, &group);
    status = status == TRIGPERF_OK ? find_distinct(all) : status;
    bool keeps = tp_check_keeps(all->in.validator, &group) && all_fit(all);
    uint64_t token = keeps ? tp_check_token(all->in.validator, &group) : 0;
    status = status == TRIGPERF_OK ? look_up(all, keeps) : status;
    status = status == TRIGPERF_OK ? judge_missing(all, number, &group) : status;
    if (status == TRIGPERF_OK && keeps) {
        keep_new(all, &group, token);
    }
    return status == TRIGPERF_OK ? note_all(all, number, &group) : status;
}

static int32_t check_size(const batch *all, trigperf_error **error) {
    if (all->values == NULL && all->count > 0 && all->rows > 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass rows times count values",
                            "expected an array of values, got NULL");
    }
    if ((uint64_t)all->rows * all->count > INT32_MAX || all->rows > INT32_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "check fewer rows at once",
                            "expected less than 2^31 values, got %u rows of %u", all->rows,
                            all->count);
    }
    return TRIGPERF_OK;
}

static int32_t check_all(batch *all) {
    if (!allocate(all)) {
        return tp_error_nomem(all->err);
    }
    int32_t status = TRIGPERF_OK;
    uint32_t groups = tp_validator_group_count(all->in.validator->core);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < groups; i++) {
        status = check_group(all, i);
    }
    return status;
}

int32_t trigperf_validator_check_batch(trigperf_validator *validator, uint32_t occasion,
                                       const uint32_t *columns, const char *const *values,
                                       const uint64_t *lengths, uint32_t count, uint32_t rows,
                                       trigperf_findings *findings, int32_t *outcome,
                                       trigperf_error **error) {
    batch all = {.values = values, .lengths = lengths, .count = count, .rows = rows, .err = error};
    int32_t status = tp_check_open(&all.in, validator, occasion, findings, error);
    status = status == TRIGPERF_OK ? check_size(&all, error) : status;
    if (status == TRIGPERF_OK) {
        status = tp_check_places(validator, columns, count, all.places, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    status = tp_check_finish(&all.in, check_all(&all), outcome);
    release(&all);
    return status;
}
