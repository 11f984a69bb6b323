/* A further connection, for statements that may take long and must delay no delivery. It is there
 * only while there is work for it: made when somebody asks, closed when it idled for a while. */
#ifndef TP_PG_SIDELINE_H
#define TP_PG_SIDELINE_H

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "pg/connection.h"
#include "pg/conninfo.h"

typedef struct tp_sideline tp_sideline;

typedef struct tp_sideline_options {
    const char *purpose; /* for the log: what waits when there is none; both outlive it */
    const char *suffix;  /* behind the application's name, at most 7 bytes */
    uint32_t connect_timeout_ms;
    uint32_t silence_timeout_ms;
    uint32_t reconnect_min_ms;
    uint32_t reconnect_max_ms;
    uint32_t statement_timeout_ms; /* of the server; 0: none */
    uint32_t idle_ms;              /* after so long without a statement it is closed */
    const tp_log *log;             /* outlives it */
} tp_sideline_options;

/* loop and info must outlive it. */
int32_t tp_sideline_new(tp_loop *loop, const tp_conninfo *info, const tp_sideline_options *options,
                        tp_sideline **out, trigperf_error **err);
void tp_sideline_free(tp_sideline *sideline);
void tp_sideline_abandon(tp_sideline *sideline); /* in a forked child */

/* Once a turn: drives the connection, closes it when it idled. */
void tp_sideline_process(tp_sideline *sideline, uint64_t now_ms);
uint64_t tp_sideline_deadline(const tp_sideline *sideline);
/* There is work: begins to connect, unless that failed a moment ago. */
void tp_sideline_want(tp_sideline *sideline, uint64_t now_ms);
/* The connection while it takes statements, else NULL. */
tp_connection *tp_sideline_ready(const tp_sideline *sideline);
/* Closes it at once; statements that run are forgotten here, and end on the server when it notices.
 */
void tp_sideline_close(tp_sideline *sideline);
/* Changes with each connection: answers to what was sent under another number never come. */
uint32_t tp_sideline_number(const tp_sideline *sideline);
/* The server's process while it is ready, as text for pg_cancel_backend(). */
const char *tp_sideline_pid(const tp_sideline *sideline);

/* Members "connection", "pid", "reconnects" and "connection_error". */
void tp_sideline_status(const tp_sideline *sideline, tp_strbuf *json);

#endif
