/* Attaching tables to capture. */
#ifndef TP_DB_ATTACH_H
#define TP_DB_ATTACH_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "db/attachment.h"

/* One transaction with a short lock timeout and retries. sql (may be NULL) receives what ran, or
 * would run: plain SQL that does the same in any tool. max_keys: capture.max_keys. */
int32_t tp_attach(PGconn *connection, const trigperf_attachment *spec, int32_t max_keys,
                  bool dry_run, tp_strbuf *sql, trigperf_error **err);

/* The same inside a transaction of the caller's, which ends it. again: for a dry run, the table may
 * be attached. */
int32_t tp_attach_within(PGconn *connection, const trigperf_attachment *spec, int32_t max_keys,
                         bool dry_run, bool again, tp_strbuf *sql, trigperf_error **err);

#endif
