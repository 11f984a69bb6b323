/* How far the reader of the outbox is behind: since when, and about how many bytes. */
#ifndef TP_PG_BACKLOG_H
#define TP_PG_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pg/connection.h"

/* In place of a figure: it is not measured here, or was not yet. */
#define TP_NOT_MEASURED UINT64_MAX

typedef struct tp_reader tp_reader;

typedef struct tp_backlog {
    tp_connection *connection;
    const tp_reader *reader;
    uint64_t caught_up_ms; /* when all that was visible had been read; 0: never */
    uint64_t bytes;        /* of the outbox that were not read, or TP_NOT_MEASURED */
    uint64_t next_ms;
    bool asking;
    bool refused; /* the role may not ask */
} tp_backlog;

/* Both outlive it. */
tp_backlog tp_backlog_make(tp_connection *connection, const tp_reader *reader);
/* A session begins, or has ended: what was measured before is outdated. */
void tp_backlog_reset(tp_backlog *backlog);
/* All that is visible has been read. */
void tp_backlog_none(tp_backlog *backlog, uint64_t now_ms);
/* The session is up: asks when that is due. */
int32_t tp_backlog_tick(tp_backlog *backlog, uint64_t now_ms, trigperf_error **err);
uint64_t tp_backlog_deadline(const tp_backlog *backlog);

#endif
