/* What can be said of a trigger by itself. */
#ifndef TP_DB_ADVICE_TRIGGER_H
#define TP_DB_ADVICE_TRIGGER_H

#include "db/advice_finding.h"

void tp_advice_trigger_judge(tp_advice *advice, const tp_advice_trigger *trigger);

#endif
