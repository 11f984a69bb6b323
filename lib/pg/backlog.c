/* A reader that has caught up is behind by nothing, and need not ask; it hears so several times a
 * second, from its own polls or the notifier's beats. So only one that has not heard so for a while
 * asks the database, every few seconds: idle contexts cost nothing. A role without the right to ask
 * is not told a figure, and not disturbed either. */
#include "pg/backlog.h"

#include <stdlib.h>

#include "base/strbuf.h"
#include "core/snapshot.h"
#include "pg/reader.h"

#define BEHIND_MS 2000u
#define ASK_MS 4000u

tp_backlog tp_backlog_make(tp_connection *connection, const tp_reader *reader) {
    return (tp_backlog){.connection = connection, .reader = reader, .bytes = TP_NOT_MEASURED};
}

void tp_backlog_reset(tp_backlog *backlog) {
    backlog->bytes = TP_NOT_MEASURED;
    backlog->next_ms = 0;
    backlog->asking = false;
    backlog->refused = false;
}

void tp_backlog_none(tp_backlog *backlog, uint64_t now_ms) {
    backlog->caught_up_ms = now_ms;
    backlog->bytes = 0;
    backlog->asking = false;
}

static void on_answer(void *user, PGresult *result) {
    tp_backlog *backlog = user;
    bool answered = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
    backlog->refused = !answered;
    if (backlog->asking) {
        backlog->bytes = answered ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : TP_NOT_MEASURED;
    }
    backlog->asking = false;
}

static int32_t ask(tp_backlog *backlog, trigperf_error **err) {
    tp_strbuf position = TP_STRBUF_INIT;
    tp_snapshot_format(tp_reader_position(backlog->reader), &position);
    const char *values[] = {tp_strbuf_str(&position)};
    tp_statement statement = {.text = "SELECT trigperf.outbox_lag($1::pg_snapshot)",
                              .repeated = true,
                              .count = 1,
                              .values = values,
                              .done = on_answer,
                              .user = backlog};
    int32_t status = position.failed ? tp_error_nomem(err)
                                     : tp_connection_send(backlog->connection, &statement, err);
    backlog->asking = status == TRIGPERF_OK;
    tp_strbuf_free(&position);
    return status;
}

int32_t tp_backlog_tick(tp_backlog *backlog, uint64_t now_ms, trigperf_error **err) {
    if (now_ms < tp_backlog_deadline(backlog)) {
        return TRIGPERF_OK;
    }
    backlog->next_ms = now_ms + ASK_MS;
    return ask(backlog, err);
}

uint64_t tp_backlog_deadline(const tp_backlog *backlog) {
    if (backlog->asking || backlog->refused || !tp_reader_has_position(backlog->reader)) {
        return UINT64_MAX;
    }
    uint64_t behind_ms = backlog->caught_up_ms == 0 ? 0 : backlog->caught_up_ms + BEHIND_MS;
    return backlog->next_ms > behind_ms ? backlog->next_ms : behind_ms;
}
