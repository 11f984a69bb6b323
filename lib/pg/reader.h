/* Reads the outbox from one snapshot to the next, page by page, into the engine.
 *
 * A position is a snapshot: everything visible in it has been read. A poll asks for the present
 * snapshot (or is told one); what is visible there and was not at the position is read in pages
 * that end at whole transactions, and each page moves the position and sets a checkpoint. */
#ifndef TP_PG_READER_H
#define TP_PG_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "core/engine.h"
#include "core/snapshot.h"
#include "pg/connection.h"
#include "pg/outbox_row.h"
#include "pg/registry.h"

typedef struct tp_reader tp_reader;

typedef enum tp_reader_outcome {
    TP_READER_DONE,     /* the position has reached the target */
    TP_READER_REGISTRY, /* the registry has another version: load it, then poll again */
    TP_READER_GAP,      /* rows after the position are gone: resync */
    TP_READER_AHEAD,    /* the server has not come as far as the position: it went back */
    TP_READER_FAILED    /* a statement failed: see error */
} tp_reader_outcome;

/* A page that leads from one position straight to another, for those who share what they read. It
 * is told when it has arrived, before its rows are applied here. */
typedef struct tp_reader_page {
    const tp_snapshot *from;
    const tp_snapshot *to;
    uint64_t lsn;
    PGresult *result; /* columns: half, xid, table_id, op, then the registry's; NULL: no rows */
    uint32_t rows;
    bool complete; /* the page holds everything between from and to */
} tp_reader_page;

typedef struct tp_reader_handler {
    void *user;
    void (*done)(void *user, tp_reader_outcome outcome, const trigperf_error *error);
    void (*page)(void *user, const tp_reader_page *page); /* may be NULL */
} tp_reader_handler;

int32_t tp_reader_new(tp_connection *connection, tp_engine *engine, const tp_log *log,
                      const tp_reader_handler *handler, tp_reader **out, trigperf_error **err);
void tp_reader_free(tp_reader *reader);

/* A new connection: nothing is prepared, nothing under way. The position stays. */
void tp_reader_reset(tp_reader *reader);
/* Uses a registry (borrowed until the next one) and prepares the statements that fit it. */
int32_t tp_reader_set_registry(tp_reader *reader, const tp_registry *registry,
                               trigperf_error **err);
/* Starts at a position, or at the present (position NULL: the next poll only takes its snapshot).
 */
int32_t tp_reader_set_position(tp_reader *reader, const char *position, trigperf_error **err);
bool tp_reader_has_position(const tp_reader *reader);
const tp_snapshot *tp_reader_position(const tp_reader *reader);

/* Begins a poll; nothing happens when one is under way. done() is called when it ends. */
int32_t tp_reader_poll(tp_reader *reader, trigperf_error **err);
bool tp_reader_busy(const tp_reader *reader);
/* Applies rows that have arrived, as far as the engine has room and a bounded number in a call, and
 * asks for more; call once a turn. */
void tp_reader_work(tp_reader *reader, uint64_t now_ms);
/* The next call would apply something. */
bool tp_reader_has_work(tp_reader *reader);
/* Time of this turn, for changes that arrive in handlers. */
void tp_reader_set_now(tp_reader *reader, uint64_t now_ms);

/* The position moves to a snapshot without reading, all rows between having been applied. */
int32_t tp_reader_jump(tp_reader *reader, const tp_snapshot *to, uint64_t lsn,
                       trigperf_error **err);
/* The end of the log when the newest snapshot was taken; 0 before. */
uint64_t tp_reader_lsn(const tp_reader *reader);
uint64_t tp_reader_rows(const tp_reader *reader); /* read in all */

#endif
