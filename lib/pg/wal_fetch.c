/* The walsender hands each message to the socket by itself: a system call there and a packet for us
 * to take, three for a transaction of one row, which together cost several times what is done with
 * them. A query returns the same messages eight kilobytes at a time. It may run only while the slot
 * is not followed, and moves it; ours must stay where the host has acknowledged. So a temporary
 * copy of the slot is read, round by round, and then the slot itself followed from where the copy
 * has come to.
 *
 * Each round reads the log anew from the oldest transaction that ran when the slot's position was
 * written, hence rounds that grow; and holds a snapshot, hence rounds that are bounded in messages
 * and in bytes of the log, and that are read to their end even when the host is slow. A log of what
 * others wrote, with little in it for us, is left to the stream, and so is whatever fails here.
 *
 * The copy's name follows from the slot's: of two processes that claim a consumer's name only one
 * fetches, so the older one cannot move the slot while the newer one goes on from where it was.
 *
 * The server learns what the host has acknowledged when the slot is followed, and meanwhile after
 * some rounds: moving a slot makes the server read the log up to there once more. */
#include "pg/wal_fetch.h"

#include <stdio.h>
#include <string.h>

#include "core/lsn.h"
#include "core/waldecoder.h"

#define WINDOW_FIRST (UINT64_C(4) << 20)
#define WINDOW_MOST (UINT64_C(64) << 20)
#define MESSAGES_MOST 262144u
#define SPARSE 4096u   /* bytes of the log for a message, above which the stream is as good */
#define ROUND_MS 5000u /* one that takes longer is the last */
#define CONFIRM_AFTER 300000u /* messages */
#define CONFIRM_MS 500u
#define WAIT_MS 1000u
#define HEADER 19u /* of rows copied in binary form: signature, flags, length of nothing */

/* Slots of consumers go on with a number, so none has such a name. */
void tp_wal_fetch_name(const char *slot, char name[64]) {
    const char *prefix = "trigperf_";
    size_t skip = strncmp(slot, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    snprintf(name, 64, "trigperf_tmp_%s", slot + skip);
}

void tp_wal_fetch_reset(tp_wal_fetch *fetch) {
    fetch->broke = fetch->broke || fetch->busy;
    fetch->busy = false;
    fetch->discards = false;
}

static void send(tp_wal_fetch *fetch, const char *sql, tp_result_fn done) {
    trigperf_error *error = NULL;
    tp_statement statement = {.text = sql, .patient = true, .done = done, .user = fetch};
    if (tp_connection_send(fetch->connection, &statement, &error) != TRIGPERF_OK) {
        fetch->handler.failed(fetch->handler.user, error);
    }
}

static void end(tp_wal_fetch *fetch) {
    fetch->busy = false;
    fetch->broke = false;
    fetch->discards = false;
    fetch->handler.ended(fetch->handler.user);
}

static void on_dropped(void *user, PGresult *result) {
    (void)result; /* it goes with the connection at the latest */
    end(user);
}

static void send_drop(tp_wal_fetch *fetch) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_drop_replication_slot('%s')", fetch->copy);
    send(fetch, sql, on_dropped);
}

/* ---- rounds ---- */

static void on_round(void *user, PGresult *result);

static uint64_t end_of(const tp_wal_fetch *fetch) {
    return fetch->from + fetch->window;
}

static void send_round(tp_wal_fetch *fetch) {
    char sql[400];
    uint64_t upto = end_of(fetch);
    fetch->begun = false;
    fetch->taken = 0;
    fetch->began_ms = fetch->now_ms;
    fetch->position = fetch->handler.resume(fetch->handler.user);
    snprintf(
        sql, sizeof sql,
        "COPY (SELECT data FROM pg_catalog.pg_logical_slot_get_binary_changes('%s', '%X/%X', %u, "
        "'proto_version', '2', 'streaming', 'on', 'messages', 'on', 'publication_names', "
        "'\"" TP_WAL_PREFIX "\"')) TO STDOUT (FORMAT binary)",
        fetch->copy, (uint32_t)(upto >> 32), (uint32_t)upto, MESSAGES_MOST);
    send(fetch, sql, on_round);
}

/* A transaction that is larger than a round never comes whole. */
static bool goes_on(const tp_wal_fetch *fetch, uint64_t position) {
    bool more = fetch->taken >= MESSAGES_MOST || end_of(fetch) < fetch->goal;
    return more && !fetch->discards && position > fetch->position &&
           fetch->taken >= fetch->window / SPARSE && fetch->now_ms - fetch->began_ms < ROUND_MS;
}

