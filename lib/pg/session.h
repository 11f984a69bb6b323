/* What must be true before a connection may serve: server version, not a standby, schema fits,
 * subscription proven by a round trip. A chain of statements that ends in one call of done(). */
#ifndef TP_PG_SESSION_H
#define TP_PG_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/engine.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/registry.h"

typedef struct tp_session tp_session;

/* error NULL: the session stands. Otherwise its code tells whether trying again can help. */
typedef void (*tp_session_fn)(void *user, trigperf_error *error);

typedef struct tp_session_options {
    int32_t schema_version; /* that the library knows */
    uint32_t timeout_ms;    /* for a second connection, where a pooler stands between */
    tp_session_fn done;
    void *user;
    const tp_log *log; /* must outlive it */
} tp_session_options;

/* connection, loop and info must outlive it. */
int32_t tp_session_new(tp_connection *connection, tp_loop *loop, const tp_conninfo *info,
                       const tp_session_options *options, tp_session **out, trigperf_error **err);
void tp_session_free(tp_session *session);
void tp_session_abandon(tp_session *session); /* in a forked child */
/* The connection is gone. */
void tp_session_end(tp_session *session);

int32_t tp_session_begin(tp_session *session, uint64_t now_ms, trigperf_error **err);
/* A notification came: perhaps the self-test's. Needs no memory. */
void tp_session_echo(tp_session *session, const char *payload);
/* Fails the session when the echo does not come in time. */
void tp_session_tick(tp_session *session, uint64_t now_ms);
uint64_t tp_session_deadline(const tp_session *session);

/* The server's log was seen up to here. */
void tp_session_reached(tp_session *session, uint64_t lsn);
/* Its end lies before what was seen of it, on an earlier connection: a backup was restored. */
bool tp_session_went_back(const tp_session *session);

/* Facts, once it stands. */
const char *tp_session_channel(const tp_session *session);
const char *tp_session_incarnation(const tp_session *session); /* a uuid */
const char *tp_session_system(const tp_session *session);

/* Loads the registry and puts it into use; done(user, NULL or error). The registry belongs to the
 * caller of tp_session_take_registry(). */
int32_t tp_session_load_registry(tp_session *session, tp_engine *engine, tp_session_fn done,
                                 void *user, trigperf_error **err);
tp_registry *tp_session_take_registry(tp_session *session);

#endif
