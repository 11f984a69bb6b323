/* Reading and working take turns in the client, so they must not take turns with the server: as
 * soon as a page has arrived, and it is known where it ends, the next one is asked for; then its
 * rows are applied, a bounded number in a turn, while the server fills the next one. A page that
 * arrives before the one in front is through waits, and nothing is asked for meanwhile: two pages
 * is all that is ever held.
 *
 * Nothing is asked for, and no row applied, while the engine is full. A page that could not be
 * passed because one transaction fills it makes that transaction be read alone, as a stream, with
 * the socket as the only buffer; it is asked for when all pages before it are through.
 *
 * A page of thin rows is cheapest when it is large, and one of fat rows must not be: so the number
 * of rows follows the bytes of the page before. */
#include "pg/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "core/lsn.h"
#include "pg/outbox_query.h"
#include "pg/page.h"
#include "pg/pgerror.h"

#define PAGES_MAX 2u
#define FIRST_ROWS 256u
#define LEAST_ROWS 16u
#define MOST_ROWS 1024u
#define PAGE_BYTES (512u * 1024u) /* what a page should take */
#define CHANGES_PER_TURN 2048u
#define CHANGES_PER_LOOK 64u /* at whether the engine is full */

typedef enum reader_state {
    READER_IDLE,
    READER_POLLING,
    READER_PAGING,
    READER_STREAMING
} reader_state;

/* A page that has arrived, and the position behind it. */
typedef struct arrived {
    tp_page *page;
    tp_snapshot to;
} arrived;

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
    tp_outbox_query query;
    arrived pages[PAGES_MAX]; /* the first is being applied */
    uint32_t page_count;
    bool met;         /* the server of this connection, by a first poll */
    bool asked;       /* for another page */
    uint32_t limit;   /* rows of the next page */
    uint64_t big_xid; /* the transaction to be streamed alone, or 0 */
    uint64_t now_ms;
    uint64_t rows;
};

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
    reader->query.connection = connection;
    reader->limit = FIRST_ROWS;
    *out = reader;
    return TRIGPERF_OK;
}

static void drop_page(tp_reader *reader) {
    tp_page_free(reader->pages[0].page);
    tp_snapshot_free(&reader->pages[0].to);
    reader->page_count--;
    memmove(&reader->pages[0], &reader->pages[1], reader->page_count * sizeof reader->pages[0]);
}

static void drop_pages(tp_reader *reader) {
    while (reader->page_count > 0) {
        drop_page(reader);
    }
}

void tp_reader_free(tp_reader *reader) {
    if (reader != NULL) {
        drop_pages(reader);
        tp_snapshot_free(&reader->position);
        tp_snapshot_free(&reader->target);
        free(reader);
    }
}

void tp_reader_reset(tp_reader *reader) {
    reader->state = READER_IDLE;
    reader->registry = NULL;
    reader->query.prepared = false;
    reader->query.keyless = false;
    reader->asked = false;
    reader->big_xid = 0;
    reader->met = false;
    drop_pages(reader);
}

