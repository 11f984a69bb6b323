/* Checks of single values and rows. The unit is a group (see core/validator.c): its values make a
 * key, the key has a verdict in the cache, or is judged and then has one.
 *
 * A key is four bytes and the values: two bytes of the group's number, the occasion as far as it
 * makes a difference, and what kind of value follows. Of several values, each has its length before
 * it. Keys of up to 512 bytes lie on the stack; longer ones need memory, and where that is short
 * the value is judged without the cache. */
#include "api/validator_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include <trigperf/cache.h>
#include <trigperf/fence.h>

enum { KIND_NULL, KIND_TEXT, KIND_INTEGER, KIND_REAL, KIND_SEVERAL };

#define NULL_LENGTH UINT32_MAX
#define HEADER 4u

/* ---- keys ---- */

static void put_header(char *out, uint32_t group, uint32_t occasion, uint32_t kind) {
    out[0] = (char)(group & 0xFF);
    out[1] = (char)(group >> 8);
    out[2] = (char)occasion;
    out[3] = (char)kind;
}

size_t tp_check_key_size(const tp_rule_group *group, const tp_value *values) {
    size_t size = HEADER;
    for (uint32_t i = 0; i < group->column_count; i++) {
        size += (group->column_count > 1 ? sizeof(uint32_t) : 0) +
                (values[i].data == NULL ? 0 : values[i].length);
    }
    return size;
}

void tp_check_key_put(char *out, const tp_rule_group *group, uint32_t number, uint32_t occasion,
                      const tp_value *values) {
    bool several = group->column_count > 1;
    uint32_t kind = several ? KIND_SEVERAL : values[0].data == NULL ? KIND_NULL : KIND_TEXT;
    put_header(out, number, occasion & group->unless, kind);
    out += HEADER;
    for (uint32_t i = 0; i < group->column_count; i++) {
        uint32_t length = values[i].data == NULL ? 0 : values[i].length;
        if (several) {
            uint32_t shown = values[i].data == NULL ? NULL_LENGTH : length;
            memcpy(out, &shown, sizeof shown);
            out += sizeof shown;
        }
        if (length > 0) {
            memcpy(out, values[i].data, length);
            out += length;
        }
    }
}

/* ---- verdicts ---- */

bool tp_check_keeps(const trigperf_validator *validator, const tp_rule_group *group) {
    return validator->context != NULL && (group->costly || validator->keep_all) &&
           !group->never_keep;
}

typedef struct judge {
    const tp_checking *in;
    uint32_t group;
    uint32_t kind;
    const tp_value *values;
    int64_t integer;
    double real;
} judge;

static int32_t judge_now(const judge *what, uint32_t *verdict, bool *keep) {
    const tp_validator *core = what->in->validator->core;
    uint32_t occasion = what->in->occasion;
    return what->kind == KIND_INTEGER ? tp_validator_judge_integer(core, what->group, occasion,
                                                                   what->integer, verdict, keep)
           : what->kind == KIND_REAL
               ? tp_validator_judge_real(core, what->group, occasion, what->real, verdict, keep)
               : tp_validator_judge(core, what->group, occasion, what->values, verdict, keep);
}

uint64_t tp_check_token(const trigperf_validator *validator, const tp_rule_group *group) {
    uint64_t token = 0;
    if (group->table != NULL) {
        trigperf_fence_begin(validator->context, &token);
    }
    return token;
}

/* A verdict that cannot be kept is worked out again the next time: that is no failure of a check.
 */
void tp_check_keep(const trigperf_validator *validator, const tp_rule_group *group, uint64_t token,
                   const char *key, size_t length, uint32_t verdict) {
    if (group->table == NULL) {
        trigperf_cache_put(validator->context, validator->number, key, length, verdict,
                           validator->ttl_ms, 0, NULL);
    } else {
        trigperf_cache_put_table(validator->context, validator->number, key, length, verdict,
                                 validator->ttl_ms, token, group->table, NULL);
    }
}

