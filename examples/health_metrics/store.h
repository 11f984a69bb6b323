/* Records on their way into their tables. Failures are said on stderr. */
#ifndef EXAMPLES_HEALTH_METRICS_STORE_H
#define EXAMPLES_HEALTH_METRICS_STORE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "records.h"

/* Whether the server took one record; what it says otherwise is of no interest. */
bool store_takes(PGconn *conn, const hm_batch *batch, uint32_t row);
/* Stores the records that wanted[] marks, in one COPY. */
bool store_copy(PGconn *conn, const hm_batch *batch, const bool *wanted);

#endif
