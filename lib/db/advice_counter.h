/* Counters that are added to row by row. */
#ifndef TP_DB_ADVICE_COUNTER_H
#define TP_DB_ADVICE_COUNTER_H

#include "db/advice_finding.h"

/* Writes the SQL into the finding; NULL, or why there is none. */
const char *tp_advice_counter_rewrite(const tp_advice_trigger *trigger, tp_finding *finding);

#endif
