/* Installing and removing the schema, version by version. */
#ifndef TP_DB_MIGRATE_H
#define TP_DB_MIGRATE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* The version that this library installs, and the oldest library version that can still work with a
 * database at it. */
#define TP_SCHEMA_VERSION 12
#define TP_SCHEMA_COMPATIBLE_FROM 1

/* Brings the schema to TP_SCHEMA_VERSION. sql (may be NULL) receives the statements of the
 * migrations that were missing; with dry_run nothing runs. */
int32_t tp_migrate_install(PGconn *connection, bool dry_run, tp_strbuf *sql, trigperf_error **err);

/* Takes all versions back in one transaction; detach_sql (may be "") runs first in it. */
int32_t tp_migrate_uninstall(PGconn *connection, const char *detach_sql, bool dry_run,
                             tp_strbuf *sql, trigperf_error **err);

/* The version in the database, 0 when nothing is installed; E_VERSION when this library cannot work
 * with it (with require: also when it is older than this library, or missing). */
int32_t tp_migrate_check(PGconn *connection, bool require, int32_t *version, trigperf_error **err);
/* The same for who reads tables of the schema but calls nothing in it. The other is E_PERMISSION
 * for a superuser where a role that is none, and does not own the database, owns the schema. */
int32_t tp_migrate_peek(PGconn *connection, bool require, int32_t *version, trigperf_error **err);

#endif