static void finish(tp_reader *reader, tp_reader_outcome outcome, const trigperf_error *error) {
    reader->state = READER_IDLE;
    drop_pages(reader);
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

int32_t tp_reader_set_registry(tp_reader *reader, const tp_registry *registry,
                               trigperf_error **err) {
    reader->registry = registry;
    return tp_outbox_query_prepare(&reader->query, registry, prepared, reader, err);
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

/* Up to where everything has arrived. */
static const tp_snapshot *front(const tp_reader *reader) {
    return reader->page_count > 0 ? &reader->pages[reader->page_count - 1].to : &reader->position;
}

static int32_t ask(tp_reader *reader, trigperf_error **err) {
    if (reader->big_xid != 0) {
        reader->state = READER_STREAMING;
        return tp_outbox_query_transaction(&reader->query, reader->big_xid, on_big, reader, err);
    }
    reader->asked = true;
    return tp_outbox_query_page(&reader->query, front(reader), &reader->target, reader->limit,
                                on_page, reader, err);
}

/* Asks for what comes next, if there is something and it can be taken; or ends. */
static void go_on(tp_reader *reader) {
    trigperf_error *error = NULL;
    uint32_t most = reader->big_xid != 0 ? 0 : PAGES_MAX - 1;
    bool complete = tp_snapshot_covers(front(reader), &reader->target);
    if (complete && reader->page_count == 0) {
        finish(reader, TP_READER_DONE, NULL);
        return;
    }
    if (complete || reader->asked || reader->page_count > most || tp_engine_full(reader->engine)) {
        return;
    }
    if (ask(reader, &error) != TRIGPERF_OK) {
        finish_error(reader, error);
    }
}

/* How many rows the next page should have, by the weight of the last one. A page that ends early
 * and is small says little about rows. */
static void adapt(tp_reader *reader, const tp_page *page) {
    size_t bytes = tp_page_bytes(page);
    if (tp_page_is_whole(page) && bytes < PAGE_BYTES) {
        return;
    }
    size_t wanted = PAGE_BYTES / (bytes / tp_page_rows(page) + 1);
    size_t most = (size_t)reader->limit * 2 < MOST_ROWS ? (size_t)reader->limit * 2 : MOST_ROWS;
    wanted = wanted < most ? wanted : most;
    reader->limit = (uint32_t)(wanted > LEAST_ROWS ? wanted : LEAST_ROWS);
}

/* Tells the others. False: that broke the connection. */
static bool announce(tp_reader *reader, tp_reader_page told) {
    if (reader->handler.page != NULL) {
        told.from = front(reader);
        told.lsn = reader->target_lsn;
        reader->handler.page(reader->handler.user, &told);
    }
    return reader->state != READER_IDLE;
}

/* Takes the page. */
static void page_arrives(tp_reader *reader, tp_page *page) {
    trigperf_error *error = NULL;
    tp_snapshot to = {0};
    int32_t status = tp_snapshot_advance(front(reader), &reader->target, tp_page_old_last(page),
                                         tp_page_new_last(page), &to, &error);
    tp_reader_page told = {.to = &to,
                           .result = tp_page_result(page),
                           .rows = tp_page_rows(page),
                           .complete = tp_page_is_whole(page)};
    if (status != TRIGPERF_OK || !announce(reader, told)) {
        tp_page_free(page);
        tp_snapshot_free(&to);
        if (status != TRIGPERF_OK) {
            finish_error(reader, error);
        }
        return;
    }
    adapt(reader, page);
    reader->pages[reader->page_count++] = (arrived){page, to};
    go_on(reader);
}

/* The server could not spell a key in UTF-8. So what is asked for again is less, at last without
 * keys: every row is told as its table then. Otherwise the one row would be in the way of all
 * others for ever. False: something else has failed. */
static bool ask_less(tp_reader *reader, const PGresult *result) {
    if (!tp_pg_unreadable(result) || reader->query.keyless) {
        return false;
    }
    if (reader->limit > LEAST_ROWS && reader->big_xid == 0) {
        reader->limit = LEAST_ROWS;
    } else {
        reader->query.keyless = true;
        tp_log_write(reader->log, TP_LOG_WARNING,
                     "a key in the outbox is no text that UTF-8 can spell: tables are resynced "
                     "instead (%s)",
                     PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    }
    go_on(reader);
    return true;
}

static void on_page(void *user, PGresult *result) {
    tp_reader *reader = user;
    trigperf_error *error = NULL;
    reader->asked = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        if (!ask_less(reader, result)) {
            finish_result(reader, result, "reading the outbox");
        }
        PQclear(result);
        return;
    }
    reader->query.keyless = false;
    tp_page *page = tp_page_new(result, reader->limit);
    if (page == NULL) {
        tp_error_nomem(&error);
        finish_error(reader, error);
    } else if (tp_page_has_gap(page)) {
        tp_page_free(page);
        finish(reader, TP_READER_GAP, NULL);
    } else if (tp_page_too_big(page) != 0) {
        reader->big_xid = tp_page_too_big(page);
        tp_page_free(page);
        go_on(reader);
    } else {
        page_arrives(reader, page);
    }
}

static tp_page_use use_of(const tp_reader *reader) {
    return (tp_page_use){reader->registry, reader->engine, reader->log, reader->now_ms,
                         reader->target_lsn};
}

/* Applies rows of the first page until there are none left (true), or there is no room or no time
 * for more. */
static bool apply_rows(tp_reader *reader, uint32_t *changes) {
    tp_page_use use = use_of(reader);
    uint32_t unseen = CHANGES_PER_LOOK;
    for (;;) {
        if (unseen >= CHANGES_PER_LOOK) {
            if (*changes >= CHANGES_PER_TURN || tp_engine_full(reader->engine)) {
                return false;
            }
            unseen = 0;
        }
        uint32_t made = tp_page_apply_next(reader->pages[0].page, &use);
        if (made == 0) {
            return true;
        }
        reader->rows++;
        unseen += made;
        *changes += made;
    }
}

static void apply_pages(tp_reader *reader) {
    uint32_t changes = 0;
    while (reader->page_count > 0 && apply_rows(reader, &changes)) {
        trigperf_error *error = NULL;
        int32_t status = move_to(reader, &reader->pages[0].to, reader->target_lsn, &error);
        drop_page(reader);
        if (status != TRIGPERF_OK) {
            finish_error(reader, error);
            return;
        }
        go_on(reader);
    }
}

/* The big transaction has been read: it is passed, and its half no further; the other half not at
 * all. It was the first of its half that had rows. */
static void pass_big(tp_reader *reader) {
    trigperf_error *error = NULL;
    tp_snapshot to = {0};
    bool old = reader->big_xid < reader->position.xmax;
    int32_t status = tp_snapshot_advance(&reader->position, &reader->target,
                                         old ? reader->big_xid : TP_SNAPSHOT_NOTHING,
                                         old ? TP_SNAPSHOT_NOTHING : reader->big_xid, &to, &error);
    reader->big_xid = 0;
    reader->query.keyless = false;
    reader->state = READER_PAGING;
    if (status == TRIGPERF_OK && !announce(reader, (tp_reader_page){.to = &to})) {
        tp_snapshot_free(&to);
        return;
    }
    if (status == TRIGPERF_OK) {
        status = move_to(reader, &to, reader->target_lsn, &error);
    }
    if (status == TRIGPERF_OK) {
        go_on(reader);
    } else {
        finish_error(reader, error);
    }
}

static void on_big(void *user, PGresult *result) {
    tp_reader *reader = user;
    ExecStatusType kind = PQresultStatus(result);
    if (kind == PGRES_SINGLE_TUPLE) {
        tp_page_use use = use_of(reader);
        tp_page_apply_row(result, 0, &use);
        reader->rows++;
        if (tp_engine_full(reader->engine)) {
            tp_connection_pause(reader->connection, true);
        }
    } else if (kind == PGRES_TUPLES_OK) {
        pass_big(reader);
    } else if (!ask_less(reader, result)) {
        finish_result(reader, result, "reading a large transaction from the outbox");
    }
}

static int32_t take_target(tp_reader *reader, const PGresult *result, trigperf_error **err) {
    tp_snapshot target = {0};
    int32_t status = tp_snapshot_parse(PQgetvalue(result, 0, 0), &target, err);
    if (status == TRIGPERF_OK) {
        tp_snapshot_free(&reader->target);
        reader->target = target;
        reader->target_lsn = 0;
        tp_lsn_parse(PQgetvalue(result, 0, 1), &reader->target_lsn);
    }
    return status;
}

/* A transaction that ran at the position has ended since. */
static bool any_ended(const tp_reader *reader) {
    for (uint32_t i = 0; i < reader->position.xip_count; i++) {
        if (tp_snapshot_visible(&reader->target, reader->position.xip[i])) {
            return true;
        }
    }
    return false;
}

/* A position of a former connection that the first snapshot of this one does not cover: files of a
 * former time were put back, and the transaction ids from there on mean something else. */
static bool is_ahead(tp_reader *reader) {
    bool first = !reader->met;
    reader->met = true;
    return first && reader->has_position && !tp_snapshot_covers(&reader->target, &reader->position);
}

/* Whether the position may move to the target without a page. empty: the poll has seen nothing of
 * later transactions. */
static bool pass_nothing(tp_reader *reader, bool empty) {
    if (!reader->has_position) {
        return true;
    }
    if (!empty || !tp_outbox_query_same_part(reader->position.xmax, reader->target.xmax) ||
        any_ended(reader) || tp_snapshot_covers(&reader->position, &reader->target)) {
        return false;
    }
    return announce(reader, (tp_reader_page){.to = &reader->target, .complete = true});
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
    bool empty = PQgetvalue(result, 0, 3)[0] == 'f';
    int32_t status = take_target(reader, result, &error);
    if (status == TRIGPERF_OK && is_ahead(reader)) {
        finish(reader, TP_READER_AHEAD, NULL);
        return;
    }
    if (status == TRIGPERF_OK && pass_nothing(reader, empty)) {
        status = tp_reader_jump(reader, &reader->target, reader->target_lsn, &error);
    }
    if (reader->state == READER_IDLE) {
        return;
    }
    if (status != TRIGPERF_OK) {
        finish_error(reader, error);
    } else {
        reader->state = READER_PAGING;
        go_on(reader);
    }
}

int32_t tp_reader_poll(tp_reader *reader, trigperf_error **err) {
    if (reader->state != READER_IDLE || reader->registry == NULL) {
        return TRIGPERF_OK;
    }
    const tp_snapshot *from = reader->has_position ? &reader->position : NULL;
    int32_t status = tp_outbox_query_poll(&reader->query, from, on_poll, reader, err);
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

void tp_reader_work(tp_reader *reader, uint64_t now_ms) {
    reader->now_ms = now_ms;
    if (reader->state == READER_STREAMING && !tp_engine_full(reader->engine)) {
        tp_connection_pause(reader->connection, false);
    } else if (reader->state == READER_PAGING) {
        apply_pages(reader);
    }
    if (reader->state == READER_PAGING) {
        go_on(reader);
    }
}

bool tp_reader_has_work(tp_reader *reader) {
    return reader->state == READER_PAGING && reader->page_count > 0 &&
           !tp_engine_full(reader->engine);
}

uint64_t tp_reader_rows(const tp_reader *reader) {
    return reader->rows;
}

uint64_t tp_reader_lsn(const tp_reader *reader) {
    return reader->target_lsn;
}
