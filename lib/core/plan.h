/* What a change of one table goes through: its rules and the scope rules that they bring in, bound
 * to the table's keys. Made once, so that expanding a change is rendering and nothing else. */
#ifndef TP_CORE_PLAN_H
#define TP_CORE_PLAN_H

#include <stdint.h>

#include "base/error.h"
#include "core/change.h"
#include "core/ruleset.h"

typedef struct tp_step {
    tp_template *bound;
    uint32_t template; /* index in the rule set */
    uint32_t ops;
    uint32_t min_interval_ms;
} tp_step;

typedef struct tp_plan {
    tp_step *steps;
    uint32_t count;
    uint32_t capacity;
    uint32_t *templates; /* distinct ones of the steps, in their order */
    uint32_t template_count;
} tp_plan;

/* Templates that need a key which the table lacks are left out. */
int32_t tp_plan_make(const tp_ruleset *set, const tp_table *table, tp_plan *out,
                     trigperf_error **err);
void tp_plan_free(tp_plan *plan); /* leaves it empty */

#endif