static int32_t judge_key(const judge *what, const tp_rule_group *group, const char *key,
                         size_t length, uint32_t *verdict, tp_tally *tally) {
    trigperf_validator *validator = what->in->validator;
    int32_t status =
        trigperf_cache_get(validator->context, validator->number, key, length, verdict);
    if (status == TRIGPERF_OK) {
        tally->cached++;
        return TRIGPERF_OK;
    }
    if (status != TRIGPERF_E_NOT_FOUND) {
        return status;
    }
    bool keep = false;
    uint64_t token = tp_check_token(validator, group);
    status = judge_now(what, verdict, &keep);
    tally->judged++;
    tally->missed++;
    if (status == TRIGPERF_OK && keep) {
        tp_check_keep(validator, group, token, key, length, *verdict);
    }
    return status;
}

static int32_t judge_values(const judge *what, const tp_rule_group *group, uint32_t *verdict,
                            tp_tally *tally) {
    char space[512];
    size_t size = tp_check_key_size(group, what->values);
    bool keeps = tp_check_keeps(what->in->validator, group) && size <= TRIGPERF_KEY_MAX;
    char *key = !keeps ? NULL : size <= sizeof space ? space : malloc(size);
    if (key == NULL) {
        bool keep;
        tally->judged++;
        return judge_now(what, verdict, &keep);
    }
    tp_check_key_put(key, group, what->group, what->in->occasion, what->values);
    int32_t status = judge_key(what, group, key, size, verdict, tally);
    if (key != space) {
        free(key);
    }
    return status;
}

static int32_t judge_number(const judge *what, const tp_rule_group *group, const void *bytes,
                            uint32_t *verdict, tp_tally *tally) {
    char key[HEADER + sizeof(int64_t)];
    if (!tp_check_keeps(what->in->validator, group)) {
        bool keep;
        tally->judged++;
        return judge_now(what, verdict, &keep);
    }
    put_header(key, what->group, what->in->occasion & group->unless, what->kind);
    memcpy(key + HEADER, bytes, sizeof(int64_t));
    return judge_key(what, group, key, sizeof key, verdict, tally);
}

/* ---- results ---- */

int32_t tp_check_failed(int32_t status, trigperf_error **err) {
    return status == TRIGPERF_E_NOMEM
               ? tp_error_nomem(err)
               : tp_error_set(err, status, NULL, "the check could not be made: %s",
                              trigperf_status_text(status));
}

int32_t tp_check_note(tp_checking *in, uint32_t group, uint32_t verdict, uint32_t row,
                      const tp_value *values, trigperf_error **err) {
    if (verdict == TP_VERDICT_HOLDS) {
        return TRIGPERF_OK;
    }
    if (verdict == TP_VERDICT_UNDECIDED) {
        in->tally.undecided++;
        return TRIGPERF_OK;
    }
    in->tally.invalid++;
    return tp_findings_add(in->findings, in->validator->core, group,
                           verdict - TP_VERDICT_FIRST_RULE, row, values, err);
}

int32_t tp_check_finish(tp_checking *in, int32_t status, int32_t *outcome) {
    int32_t found = in->tally.invalid > 0     ? TRIGPERF_OUTCOME_INVALID
                    : in->tally.undecided > 0 ? TRIGPERF_OUTCOME_UNDECIDED
                                              : TRIGPERF_OUTCOME_VALID;
    if (status != TRIGPERF_OK) {
        tp_findings_begin(in->findings);
        return status;
    }
    tp_findings_end(in->findings, &in->tally, found);
    *outcome = found;
    return TRIGPERF_OK;
}

int32_t tp_check_open(tp_checking *in, trigperf_validator *validator, uint32_t occasion,
                      trigperf_findings *findings, trigperf_error **err) {
    int32_t status = tp_validator_ready(validator, err);
    if (status == TRIGPERF_OK &&
        occasion > (TRIGPERF_OCCASION_MIGRATION | TRIGPERF_OCCASION_BULK)) {
        status = tp_error_set(err, TRIGPERF_E_INVALID, "use enum trigperf_occasion",
                              "expected an occasion, got %u", occasion);
    }
    if (status == TRIGPERF_OK) {
        *in = (tp_checking){validator, occasion, findings, {0}};
        tp_findings_begin(findings);
    }
    return status;
}

