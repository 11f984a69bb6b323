/* One non-blocking connection to PostgreSQL: connects, runs queued statements one at a time, hands
 * out notifications, and notices silence. Never blocks; all work happens in
 * tp_connection_process().
 */
#ifndef TP_PG_CONNECTION_H
#define TP_PG_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "pg/conninfo.h"

/* Rows of name and value: time limits that a role or database may have for its sessions, while ours
 * last as long as the context. Servers before 17 lack the last one, hence the condition, which
 * stands behind such rows called s. */
#define TP_PG_NO_LIMITS                                                                            \
    "('statement_timeout', '0'), ('idle_session_timeout', '0'), ('transaction_timeout', '0')"
#define TP_PG_WHERE_KNOWN " WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL"

typedef struct tp_connection tp_connection;

typedef enum tp_connection_state {
    TP_CONNECTION_CLOSED,
    TP_CONNECTION_RESOLVING,
    TP_CONNECTION_CONNECTING,
    TP_CONNECTION_OPEN
} tp_connection_state;

/* Called with each result of a statement. Plain statements: exactly once. Streamed ones: once per
 * row (PGRES_SINGLE_TUPLE), then once with the final result. The result is freed after the call,
 * unless the statement says that the handler does.
 * When the connection breaks first, it is not called at all. */
typedef void (*tp_result_fn)(void *user, PGresult *result);

typedef void (*tp_notify_fn)(void *user, const char *channel, const char *payload, bool own);

/* One message of a replication stream, or one row that is copied. */
typedef void (*tp_copy_fn)(void *user, const char *bytes, size_t length);

typedef struct tp_connection_options {
    uint32_t connect_timeout_ms;
    uint32_t silence_timeout_ms; /* a statement unanswered for so long breaks the connection */
    uint32_t window_ms;          /* what is copied may wait so long before it is delivered */
    bool replication;            /* speaks the replication protocol for the database */
    tp_notify_fn notify;         /* NULL: it never listens */
    tp_copy_fn copy;             /* NULL: nothing is copied */
    void *user;
    const tp_log *log;
} tp_connection_options;

typedef struct tp_statement {
    const char *text; /* SQL, or the name of a prepared statement when prepared is set */
    bool prepared;
    bool repeated; /* sent again and again: the SQL is prepared once on each connection */
    bool streamed;
    bool keeps;                /* done() frees the result itself */
    bool patient;              /* may take 40 times the silence that breaks a connection */
    uint32_t limit_ms;         /* or so long; 0: as said above */
    int32_t count;             /* of parameters */
    const char *const *values; /* text format, copied; NULL entries are SQL NULL */
    tp_result_fn done;         /* may be NULL: errors are then logged */
    void *user;
} tp_statement;

/* info, loop and options->log must outlive it. */
int32_t tp_connection_new(tp_loop *loop, const tp_conninfo *info,
                          const tp_connection_options *options, tp_connection **out,
                          trigperf_error **err);
/* Closes politely with a Terminate message when open. */
void tp_connection_free(tp_connection *connection);
/* In a forked child: closes the descriptor without a word on the wire. Memory stays, since a thread
 * of the parent may have been changing it at the fork. */
void tp_connection_abandon(tp_connection *connection);

int32_t tp_connection_open(tp_connection *connection, uint64_t now_ms, trigperf_error **err);
void tp_connection_close(tp_connection *connection); /* forgets queued statements */

tp_connection_state tp_connection_state_of(const tp_connection *connection);
/* Drives it. An error means that it is closed now. */
int32_t tp_connection_process(tp_connection *connection, uint64_t now_ms, trigperf_error **err);
uint64_t tp_connection_deadline(const tp_connection *connection);

/* Queues a statement (everything is copied). */
int32_t tp_connection_send(tp_connection *connection, const tp_statement *statement,
                           trigperf_error **err);
/* Nothing queued nor running. */
bool tp_connection_quiet(const tp_connection *connection);
/* While paused, results of the running statement stay in the socket. */
void tp_connection_pause(tp_connection *connection, bool paused);

/* After a statement whose result was PGRES_COPY_OUT its rows go to copy(), and then it has another
 * result. After one whose result was PGRES_COPY_BOTH messages do, until the connection breaks, and
 * whoever owns it watches over silence. Sends a message (copied); false when there is no room at
 * present. */
bool tp_connection_put(tp_connection *connection, const char *bytes, size_t length);

PGconn *tp_connection_raw(tp_connection *connection); /* for parameters and status only */

#endif
