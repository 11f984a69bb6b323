/* Functions that trigger functions call, as far as they send NOTIFY. */
#ifndef TP_DB_ADVICE_HELPERS_H
#define TP_DB_ADVICE_HELPERS_H

#include <libpq-fe.h>

#include "db/advice_facts.h"

/* Sets notifies_by of the triggers whose function sends none itself. Inside the transaction of the
 * facts, behind the triggers. */
int32_t tp_advice_helpers_read(PGconn *connection, tp_advice_facts *facts, trigperf_error **err);

#endif
