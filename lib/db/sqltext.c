/* Literals use the E'' form only when there is a backslash, so that the common case stays readable
 * in what --dry-run prints. */
#include "db/sqltext.h"

#include <string.h>

#include "pg/pgerror.h"

void tp_sql_literal(tp_strbuf *out, const char *text) {
    tp_strbuf_puts(out, strchr(text, '\\') == NULL ? "'" : "E'");
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            tp_strbuf_putc(out, *text);
        }
        tp_strbuf_putc(out, *text);
    }
    tp_strbuf_putc(out, '\'');
}

void tp_sql_ident(tp_strbuf *out, const char *text) {
    tp_strbuf_putc(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            tp_strbuf_putc(out, '"');
        }
        tp_strbuf_putc(out, *text);
    }
    tp_strbuf_putc(out, '"');
}

void tp_sql_comment(tp_strbuf *out, const char *text) {
    for (; *text != '\0'; text++) {
        tp_strbuf_putc(out, (unsigned char)*text < ' ' ? ' ' : *text);
    }
}

static bool succeeded(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

int32_t tp_sql_run(PGconn *connection, const char *sql, const char *what, trigperf_error **err) {
    PGresult *result = PQexec(connection, sql);
    int32_t status = succeeded(result) ? TRIGPERF_OK : tp_pg_error(err, connection, result, what);
    PQclear(result);
    return status;
}

int32_t tp_sql_query(PGconn *connection, const char *sql, int count, const char *const *values,
                     const char *what, PGresult **result, trigperf_error **err) {
    PGresult *got = PQexecParams(connection, sql, count, NULL, values, NULL, NULL, 0);
    if (!succeeded(got)) {
        int32_t status = tp_pg_error(err, connection, got, what);
        PQclear(got);
        return status;
    }
    *result = got;
    return TRIGPERF_OK;
}

void tp_sql_rollback(PGconn *connection) {
    PQclear(PQexec(connection, "ROLLBACK"));
}
