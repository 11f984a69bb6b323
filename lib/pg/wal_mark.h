/* Messages of our own through the log: what stands before one that comes back has been read. */
#ifndef TP_PG_WAL_MARK_H
#define TP_PG_WAL_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/snapshot.h"
#include "pg/connection.h"

typedef struct tp_wal_mark {
    tp_connection *connection;
    const char *instance;
    void *user;
    void (*written)(void *user);                       /* it is in the log */
    void (*failed)(void *user, trigperf_error *error); /* takes the error */
    bool under_way;
    uint64_t number;
    uint64_t requested;     /* newest ticket asked for */
    uint64_t ticket;        /* of the mark under way */
    uint64_t complete;      /* newest ticket whose mark came back */
    tp_snapshot written_at; /* of the one under way, once it is known */
    tp_snapshot position;   /* of the newest that came back: all of it has been read */
} tp_wal_mark;

void tp_wal_mark_reset(tp_wal_mark *mark); /* the connection is gone */
void tp_wal_mark_free(tp_wal_mark *mark);

int32_t tp_wal_mark_send(tp_wal_mark *mark, trigperf_error **err);
/* A transaction with a mark of that number (0: without) was read: whether it was the one under way,
 * and counts. */
bool tp_wal_mark_take(tp_wal_mark *mark, uint64_t number);

#endif