static int32_t check_column(const trigperf_validator *validator, uint32_t column,
                            trigperf_error **err) {
    return column < tp_validator_column_count(validator->core)
               ? TRIGPERF_OK
               : tp_error_set(err, TRIGPERF_E_NOT_FOUND, "trigperf_validator_find() finds it",
                              "validator %s has no column number %u",
                              tp_validator_name(validator->core), column);
}

static int32_t check_value(const char *text, uint64_t length, tp_value *out, trigperf_error **err) {
    if (length >= UINT32_MAX) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "leave such values to the database",
                            "expected a value below 4 GiB, got %llu bytes",
                            (unsigned long long)length);
    }
    *out = (tp_value){text, (uint32_t)length};
    return TRIGPERF_OK;
}

static int32_t check_group(tp_checking *in, uint32_t number, const tp_value *values,
                           trigperf_error **err) {
    tp_rule_group group = tp_validator_group(in->validator->core, number);
    judge what = {.in = in, .group = number, .kind = KIND_TEXT, .values = values};
    uint32_t verdict = TP_VERDICT_HOLDS;
    in->tally.skipped += (group.unless & in->occasion) != 0;
    int32_t status = judge_values(&what, &group, &verdict, &in->tally);
    return status == TRIGPERF_OK ? tp_check_note(in, number, verdict, 0, values, err)
                                 : tp_check_failed(status, err);
}

int32_t trigperf_validator_check_text(trigperf_validator *validator, uint32_t occasion,
                                      uint32_t column, const char *value, uint64_t length,
                                      trigperf_findings *findings, int32_t *outcome,
                                      trigperf_error **error) {
    tp_checking in;
    tp_value text;
    int32_t status = tp_check_open(&in, validator, occasion, findings, error);
    status = status == TRIGPERF_OK ? check_column(validator, column, error) : status;
    status = status == TRIGPERF_OK ? check_value(value, length, &text, error) : status;
    return status == TRIGPERF_OK
               ? tp_check_finish(&in, check_group(&in, column, &text, error), outcome)
               : status;
}

/* Numbers are written out only when something is wrong with them. */
static int32_t check_number(tp_checking *in, const judge *what, const void *bytes,
                            trigperf_error **err) {
    tp_rule_group group = tp_validator_group(in->validator->core, what->group);
    uint32_t verdict = TP_VERDICT_HOLDS;
    in->tally.skipped += (group.unless & in->occasion) != 0;
    int32_t status = judge_number(what, &group, bytes, &verdict, &in->tally);
    if (status != TRIGPERF_OK) {
        return tp_check_failed(status, err);
    }
    if (verdict == TP_VERDICT_HOLDS) {
        return TRIGPERF_OK;
    }
    char text[40];
    if (what->kind == KIND_INTEGER) {
        snprintf(text, sizeof text, "%lld", (long long)what->integer);
    } else {
        tp_datum_print_real(what->real, text, sizeof text);
    }
    tp_value shown = {text, (uint32_t)strlen(text)};
    return tp_check_note(in, what->group, verdict, 0, &shown, err);
}

int32_t trigperf_validator_check_integer(trigperf_validator *validator, uint32_t occasion,
                                         uint32_t column, int64_t value,
                                         trigperf_findings *findings, int32_t *outcome,
                                         trigperf_error **error) {
    tp_checking in;
    int32_t status = tp_check_open(&in, validator, occasion, findings, error);
    status = status == TRIGPERF_OK ? check_column(validator, column, error) : status;
    if (status != TRIGPERF_OK) {
        return status;
    }
    judge what = {.in = &in, .group = column, .kind = KIND_INTEGER, .integer = value};
    return tp_check_finish(&in, check_number(&in, &what, &value, error), outcome);
}

