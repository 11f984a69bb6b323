/* The snapshot is taken by the statement that writes the mark: what is visible in it was committed
 * before, and so stands before the mark in the log. A mark that comes back before the answer to its
 * statement does not count, since its snapshot is not known; another one is sent. */
#include "pg/wal_mark.h"

#include <stdio.h>

#include "core/waldecoder.h"
#include "pg/pgerror.h"

void tp_wal_mark_reset(tp_wal_mark *mark) {
    mark->under_way = false;
    tp_snapshot_free(&mark->written_at);
}

void tp_wal_mark_free(tp_wal_mark *mark) {
    tp_wal_mark_reset(mark);
    tp_snapshot_free(&mark->position);
}

static void on_written(void *user, PGresult *result) {
    tp_wal_mark *mark = user;
    trigperf_error *error = NULL;
    tp_snapshot_free(&mark->written_at);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        tp_pg_error(&error, tp_connection_raw(mark->connection), result,
                    "writing a mark into the log");
        mark->failed(mark->user, error);
    } else if (tp_snapshot_parse(PQgetvalue(result, 0, 0), &mark->written_at, &error) !=
               TRIGPERF_OK) {
        mark->failed(mark->user, error);
    } else {
        mark->written(mark->user);
    }
}

int32_t tp_wal_mark_send(tp_wal_mark *mark, trigperf_error **err) {
    char text[100];
    snprintf(text, sizeof text, "mark %s %llu", mark->instance, (unsigned long long)++mark->number);
    const char *values[] = {TP_WAL_PREFIX, text};
    tp_statement statement = {.text =
                                  "SELECT pg_catalog.pg_current_snapshot(), "
                                  "pg_catalog.pg_logical_emit_message(true, $1::text, $2::text)",
                              .repeated = true,
                              .count = 2,
                              .values = values,
                              .done = on_written,
                              .user = mark};
    tp_snapshot_free(&mark->written_at);
    mark->under_way = true;
    mark->ticket = mark->requested;
    return tp_connection_send(mark->connection, &statement, err);
}

bool tp_wal_mark_take(tp_wal_mark *mark, uint64_t number) {
    if (!mark->under_way || number != mark->number) {
        return false;
    }
    mark->under_way = false;
    if (mark->written_at.xmax == 0) {
        return false;
    }
    tp_snapshot_free(&mark->position);
    mark->position = mark->written_at;
    mark->written_at = (tp_snapshot){0};
    mark->complete = mark->ticket;
    return true;
}