static void on_confirmed(void *user, PGresult *result) {
    tp_wal_fetch *fetch = user;
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        send_round(fetch);
    } else {
        send_drop(fetch);
    }
}

static void send_confirm(tp_wal_fetch *fetch) {
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_replication_slot_advance('%s', '%X/%X')",
             fetch->slot, (uint32_t)(fetch->confirmed >> 32), (uint32_t)fetch->confirmed);
    fetch->unconfirmed = 0;
    fetch->confirmed_ms = fetch->now_ms;
    send(fetch, sql, on_confirmed);
}

static void go_on(tp_wal_fetch *fetch, uint64_t position) {
    uint64_t acknowledged = fetch->handler.acknowledged(fetch->handler.user);
    bool due =
        fetch->unconfirmed >= CONFIRM_AFTER || fetch->now_ms - fetch->confirmed_ms >= CONFIRM_MS;
    fetch->from = fetch->taken >= MESSAGES_MOST ? position : end_of(fetch);
    fetch->window = fetch->window < WINDOW_MOST ? fetch->window * 4 : WINDOW_MOST;
    if (due && acknowledged > fetch->confirmed) {
        fetch->confirmed = acknowledged;
        send_confirm(fetch);
    } else {
        send_round(fetch);
    }
}

static void on_round(void *user, PGresult *result) {
    tp_wal_fetch *fetch = user;
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_OUT) {
        return;
    }
    uint64_t position = fetch->handler.resume(fetch->handler.user);
    fetch->unconfirmed += fetch->taken;
    if (status == PGRES_COMMAND_OK && goes_on(fetch, position)) {
        go_on(fetch, position);
    } else {
        send_drop(fetch);
    }
}

static void on_copied(void *user, PGresult *result) {
    tp_wal_fetch *fetch = user;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
        tp_lsn_parse(PQgetvalue(result, 0, 1), &fetch->from) &&
        tp_lsn_parse(PQgetvalue(result, 0, 2), &fetch->goal)) {
        send_round(fetch);
    } else {
        end(fetch);
    }
}

/* It pays where there is much, the log before it is short, and there is room for another slot. */
void tp_wal_fetch_begin(tp_wal_fetch *fetch, const char *slot, uint64_t now_ms) {
    char sql[700];
    bool goes_without = fetch->broke;
    fetch->now_ms = now_ms;
    fetch->window = WINDOW_FIRST;
    fetch->confirmed_ms = now_ms;
    fetch->unconfirmed = 0;
    fetch->confirmed = 0;
    fetch->slot = slot;
    tp_wal_fetch_name(slot, fetch->copy);
    fetch->busy = true;
    fetch->discards = false;
    if (goes_without) {
        end(fetch);
        return;
    }
    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.pg_copy_logical_replication_slot(s.slot_name, '%s', true), "
             "s.confirmed_flush_lsn, pg_catalog.pg_current_wal_lsn() "
             "FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = '%s' AND NOT s.active "
             "AND pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), "
             "s.confirmed_flush_lsn) > 1048576 "
             "AND pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, s.restart_lsn) < 67108864 "
             "AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) < "
             "pg_catalog.current_setting('max_replication_slots')::int4",
             fetch->copy, slot);
    send(fetch, sql, on_copied);
}

/* ---- rows ---- */

static uint32_t u16(const char *bytes) {
    return (uint32_t)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
}

static uint32_t u32(const char *bytes) {
    return u16(bytes) << 16 | u16(bytes + 2);
}

/* A row: the number of its fields, 65,535 at the end of all; of each, its length and its bytes. */
void tp_wal_fetch_take(tp_wal_fetch *fetch, const char *bytes, size_t length) {
    if (!fetch->begun && length >= HEADER) {
        bytes += HEADER;
        length -= HEADER;
        fetch->begun = true;
    }
    if (length == 2 && u16(bytes) == 0xFFFF) {
        return;
    }
    bool fine = length >= 6 && u16(bytes) == 1 && u32(bytes + 2) == length - 6;
    fetch->discards = fetch->discards || !fine;
    fetch->taken++;
    fetch->rows++;
    if (!fetch->discards) {
        fetch->handler.message(fetch->handler.user, bytes + 6, length - 6);
    }
}

bool tp_wal_fetch_waited(tp_wal_fetch *fetch, uint64_t now_ms, uint64_t waited_ms) {
    fetch->now_ms = now_ms;
    fetch->discards = fetch->discards || (fetch->busy && waited_ms >= WAIT_MS);
    return fetch->discards;
}

uint64_t tp_wal_fetch_deadline(const tp_wal_fetch *fetch, uint64_t since_ms) {
    return fetch->busy && !fetch->discards ? since_ms + WAIT_MS : UINT64_MAX;
}
