/* The page statement has two halves joined by UNION ALL, each an index scan that stops at the page
 * size: rows of transactions that were running at the position, and rows of later ones. One OR over
 * both would scan everything. A half that comes back full ends in a transaction that may be cut, so
 * its rows are left for the next page; if that transaction fills a whole page, it is read alone, as
 * a stream, with the socket as the only buffer. The third part of the statement tells whether rows
 * after the position were truncated; it stands in the same statement so that its answer and the
 * rows come under the same table locks.
 *
 * The method of reading between snapshots is PgQ's (Skype, PgQ/Londiste). */
#include "pg/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "core/lsn.h"
#include "pg/pgerror.h"

#define PAGE_ROWS 256
#define PAGE_ROWS_TEXT "256"
#define FIXED_COLUMNS 5

typedef enum reader_state {
    READER_IDLE,
    READER_POLLING,
    READER_PAGING,
    READER_WAITING
} reader_state;

struct tp_reader {
    tp_connection *connection;
    tp_engine *engine;
    const tp_log *log;
    tp_reader_handler handler;
    const tp_registry *registry;
    tp_snapshot position;
    bool has_position;
    tp_snapshot target;
    uint64_t target_lsn;
    reader_state state;
    uint64_t big_xid; /* the transaction that is streamed alone, or 0 */
    bool big_next;    /* the next page is that stream */
    uint64_t now_ms;
    uint64_t rows;
    uint32_t generation; /* of the prepared statements */
};

static const char poll_sql[] =
    "SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_current_wal_insert_lsn(), "
    "(SELECT value FROM trigperf.setting WHERE name = 'registry_version')";

int32_t tp_reader_new(tp_connection *connection, tp_engine *engine, const tp_log *log,
                      const tp_reader_handler *handler, tp_reader **out, trigperf_error **err) {
    tp_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return tp_error_nomem(err);
    }
    reader->connection = connection;
    reader->engine = engine;
    reader->log = log;
    reader->handler = *handler;
    *out = reader;
    return TRIGPERF_OK;
}

void tp_reader_free(tp_reader *reader) {
    if (reader != NULL) {
        tp_snapshot_free(&reader->position);
        tp_snapshot_free(&reader->target);
        free(reader);
    }
}

void tp_reader_reset(tp_reader *reader) {
    reader->state = READER_IDLE;
    reader->registry = NULL;
    reader->big_xid = 0;
    reader->big_next = false;
}

static void finish(tp_reader *reader, tp_reader_outcome outcome, const trigperf_error *error) {
    reader->state = READER_IDLE;
    reader->handler.done(reader->handler.user, outcome, error);
}

static void finish_result(tp_reader *reader, PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(reader->connection), result, what);
    finish(reader, TP_READER_FAILED, error);
    trigperf_error_free(error);
}

static void finish_error(tp_reader *reader, trigperf_error *error) {
    finish(reader, TP_READER_FAILED, error);
    trigperf_error_free(error);
}

static void prepared(void *user, PGresult *result) {
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        tp_reader *reader = user;
        finish_result(reader, result, "preparing to read the outbox");
    }
}

static void build_page_sql(tp_strbuf *sql, const char *name, const char *columns,
                           const char *blanks) {
    const char *comma = columns[0] == '\0' ? "" : ", ";
    tp_strbuf_printf(sql,
                     "PREPARE %s(xid8[], xid8, pg_snapshot, pg_snapshot) AS "
                     "(SELECT 0, xid, table_id, op, n%s%s FROM trigperf.outbox "
                     "WHERE xid = ANY ($1) AND pg_catalog.pg_visible_in_snapshot(xid, $3) "
                     "ORDER BY xid LIMIT " PAGE_ROWS_TEXT ") UNION ALL "
                     "(SELECT 1, xid, table_id, op, n%s%s FROM trigperf.outbox "
                     "WHERE xid >= $2 AND pg_catalog.pg_visible_in_snapshot(xid, $3) "
                     "ORDER BY xid LIMIT " PAGE_ROWS_TEXT ") UNION ALL "
                     "SELECT 2, NULL, NULL, NULL, NULL%s WHERE trigperf.reader_gap($4)",
                     name, comma, columns, comma, columns, blanks);
}

static int32_t send_prepare(tp_reader *reader, tp_strbuf *sql, trigperf_error **err) {
    if (sql->failed) {
        tp_strbuf_free(sql);
        return tp_error_nomem(err);
    }
    tp_statement statement = {.text = tp_strbuf_str(sql), .done = prepared, .user = reader};
    int32_t status = tp_connection_send(reader->connection, &statement, err);
    tp_strbuf_free(sql);
    return status;
}

