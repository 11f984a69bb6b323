/* Conditions in the body of a trigger function: an IF around everything, and limits by time. */
#ifndef TP_CORE_TRIGGER_GUARD_H
#define TP_CORE_TRIGGER_GUARD_H

#include "core/trigger_body.h"

/* Fills in guard_first, guard_count, rate_limited and touches. */
void tp_trigger_guard_find(tp_trigger_body *body);

#endif
