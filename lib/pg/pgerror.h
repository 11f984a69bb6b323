/* Errors of libpq and the server as error objects. */
#ifndef TP_PG_PGERROR_H
#define TP_PG_PGERROR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"

/* Makes an error from a failed result, or from the connection when result is NULL or carries none.
 * what: what was being done, as in "installing the schema". Returns the status code:
 * E_CONNECTION (class 08, 57P, or no result), E_PERMISSION (42501), E_NOMEM, else E_SERVER.
 * Retriable: lost connections, 40001, 40P01, 55P03, 53300, 57014. */
int32_t tp_pg_error(trigperf_error **err, const PGconn *connection, const PGresult *result,
                    const char *what);

/* Whether the server had to send a text that the encoding of the connection cannot spell, or that
 * is none in the encoding of the database. */
bool tp_pg_unreadable(const PGresult *result);

/* A receiver of notices, whose user pointer is the log (a const tp_log *). */
void tp_pg_notice(void *log, const PGresult *result);

#endif
