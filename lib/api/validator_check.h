/* The parts of a check, for single values, rows and batches. */
#ifndef TP_API_VALIDATOR_CHECK_H
#define TP_API_VALIDATOR_CHECK_H

#include "api/findings.h"
#include "api/validator.h"

#define TP_PLACE_MISSING UINT32_MAX

/* A check under way. */
typedef struct tp_checking {
    trigperf_validator *validator;
    uint32_t occasion;
    trigperf_findings *findings;
    tp_tally tally;
} tp_checking;

int32_t tp_check_open(tp_checking *in, trigperf_validator *validator, uint32_t occasion,
                      trigperf_findings *findings, trigperf_error **err);
/* Sets outcome and findings from the tally; empties the findings of a check that failed. */
int32_t tp_check_finish(tp_checking *in, int32_t status, int32_t *outcome);
/* An error for the status of a function or of the cache. */
int32_t tp_check_failed(int32_t status, trigperf_error **err);

/* The key of a group's values in the cache. */
size_t tp_check_key_size(const tp_rule_group *group, const tp_value *values);
void tp_check_key_put(char *out, const tp_rule_group *group, uint32_t number, uint32_t occasion,
                      const tp_value *values);

/* Whether verdicts of a group are kept in a cache. */
bool tp_check_keeps(const trigperf_validator *validator, const tp_rule_group *group);

/* A token for verdicts that depend on a table, to be taken before they are worked out; else 0. */
uint64_t tp_check_token(const trigperf_validator *validator, const tp_rule_group *group);
void tp_check_keep(const trigperf_validator *validator, const tp_rule_group *group, uint64_t token,
                   const char *key, size_t length, uint32_t verdict);

/* Counts a verdict, and records what it finds. */
int32_t tp_check_note(tp_checking *in, uint32_t group, uint32_t verdict, uint32_t row,
                      const tp_value *values, trigperf_error **err);

/* places[column] becomes the place of a column in a row, TP_PLACE_MISSING when it is not given. */
int32_t tp_check_places(const trigperf_validator *validator, const uint32_t *columns,
                        uint32_t count, uint32_t *places, trigperf_error **err);
int32_t tp_check_row_value(const char *const *values, const uint64_t *lengths, uint64_t place,
                           tp_value *out, trigperf_error **err);

typedef enum tp_given { TP_GIVEN_NONE, TP_GIVEN_SOME, TP_GIVEN_ALL } tp_given;
tp_given tp_check_given(const tp_rule_group *group, const uint32_t *places);

#endif
