/* The log has 32 bits of a transaction's id, a snapshot all of them: the id meant is the one
 * nearest to the snapshot's end, since both are of the present. */
#include "pg/wal_look.h"

#include "pg/pgerror.h"

static uint64_t widen(uint32_t xid, uint64_t near) {
    uint64_t wide = (near & ~UINT64_C(0xFFFFFFFF)) | xid;
    if (wide > near + (UINT64_C(1) << 31) && wide >= UINT64_C(1) << 32) {
        wide -= UINT64_C(1) << 32;
    } else if (wide + (UINT64_C(1) << 31) < near) {
        wide += UINT64_C(1) << 32;
    }
    return wide;
}

bool tp_wal_look_visible(const tp_wal_look *look, uint32_t xid) {
    return look->seen.xmax > 0 && tp_snapshot_visible(&look->seen, widen(xid, look->seen.xmax));
}

void tp_wal_look_begin(tp_wal_look *look, uint64_t now_ms) {
    look->wait_ms = look->min_ms;
    look->next_ms = now_ms;
}

void tp_wal_look_reset(tp_wal_look *look) {
    tp_snapshot_free(&look->seen);
    look->asking = false;
    look->awaited = 0;
}

static void on_look(void *user, PGresult *result) {
    tp_wal_look *look = user;
    trigperf_error *error = NULL;
    look->asking = false;
    tp_snapshot_free(&look->seen);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        tp_pg_error(&error, tp_connection_raw(look->connection), result,
                    "asking for the present snapshot");
        look->failed(look->user, error);
        return;
    }
    if (tp_snapshot_parse(PQgetvalue(result, 0, 0), &look->seen, &error) != TRIGPERF_OK) {
        look->failed(look->user, error);
        return;
    }
    bool waits = !tp_wal_look_visible(look, look->awaited);
    look->wait_ms = waits ? look->wait_ms * 2 : look->min_ms;
    look->wait_ms = look->wait_ms > look->max_ms ? look->max_ms : look->wait_ms;
    look->next_ms = waits ? look->now_ms + look->wait_ms : look->now_ms;
}

int32_t tp_wal_look_ask(tp_wal_look *look, uint32_t xid, uint64_t now_ms, trigperf_error **err) {
    look->now_ms = now_ms;
    if (look->asking || now_ms < look->next_ms) {
        return TRIGPERF_OK;
    }
    tp_statement statement = {.text = "SELECT pg_catalog.pg_current_snapshot()",
                              .repeated = true,
                              .done = on_look,
                              .user = look};
    look->asking = true;
    look->awaited = xid;
    return tp_connection_send(look->connection, &statement, err);
}
