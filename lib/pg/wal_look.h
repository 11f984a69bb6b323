/* Which transactions an ordinary connection sees. */
#ifndef TP_PG_WAL_LOOK_H
#define TP_PG_WAL_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/snapshot.h"
#include "pg/connection.h"

/* Asks for the present snapshot when somebody wants to know of a transaction that the last one did
 * not show: at once when the last answer helped, more and more slowly while it does not. */
typedef struct tp_wal_look {
    tp_connection *connection;
    uint32_t min_ms;
    uint32_t max_ms;
    void *user;
    void (*failed)(void *user, trigperf_error *error); /* takes the error */
    bool asking;
    uint32_t awaited; /* the transaction that is wanted, 0: none */
    uint32_t wait_ms;
    uint64_t next_ms;
    uint64_t now_ms;
    tp_snapshot seen;
} tp_wal_look;

/* On a new connection. */
void tp_wal_look_begin(tp_wal_look *look, uint64_t now_ms);
void tp_wal_look_reset(tp_wal_look *look); /* the connection is gone; also frees */

bool tp_wal_look_visible(const tp_wal_look *look, uint32_t xid);
/* Asks, unless that is under way or too early. */
int32_t tp_wal_look_ask(tp_wal_look *look, uint32_t xid, uint64_t now_ms, trigperf_error **err);

#endif
