/* What can be said of tables with many CHECK constraints. */
#ifndef TP_DB_ADVICE_CHECKS_H
#define TP_DB_ADVICE_CHECKS_H

#include "db/advice_finding.h"

int32_t tp_advice_checks_judge(tp_advice *advice, const tp_advice_table *table,
                               trigperf_error **err);

#endif
