/* SQL as text, and running it: quoting, scripts, single values. */
#ifndef TP_DB_SQLTEXT_H
#define TP_DB_SQLTEXT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Appends text as an SQL literal; backslashes are taken literally whatever the server's settings.
 */
void tp_sql_literal(tp_strbuf *out, const char *text);
/* Appends text as an identifier, always quoted. */
void tp_sql_ident(tp_strbuf *out, const char *text);
/* Appends text inside a comment: a name with a line break in it must not end the comment. */
void tp_sql_comment(tp_strbuf *out, const char *text);

/* Runs statements (several may be in one text); what names the purpose in an error. */
int32_t tp_sql_run(PGconn *connection, const char *sql, const char *what, trigperf_error **err);
/* Runs a query with text parameters; the caller clears the result. */
int32_t tp_sql_query(PGconn *connection, const char *sql, int count, const char *const *values,
                     const char *what, PGresult **result, trigperf_error **err);
/* Ends a transaction that failed; errors are of no interest any more. */
void tp_sql_rollback(PGconn *connection);

#endif
