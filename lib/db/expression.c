/* The text is prepared twice, in contexts that close differently: in parentheses, and between THEN
 * and END in a WHERE clause. A text that closes one of them itself, "1) + (2", breaks the other;
 * WHERE does not allow aggregates, window functions and sets; a prepared statement is one statement
 * and takes no parameters here. The row has only the columns that the text mentions, as it will
 * have in a row trigger. */
#include "db/expression.h"

#include "db/capture_text.h"
#include "db/sqltext.h"
#include "pg/pgerror.h"

static const char hint[] = "write one SQL expression over the row's columns; functions and types "
                           "outside pg_catalog need their schema";

static void put_row(const tp_relation *relation, const tp_layout *layout, const char *expression,
                    tp_strbuf *sql) {
    const char *comma = "";
    tp_strbuf_puts(sql, " FROM (SELECT ");
    for (uint32_t i = 0; i < layout->column_count; i++) {
        if (tp_capture_mentions(expression, layout->columns[i].name)) {
            tp_strbuf_puts(sql, comma);
            tp_sql_ident(sql, layout->columns[i].name);
            comma = ", ";
        }
    }
    tp_strbuf_printf(sql, " FROM ONLY %s) AS tp_row", relation->quoted);
}

static int32_t not_valid(const tp_capture_key *key, trigperf_error *cause, trigperf_error **err) {
    int32_t status = trigperf_error_code(cause);
    if (status != TRIGPERF_E_SERVER) {
        return tp_error_move(err, cause, status);
    }
    status = tp_error_set_sql(err, TRIGPERF_E_INVALID, trigperf_error_sqlstate(cause), false, hint,
                              "the expression of key \"%s\" is not valid: %s", key->name,
                              trigperf_error_message(cause));
    trigperf_error_free(cause);
    return status;
}

/* Number of result columns and parameters of a statement that is only prepared. */
static int32_t prepare(PGconn *connection, const tp_strbuf *sql, int *columns, int *parameters,
                       trigperf_error **err) {
    if (sql->failed) {
        return tp_error_nomem(err);
    }
    PGresult *result = PQprepare(connection, "", tp_strbuf_str(sql), 0, NULL);
    int32_t status = TRIGPERF_OK;
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        PQclear(result);
        result = PQdescribePrepared(connection, "");
    }
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        *columns = PQnfields(result);
        *parameters = PQnparams(result);
    } else {
        status = tp_pg_error(err, connection, result, "preparing it");
    }
    PQclear(result);
    return status;
}

static int32_t check_form(PGconn *connection, tp_strbuf *sql, const tp_capture_key *key,
                          trigperf_error **err) {
    int columns = 0;
    int parameters = 0;
    trigperf_error *cause = NULL;
    int32_t status = prepare(connection, sql, &columns, &parameters, &cause);
    tp_strbuf_free(sql);
    if (status != TRIGPERF_OK) {
        return not_valid(key, cause, err);
    }
    if (columns > 1 || parameters > 0) {
        return tp_error_set(err, TRIGPERF_E_INVALID, hint,
                            "the expression of key \"%s\" is not valid: expected one value and no "
                            "parameters, got %d and %d",
                            key->name, columns, parameters);
    }
    return TRIGPERF_OK;
}

static int32_t check_virtual(const tp_layout *layout, const tp_capture_key *key,
                             trigperf_error **err) {
    for (uint32_t i = 0; i < layout->column_count; i++) {
        const tp_column *column = &layout->columns[i];
        if (column->is_virtual && tp_capture_mentions(key->expression, column->name)) {
            return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                                "write the column's own expression instead",
                                "key \"%s\" uses column \"%s\", a virtual generated column, whose "
                                "value triggers do not see",
                                key->name, column->name);
        }
    }
    return TRIGPERF_OK;
}

int32_t tp_expression_check(PGconn *connection, const tp_relation *relation,
                            const tp_layout *layout, const tp_capture_key *key,
                            trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    int32_t status = check_virtual(layout, key, err);
    if (status == TRIGPERF_OK) {
        tp_strbuf_printf(&sql, "SELECT (%s\n)::pg_catalog.text", key->expression);
        put_row(relation, layout, key->expression, &sql);
        status = check_form(connection, &sql, key, err);
    }
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(&sql, "SELECT");
        put_row(relation, layout, key->expression, &sql);
        tp_strbuf_printf(&sql, " WHERE CASE WHEN true THEN %s\nEND IS DISTINCT FROM NULL",
                         key->expression);
        status = check_form(connection, &sql, key, err);
    }
    return status;
}
