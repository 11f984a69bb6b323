/* Collecting what a check finds. */
#ifndef TP_API_FINDINGS_H
#define TP_API_FINDINGS_H

#include <trigperf/validator.h>

#include "core/validator.h"

typedef struct tp_tally {
    uint64_t judged;
    uint64_t cached;
    uint64_t repeated;
    uint64_t skipped;
    uint64_t undecided;
    uint64_t invalid;
    uint64_t missed;
} tp_tally;

/* Empties them; findings may be NULL in all of these. */
void tp_findings_begin(trigperf_findings *findings);
/* A violation by the values of a group's columns; E_NOMEM. Beyond the limit it is only counted. */
int32_t tp_findings_add(trigperf_findings *findings, const tp_validator *validator, uint32_t group,
                        uint32_t rule, uint32_t row, const tp_value *values, trigperf_error **err);
void tp_findings_end(trigperf_findings *findings, const tp_tally *tally, int32_t outcome);

#endif
