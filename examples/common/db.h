/* Small helpers over libpq. Failures are said on stderr. */
#ifndef EXAMPLES_COMMON_DB_H
#define EXAMPLES_COMMON_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

PGconn *db_connect(const char *conninfo, const char *application); /* NULL: failed */
bool db_run(PGconn *conn, const char *sql);
bool db_run_file(PGconn *conn, const char *path);
bool db_value(PGconn *conn, const char *sql, int64_t *value); /* one number */
bool db_prepare(PGconn *conn, const char *name, const char *sql);

/* Prints "PROGRAM: WHAT: the server's message". */
void db_complain(PGconn *conn, const char *what);

#endif