/* The statements of the former registry, on the same connection. */
static int32_t send_deallocate(tp_reader *reader, trigperf_error **err) {
    static const char *const names[] = {"tp_page", "tp_big"};
    int32_t status = TRIGPERF_OK;
    for (int i = 0; status == TRIGPERF_OK && reader->registry != NULL && i < 2; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "DEALLOCATE %s_%u", names[i], reader->generation);
        tp_statement statement = {.text = sql};
        status = tp_connection_send(reader->connection, &statement, err);
    }
    return status;
}

int32_t tp_reader_set_registry(tp_reader *reader, const tp_registry *registry,
                               trigperf_error **err) {
    int32_t status = send_deallocate(reader, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_strbuf blanks = TP_STRBUF_INIT;
    char name[32];
    const char *columns = tp_registry_columns(registry);
    for (uint32_t i = 0; i < tp_registry_column_count(registry); i++) {
        tp_strbuf_puts(&blanks, ", NULL");
    }
    reader->registry = registry;
    reader->generation++;
    snprintf(name, sizeof name, "tp_page_%u", reader->generation);
    build_page_sql(&sql, name, columns, tp_strbuf_str(&blanks));
    sql.failed = sql.failed || blanks.failed;
    tp_strbuf_free(&blanks);
    status = send_prepare(reader, &sql, err);
    if (status == TRIGPERF_OK) {
        tp_strbuf_printf(&sql,
                         "PREPARE tp_big_%u(xid8) AS SELECT 1, xid, table_id, op, n%s%s "
                         "FROM trigperf.outbox WHERE xid = $1",
                         reader->generation, columns[0] == '\0' ? "" : ", ", columns);
        status = send_prepare(reader, &sql, err);
    }
    return status;
}

int32_t tp_reader_set_position(tp_reader *reader, const char *position, trigperf_error **err) {
    tp_snapshot parsed = {0};
    int32_t status = position == NULL ? TRIGPERF_OK : tp_snapshot_parse(position, &parsed, err);
    if (status == TRIGPERF_OK) {
        tp_snapshot_free(&reader->position);
        reader->position = parsed;
        reader->has_position = position != NULL;
    }
    return status;
}

bool tp_reader_has_position(const tp_reader *reader) {
    return reader->has_position;
}

const tp_snapshot *tp_reader_position(const tp_reader *reader) {
    return &reader->position;
}

static int32_t checkpoint(tp_reader *reader, uint64_t lsn, trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_snapshot_format(&reader->position, &text);
    if (text.failed) {
        tp_strbuf_free(&text);
        return tp_error_nomem(err);
    }
    tp_pipeline *pipeline = tp_engine_lock(reader->engine);
    int32_t status = tp_pipeline_checkpoint(pipeline, tp_strbuf_str(&text), lsn, err);
    tp_engine_unlock(reader->engine);
    tp_strbuf_free(&text);
    return status;
}

static int32_t move_to(tp_reader *reader, tp_snapshot *to, uint64_t lsn, trigperf_error **err) {
    tp_snapshot_free(&reader->position);
    reader->position = *to;
    reader->has_position = true;
    *to = (tp_snapshot){0};
    return checkpoint(reader, lsn, err);
}

int32_t tp_reader_jump(tp_reader *reader, const tp_snapshot *to, uint64_t lsn,
                       trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_snapshot copy = {0};
    tp_snapshot_format(to, &text);
    int32_t status =
        text.failed ? tp_error_nomem(err) : tp_snapshot_parse(tp_strbuf_str(&text), &copy, err);
    tp_strbuf_free(&text);
    return status == TRIGPERF_OK ? move_to(reader, &copy, lsn, err) : status;
}

static void on_page(void *user, PGresult *result);
static void on_big(void *user, PGresult *result);

/* Of the transactions that ran at the position, those that have ended since: the others have
 * nothing to show yet, and one that has written a million rows would be scanned in vain by every
 * poll. */
static void format_ended(const tp_snapshot *position, const tp_snapshot *target, tp_strbuf *out) {
    const char *separator = "";
    tp_strbuf_putc(out, '{');
    for (uint32_t i = 0; i < position->xip_count; i++) {
        if (tp_snapshot_visible(target, position->xip[i])) {
            tp_strbuf_puts(out, separator);
            tp_strbuf_putu(out, position->xip[i]);
            separator = ",";
        }
    }
    tp_strbuf_putc(out, '}');
}

static int32_t send_page(tp_reader *reader, trigperf_error **err) {
    tp_strbuf ended = TP_STRBUF_INIT;
    tp_strbuf target = TP_STRBUF_INIT;
    tp_strbuf position = TP_STRBUF_INIT;
    char xmax[24];
    char name[32];
    format_ended(&reader->position, &reader->target, &ended);
    tp_snapshot_format(&reader->target, &target);
    tp_snapshot_format(&reader->position, &position);
    snprintf(xmax, sizeof xmax, "%llu", (unsigned long long)reader->position.xmax);
    snprintf(name, sizeof name, "tp_page_%u", reader->generation);
    const char *values[] = {tp_strbuf_str(&ended), xmax, tp_strbuf_str(&target),
                            tp_strbuf_str(&position)};
    tp_statement statement = {.text = name,
                              .prepared = true,
                              .count = 4,
                              .values = values,
                              .done = on_page,
                              .user = reader};
    int32_t status = ended.failed || target.failed || position.failed
                         ? tp_error_nomem(err)
                         : tp_connection_send(reader->connection, &statement, err);
    tp_strbuf_free(&ended);
    tp_strbuf_free(&target);
    tp_strbuf_free(&position);
    return status;
}

static int32_t send_big(tp_reader *reader, trigperf_error **err) {
    char xid[24];
    char name[32];
    snprintf(xid, sizeof xid, "%llu", (unsigned long long)reader->big_xid);
    snprintf(name, sizeof name, "tp_big_%u", reader->generation);
    const char *values[] = {xid};
    tp_statement statement = {.text = name,
                              .prepared = true,
                              .streamed = true,
                              .count = 1,
                              .values = values,
                              .done = on_big,
                              .user = reader};
    return tp_connection_send(reader->connection, &statement, err);
}

static bool engine_full(tp_reader *reader) {
    bool full = tp_pipeline_full(tp_engine_lock(reader->engine));
    tp_engine_unlock(reader->engine);
    return full;
}

/* The next page, or the end; waits while the engine is full. */
static void go_on(tp_reader *reader) {
    trigperf_error *error = NULL;
    if (tp_snapshot_covers(&reader->position, &reader->target)) {
        finish(reader, TP_READER_DONE, NULL);
        return;
    }
    if (engine_full(reader)) {
        reader->state = READER_WAITING;
        return;
    }
    reader->state = READER_PAGING;
    int32_t status = reader->big_next ? send_big(reader, &error) : send_page(reader, &error);
    reader->big_next = false;
    if (status != TRIGPERF_OK) {
        finish_error(reader, error);
    }
}

static uint64_t number_at(const PGresult *result, int row, int column) {
    return strtoull(PQgetvalue(result, row, column), NULL, 10);
}

static void apply(tp_reader *reader, const PGresult *result, int row) {
    const char *columns[64];
    uint32_t count = tp_registry_column_count(reader->registry);
    for (uint32_t i = 0; i < count; i++) {
        int column = FIXED_COLUMNS + (int)i;
        columns[i] = PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
    }
    tp_outbox_row parsed = {.xid = number_at(result, row, 1),
                            .table_id = (int32_t)number_at(result, row, 2),
                            .op = PQgetvalue(result, row, 3)[0],
                            .tuples = (uint32_t)number_at(result, row, 4),
                            .columns = columns};
    reader->rows++;
    tp_outbox_row_apply(&parsed, reader->registry, reader->engine, reader->now_ms,
                        reader->target_lsn, reader->log);
}

/* One half of a page: where it ends and up to which row it may be used. */
typedef struct half {
    int first;
    int end;          /* one past the last row to use */
    int rows;         /* that came */
    uint64_t last;    /* the last whole transaction when cut, else 0 */
    uint64_t too_big; /* the transaction that fills the whole half, else 0 */
} half;

static half measure(const PGresult *result, int number, int first) {
    half h = {first, first, 0, 0, 0};
    while (first + h.rows < PQntuples(result) &&
           PQgetvalue(result, first + h.rows, 0)[0] == '0' + number) {
        h.rows++;
    }
    h.end = first + h.rows;
    if (h.rows < PAGE_ROWS) {
        return h;
    }
    uint64_t cut = number_at(result, h.end - 1, 1);
    while (h.end > first && number_at(result, h.end - 1, 1) == cut) {
        h.end--;
    }
    if (h.end == first) {
        h.too_big = cut;
    } else {
        h.last = number_at(result, h.end - 1, 1);
    }
    return h;
}

static void announce(tp_reader *reader, PGresult *result, const tp_snapshot *from, const half *old,
                     const half *new) {
    if (reader->handler.page == NULL) {
        return;
    }
    tp_reader_page page = {.from = from,
                           .to = &reader->position,
                           .lsn = reader->target_lsn,
                           .result = result,
                           .rows = (uint32_t)(old->rows + new->rows),
                           .complete = old->last == 0 && new->last == 0};
    reader->handler.page(reader->handler.user, &page);
}

/* Moves the position past a page; what is cut short stays for the next. */
static void advance(tp_reader *reader, PGresult *result, const half *old, const half *new) {
    trigperf_error *error = NULL;
    tp_snapshot next = {0};
    int32_t status = tp_snapshot_advance(&reader->position, &reader->target, old->last, new->last,
                                         &next, &error);
    tp_snapshot from = reader->position;
    if (status == TRIGPERF_OK) {
        reader->position = (tp_snapshot){0};
        status = move_to(reader, &next, reader->target_lsn, &error);
        announce(reader, result, &from, old, new);
        tp_snapshot_free(&from);
    }
    if (reader->state == READER_IDLE) {
        trigperf_error_free(error);
        return; /* sharing the page broke the connection */
    }
    if (status != TRIGPERF_OK) {
        finish_error(reader, error);
    } else if (old->last == 0 && new->last == 0) {
        finish(reader, TP_READER_DONE, NULL);
    } else {
        go_on(reader);
    }
}

static void stream_alone(tp_reader *reader, uint64_t xid) {
    reader->big_xid = xid;
    reader->big_next = true;
    go_on(reader);
}

static void on_page(void *user, PGresult *result) {
    tp_reader *reader = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        finish_result(reader, result, "reading the outbox");
        return;
    }
    half old = measure(result, 0, 0);
    half new = measure(result, 1, old.rows);
    if (old.rows + new.rows < PQntuples(result)) {
        finish(reader, TP_READER_GAP, NULL);
        return;
    }
    if (old.too_big != 0 || new.too_big != 0) {
        stream_alone(reader, old.too_big != 0 ? old.too_big : new.too_big);
        return;
    }
    for (int row = old.first; row < old.end; row++) {
        apply(reader, result, row);
    }
    for (int row = new.first; row < new.end; row++) {
        apply(reader, result, row);
    }
    advance(reader, result, &old, &new);
}

