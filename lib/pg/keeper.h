/* What a context does for its database beside following it: its own series are written down, and
 * the jobs that one context of all does are done, on a connection of its own. */
#ifndef TP_PG_KEEPER_H
#define TP_PG_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/flusher.h"
#include "pg/sideline.h"

typedef struct tp_keeper tp_keeper;

typedef struct tp_keeper_options {
    const char *application; /* copied */
    bool leads;              /* goes for jobs */
    bool own;                /* a connection of its own; else that of the source */
    uint32_t collect_ms;     /* 0: never */
    uint32_t flush_ms;       /* 0: never */
    uint32_t retention_days;
    uint32_t refresh_ms; /* of KPIs; 0: never */
    tp_sideline_options sideline;
    tp_flusher_read_fn read;
    void *user;
    const tp_log *log; /* outlives it */
} tp_keeper_options;

/* loop and info must outlive it. */
int32_t tp_keeper_new(tp_loop *loop, const tp_conninfo *info, const tp_keeper_options *options,
                      uint64_t now_ms, tp_keeper **out, trigperf_error **err);
void tp_keeper_free(tp_keeper *keeper);
void tp_keeper_abandon(tp_keeper *keeper); /* in a forked child */

/* Once a turn. link: the source's ordinary connection when it takes statements, else NULL. */
void tp_keeper_tick(tp_keeper *keeper, tp_connection *link, uint64_t now_ms);
/* When the next tick has something to do. */
uint64_t tp_keeper_deadline(const tp_keeper *keeper);

/* Before the source says farewell on its connection: ends the job that runs, gives up what it leads
 * and sends what was measured last. Ticks go on until it is closed, which takes two seconds at
 * most.
 */
void tp_keeper_finish(tp_keeper *keeper, tp_connection *link, uint64_t now_ms);
bool tp_keeper_closed(const tp_keeper *keeper, uint64_t now_ms);

/* A member "jobs". */
void tp_keeper_status(const tp_keeper *keeper, tp_strbuf *json);

#endif
