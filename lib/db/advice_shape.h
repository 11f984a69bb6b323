/* What can be said of how a trigger is declared: level, condition, columns. */
#ifndef TP_DB_ADVICE_SHAPE_H
#define TP_DB_ADVICE_SHAPE_H

#include "db/advice_finding.h"

void tp_advice_shape_judge(tp_advice *advice, const tp_advice_trigger *trigger);

#endif
