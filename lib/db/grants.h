/* The rights that a role needs, as GRANT and REVOKE. */
#ifndef TP_DB_GRANTS_H
#define TP_DB_GRANTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

typedef struct tp_grants_spec {
    const char *kind;          /* installer, writer, consumer, metrics */
    const char *role;          /* its name, not quoted */
    const char *const *tables; /* as in SQL: those of others that an installer attaches */
    uint32_t table_count;
    bool revoke;
} tp_grants_spec;

/* sql receives what ran, or would run; it says so in a comment when nothing is needed. One
 * transaction. */
int32_t tp_grants(PGconn *connection, const tp_grants_spec *spec, bool dry_run, tp_strbuf *sql,
                  trigperf_error **err);

/* Appends a query for what the present role lacks to be a consumer: a row of severity, subject,
 * found and fix, or none. It reads catalogs alone. */
void tp_grants_put_missing(tp_strbuf *sql);

#endif
