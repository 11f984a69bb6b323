/* What can be said of triggers together: the same one twice, and those that start each other. */
#ifndef TP_DB_ADVICE_PAIRS_H
#define TP_DB_ADVICE_PAIRS_H

#include "db/advice_finding.h"

/* Appends findings; E_NOMEM. */
int32_t tp_advice_pairs_judge(tp_advice *advice, trigperf_error **err);

#endif
