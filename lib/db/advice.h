/* Advice about the triggers of a database. */
#ifndef TP_DB_ADVICE_H
#define TP_DB_ADVICE_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Appends one JSON object; table as in SQL, NULL: all. E_NOT_FOUND, E_SERVER, E_NOMEM, .. */
int32_t tp_advice_write(PGconn *connection, const char *table, tp_strbuf *json,
                        trigperf_error **err);

#endif