int32_t trigperf_validator_check_real(trigperf_validator *validator, uint32_t occasion,
                                      uint32_t column, double value, trigperf_findings *findings,
                                      int32_t *outcome, trigperf_error **error) {
    tp_checking in;
    int32_t status = tp_check_open(&in, validator, occasion, findings, error);
    status = status == TRIGPERF_OK ? check_column(validator, column, error) : status;
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (tp_validator_column_type(validator->core, column)->kind != TP_TYPE_REAL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass the number as text, which is exact",
                            "column \"%s\": expected a column of type real",
                            tp_validator_column_name(validator->core, column));
    }
    judge what = {.in = &in, .group = column, .kind = KIND_REAL, .real = value};
    return tp_check_finish(&in, check_number(&in, &what, &value, error), outcome);
}

/* ---- rows ---- */

int32_t tp_check_places(const trigperf_validator *validator, const uint32_t *columns,
                        uint32_t count, uint32_t *places, trigperf_error **err) {
    uint32_t all = tp_validator_column_count(validator->core);
    memset(places, 0xFF, all * sizeof *places);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column = columns == NULL ? i : columns[i];
        int32_t status = check_column(validator, column, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
        if (places[column] != TP_PLACE_MISSING) {
            return tp_error_set(err, TRIGPERF_E_INVALID, "give each column once",
                                "column number %u was given twice", column);
        }
        places[column] = i;
    }
    return TRIGPERF_OK;
}

int32_t tp_check_row_value(const char *const *values, const uint64_t *lengths, uint64_t place,
                           tp_value *out, trigperf_error **err) {
    const char *text = values[place];
    uint64_t length = text == NULL ? 0 : lengths != NULL ? lengths[place] : strlen(text);
    return check_value(text, length, out, err);
}

tp_given tp_check_given(const tp_rule_group *group, const uint32_t *places) {
    uint32_t given = 0;
    for (uint32_t i = 0; i < group->column_count; i++) {
        given += places[group->columns[i]] != TP_PLACE_MISSING;
    }
    return given == 0 ? TP_GIVEN_NONE : given == group->column_count ? TP_GIVEN_ALL : TP_GIVEN_SOME;
}

static int32_t check_row_group(tp_checking *in, uint32_t number, const uint32_t *places,
                               const char *const *values, const uint64_t *lengths,
                               trigperf_error **err) {
    tp_rule_group group = tp_validator_group(in->validator->core, number);
    tp_given given = tp_check_given(&group, places);
    if (given != TP_GIVEN_ALL) {
        in->tally.undecided += given == TP_GIVEN_SOME;
        return TRIGPERF_OK;
    }
    tp_value own[TP_CONDITION_COLUMNS_MAX];
    for (uint32_t i = 0; i < group.column_count; i++) {
        int32_t status =
            tp_check_row_value(values, lengths, places[group.columns[i]], &own[i], err);
        if (status != TRIGPERF_OK) {
            return status;
        }
    }
    return check_group(in, number, own, err);
}

int32_t trigperf_validator_check_row(trigperf_validator *validator, uint32_t occasion,
                                     const uint32_t *columns, const char *const *values,
                                     const uint64_t *lengths, uint32_t count,
                                     trigperf_findings *findings, int32_t *outcome,
                                     trigperf_error **error) {
    tp_checking in;
    uint32_t places[TP_VALIDATOR_COLUMNS_MAX];
    int32_t status = tp_check_open(&in, validator, occasion, findings, error);
    if (status == TRIGPERF_OK && values == NULL && count > 0) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "pass an array of values",
                              "expected %u values, got NULL", count);
    }
    if (status == TRIGPERF_OK) {
        status = tp_check_places(validator, columns, count, places, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint32_t groups = tp_validator_group_count(validator->core);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < groups; i++) {
        status = check_row_group(&in, i, places, values, lengths, error);
    }
    return tp_check_finish(&in, status, outcome);
}
