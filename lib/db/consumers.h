/* Readers of changes as their keeper sees them: a list, and what can be done about each. */
#ifndef TP_DB_CONSUMERS_H
#define TP_DB_CONSUMERS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* A JSON array, one object a consumer. */
int32_t tp_consumers_list(PGconn *connection, tp_strbuf *json, trigperf_error **err);

typedef struct tp_consumers_which {
    const char *name;
    const char *source; /* "outbox", "wal"; NULL: the one that has the name */
} tp_consumers_which;

/* Begins anew at the present, with a resync of everything. sql receives what ran, or would run. */
int32_t tp_consumers_reset(PGconn *connection, const tp_consumers_which *which, bool dry_run,
                           tp_strbuf *sql, trigperf_error **err);
/* Forgets it, with its slot. E_STATE when a process holds the name, unless force. */
int32_t tp_consumers_drop(PGconn *connection, const tp_consumers_which *which, bool force,
                          bool dry_run, tp_strbuf *sql, trigperf_error **err);

#endif
