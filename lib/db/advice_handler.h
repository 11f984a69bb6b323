/* EXCEPTION blocks that need not be. */
#ifndef TP_DB_ADVICE_HANDLER_H
#define TP_DB_ADVICE_HANDLER_H

#include "db/advice_finding.h"

/* Writes the SQL into the finding; NULL, or why there is none. */
const char *tp_advice_handler_rewrite(const tp_advice_trigger *trigger, tp_finding *finding);

#endif