/* The big transaction has been read: it is passed, and its half no further; the other half not at
 * all. It was the first of its half that had rows. */
static void pass_big(tp_reader *reader, PGresult *result) {
    half old = {.last = TP_SNAPSHOT_NOTHING};
    half new = {.last = TP_SNAPSHOT_NOTHING};
    if (reader->big_xid < reader->position.xmax) {
        old.last = reader->big_xid;
    } else {
        new.last = reader->big_xid;
    }
    advance(reader, result, &old, &new);
}

static void on_big(void *user, PGresult *result) {
    tp_reader *reader = user;
    ExecStatusType kind = PQresultStatus(result);
    if (kind == PGRES_SINGLE_TUPLE) {
        apply(reader, result, 0);
        if (engine_full(reader)) {
            tp_connection_pause(reader->connection, true);
        }
    } else if (kind == PGRES_TUPLES_OK) {
        pass_big(reader, result);
    } else {
        finish_result(reader, result, "reading a large transaction from the outbox");
    }
}

static void on_poll(void *user, PGresult *result) {
    tp_reader *reader = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        finish_result(reader, result, "polling for changes");
        return;
    }
    if (strcmp(PQgetvalue(result, 0, 2), tp_registry_version(reader->registry)) != 0) {
        finish(reader, TP_READER_REGISTRY, NULL);
        return;
    }
    trigperf_error *error = NULL;
    tp_snapshot target = {0};
    int32_t status = tp_snapshot_parse(PQgetvalue(result, 0, 0), &target, &error);
    if (status == TRIGPERF_OK) {
        tp_snapshot_free(&reader->target);
        reader->target = target;
        reader->target_lsn = 0;
        tp_lsn_parse(PQgetvalue(result, 0, 1), &reader->target_lsn);
        if (!reader->has_position) {
            status = tp_reader_jump(reader, &reader->target, reader->target_lsn, &error);
        }
    }
    if (status != TRIGPERF_OK) {
        finish_error(reader, error);
    } else {
        go_on(reader);
    }
}

int32_t tp_reader_poll(tp_reader *reader, trigperf_error **err) {
    if (reader->state != READER_IDLE || reader->registry == NULL) {
        return TRIGPERF_OK;
    }
    tp_statement statement = {.text = poll_sql, .done = on_poll, .user = reader};
    int32_t status = tp_connection_send(reader->connection, &statement, err);
    if (status == TRIGPERF_OK) {
        reader->state = READER_POLLING;
    }
    return status;
}

bool tp_reader_busy(const tp_reader *reader) {
    return reader->state != READER_IDLE;
}

void tp_reader_set_now(tp_reader *reader, uint64_t now_ms) {
    reader->now_ms = now_ms;
}

void tp_reader_resume(tp_reader *reader, uint64_t now_ms) {
    reader->now_ms = now_ms;
    if (reader->state == READER_IDLE || engine_full(reader)) {
        return;
    }
    if (reader->state == READER_PAGING) {
        tp_connection_pause(reader->connection, false);
    } else if (reader->state == READER_WAITING) {
        go_on(reader);
    }
}

uint64_t tp_reader_rows(const tp_reader *reader) {
    return reader->rows;
}

uint64_t tp_reader_lsn(const tp_reader *reader) {
    return reader->target_lsn;
}
