/* Row triggers or statement triggers: which fits a table, and why. */
#ifndef TP_DB_GRANULARITY_H
#define TP_DB_GRANULARITY_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"
#include "db/attachment.h"
#include "db/layout.h"

typedef struct tp_granularity_facts {
    const tp_relation *relation;
    const tp_layout *layout;
    bool expressions; /* among the keys */
    bool replicated;  /* its triggers fire for replicated rows as well */
} tp_granularity_facts;

/* reason: a sentence for the registry. E_UNSUPPORTED when what is wanted cannot work. */
int32_t tp_granularity_choose(PGconn *connection, const tp_granularity_facts *facts,
                              tp_granularity wanted, bool *by_row, char *reason, size_t size,
                              trigperf_error **err);

#endif
