/* Row triggers or statement triggers: which fits a table, and why. */
#ifndef TP_DB_GRANULARITY_H
#define TP_DB_GRANULARITY_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"
#include "db/attachment.h"
#include "db/layout.h"

/* reason: a sentence for the registry. E_UNSUPPORTED when what is wanted cannot work. */
int32_t tp_granularity_choose(PGconn *connection, const tp_relation *relation,
                              const tp_layout *layout, tp_granularity wanted, bool expressions,
                              bool *by_row, char *reason, size_t size, trigperf_error **err);

#endif
