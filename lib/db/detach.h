/* Taking capture triggers, function and registry row of a table away. */
#ifndef TP_DB_DETACH_H
#define TP_DB_DETACH_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* table as in SQL; one that was dropped is found by the name it had. As tp_attach() otherwise. */
int32_t tp_detach(PGconn *connection, const char *table, bool dry_run, tp_strbuf *sql,
                  trigperf_error **err);

/* Appends SQL that removes every capture trigger and function of the database, registered or not:
 * the registry goes with the schema. */
int32_t tp_detach_all_sql(PGconn *connection, tp_strbuf *sql, trigperf_error **err);

/* Appends the SQL that detaches one table, from its row in the registry. */
int32_t tp_detach_put(PGconn *connection, const char *id, const char *name, const char *function,
                      tp_strbuf *sql, trigperf_error **err);

#endif
