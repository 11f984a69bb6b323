/* The same trigger twice. */
#ifndef TP_DB_ADVICE_PAIRS_H
#define TP_DB_ADVICE_PAIRS_H

#include "db/advice_finding.h"

/* Appends findings. */
void tp_advice_pairs_judge(tp_advice *advice);

#endif
