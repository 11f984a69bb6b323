/* Bringing a table, or a scope, to its description. */
#ifndef TP_DB_APPLY_H
#define TP_DB_APPLY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "db/attachment.h"

/* One transaction; json says what was done, or would be. max_keys: for tables not yet attached. */
int32_t tp_apply(PGconn *connection, const trigperf_attachment *spec, int32_t max_keys,
                 bool dry_run, tp_strbuf *json, trigperf_error **err);

#endif
