/* Triggers that fire themselves, and each other in a circle. */
#ifndef TP_DB_ADVICE_CIRCLES_H
#define TP_DB_ADVICE_CIRCLES_H

#include "db/advice_finding.h"

int32_t tp_advice_circles_judge(tp_advice *advice, trigperf_error **err);

#endif
