/* A backlog of the log, fetched with queries before its slot is followed. */
#ifndef TP_PG_WAL_FETCH_H
#define TP_PG_WAL_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pg/connection.h"

typedef struct tp_wal_fetch_handler {
    void *user;
    /* What comes next begins after the last transaction that came whole: forgets what came of
     * others, and returns where that one ended, 0 when there was none. */
    uint64_t (*resume)(void *user);
    uint64_t (*acknowledged)(void *user); /* by the host, up to here */
    /* A message of the output plugin. Borrowed. */
    void (*message)(void *user, const char *bytes, size_t length);
    /* No more is fetched: the slot can be followed from where resume() says. */
    void (*ended)(void *user);
    void (*failed)(void *user, trigperf_error *error); /* takes the error */
} tp_wal_fetch_handler;

typedef struct tp_wal_fetch {
    tp_connection *connection; /* for replication */
    const char *slot;
    char copy[64];
    tp_wal_fetch_handler handler;
    bool busy;
    bool discards;   /* what comes is read, and not looked at */
    bool broke;      /* it did not come to its end last time: the next connection goes without */
    bool begun;      /* the rows of a round have */
    uint64_t from;   /* where a round begins */
    uint64_t window; /* bytes of the log that it reads */
    uint64_t goal;   /* where the log ended at first */
    uint32_t taken;
    uint32_t unconfirmed; /* messages since the server was told what is acknowledged */
    uint64_t confirmed;
    uint64_t confirmed_ms;
    uint64_t position;
    uint64_t now_ms;
    uint64_t began_ms;
    uint64_t rows; /* messages, ever */
} tp_wal_fetch;

/* The name of the copy of a consumer's slot: whoever has it fetches for that consumer. */
void tp_wal_fetch_name(const char *slot, char name[64]);
/* Fetches if there is a backlog for which that pays, else ends at once. slot is borrowed. */
void tp_wal_fetch_begin(tp_wal_fetch *fetch, const char *slot, uint64_t now_ms);
/* A row that was copied. */
void tp_wal_fetch_take(tp_wal_fetch *fetch, const char *bytes, size_t length);
/* Nobody has read for so long, since the host is slow: true when the rows of this round are no
 * longer waited with, but dropped, so that the server's transaction ends. */
bool tp_wal_fetch_waited(tp_wal_fetch *fetch, uint64_t now_ms, uint64_t waited_ms);
/* When to ask, for a wait that began then; UINT64_MAX: no need. */
uint64_t tp_wal_fetch_deadline(const tp_wal_fetch *fetch, uint64_t since_ms);
void tp_wal_fetch_reset(tp_wal_fetch *fetch); /* the connection is gone */

#endif
