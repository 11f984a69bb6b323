/* Rows of an UNLOGGED table, renewed every few seconds; a crash of the server may empty it. */
#include "pg/member.h"

#include "base/strbuf.h"

int32_t tp_member_seen(tp_connection *connection, const char *instance, const char *application,
                       const tp_snapshot *position, trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    if (position != NULL) {
        tp_snapshot_format(position, &text);
    }
    const char *values[] = {instance, application, position == NULL ? NULL : tp_strbuf_str(&text)};
    tp_statement statement = {
        .text = "SELECT trigperf.member_seen($1::uuid, $2::text, $3::pg_snapshot)",
        .count = 3,
        .values = values};
    int32_t status =
        text.failed ? tp_error_nomem(err) : tp_connection_send(connection, &statement, err);
    tp_strbuf_free(&text);
    return status;
}

int32_t tp_member_gone(tp_connection *connection, const char *instance, trigperf_error **err) {
    const char *values[] = {instance};
    tp_statement statement = {
        .text = "SELECT trigperf.member_gone($1::uuid)", .count = 1, .values = values};
    return tp_connection_send(connection, &statement, err);
}
