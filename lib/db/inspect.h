/* What is installed in a database. */
#ifndef TP_DB_INSPECT_H
#define TP_DB_INSPECT_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* One JSON object: trigperf.status(), or {"installed":false,...} without the schema. */
int32_t tp_inspect(PGconn *connection, tp_strbuf *json, trigperf_error **err);

/* A JSON array of the attached tables as they were described. */
int32_t tp_inspect_attachments(PGconn *connection, tp_strbuf *json, trigperf_error **err);

#endif
