/* Every trigger of a database, ours and others'. */
#ifndef TP_DB_TRIGGERS_H
#define TP_DB_TRIGGERS_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Appends one JSON object; table as in SQL, NULL: all. */
int32_t tp_triggers_list(PGconn *connection, const char *table, tp_strbuf *json,
                         trigperf_error **err);

#endif
