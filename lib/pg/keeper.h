/* What a context does for the measurements in the database: now and then it lets the server collect
 * what triggers cost and keep retention, and writes its own series down. So does it for KPIs. */
#ifndef TP_PG_KEEPER_H
#define TP_PG_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "core/reading.h"
#include "pg/connection.h"

typedef struct tp_keeper tp_keeper;

/* Makes a reading of all series; the keeper frees it. */
typedef int32_t (*tp_keeper_read_fn)(void *user, tp_reading **out, trigperf_error **err);

typedef struct tp_keeper_options {
    const char *application; /* copied */
    uint32_t collect_ms;     /* 0: never */
    uint32_t flush_ms;       /* 0: never */
    uint32_t retention_days;
    uint32_t refresh_ms; /* of KPIs; 0: never */
    tp_keeper_read_fn read;
    void *user;
    const tp_log *log; /* outlives it */
} tp_keeper_options;

int32_t tp_keeper_new(const tp_keeper_options *options, uint64_t now_ms, tp_keeper **out,
                      trigperf_error **err);
void tp_keeper_free(tp_keeper *keeper);

/* Once a turn. connection is an ordinary one that is ready, or NULL; leads: this context does what
 * one does for all. */
void tp_keeper_tick(tp_keeper *keeper, tp_connection *connection, bool leads, uint64_t now_ms);
/* When the next tick has something to do, given a connection. */
uint64_t tp_keeper_deadline(const tp_keeper *keeper);
/* Queues what was measured last, before the connection is closed. */
void tp_keeper_finish(tp_keeper *keeper, tp_connection *connection, uint64_t now_ms);

#endif
