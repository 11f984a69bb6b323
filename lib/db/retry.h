/* Work in a transaction of its own, tried again while only locks are in the way. */
#ifndef TP_DB_RETRY_H
#define TP_DB_RETRY_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/error.h"

typedef int32_t (*tp_retry_work)(PGconn *connection, void *user, trigperf_error **err);

/* Begins a transaction with a lock timeout of two seconds, lets work do its part and commits (keep)
 * or rolls back. After a lock timeout or a deadlock it starts anew, five times in all. */
int32_t tp_retry(PGconn *connection, tp_retry_work work, void *user, bool keep, const char *what,
                 trigperf_error **err);

#endif
