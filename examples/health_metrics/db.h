/* Small helpers over libpq. Failures are said on stderr. */
#ifndef EXAMPLES_HEALTH_METRICS_DB_H
#define EXAMPLES_HEALTH_METRICS_DB_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "records.h"

PGconn *db_connect(const char *conninfo); /* NULL: failed */
bool db_run(PGconn *conn, const char *sql);
bool db_run_file(PGconn *conn, const char *path);
/* Whether the server took one record; what it says otherwise is of no interest. */
bool db_takes(PGconn *conn, const hm_batch *batch, uint32_t row);
/* Stores the records that wanted[] marks, in one COPY. */
bool db_copy(PGconn *conn, const hm_batch *batch, const bool *wanted);

#endif
