/* A durable consumer: its claim on a name, and its position on the server. */
#ifndef TP_PG_CONSUMER_H
#define TP_PG_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "core/engine.h"
#include "pg/connection.h"

typedef struct tp_consumer tp_consumer;

typedef struct tp_consumer_handler {
    void *user;
    /* The name is ours: read from this position. lsn: the log's end then. */
    void (*claimed)(void *user, const char *position, bool needs_resync, uint64_t lsn);
    /* The row was dropped: claim again. */
    void (*missing)(void *user);
    /* Takes the error: E_SUPERSEDED, or what the server said. */
    void (*failed)(void *user, trigperf_error *error);
} tp_consumer_handler;

/* instance outlives the consumer; name is copied. */
int32_t tp_consumer_new(tp_connection *connection, tp_engine *engine, const char *name,
                        const char *instance, const tp_consumer_handler *handler, tp_consumer **out,
                        trigperf_error **err);
void tp_consumer_free(tp_consumer *consumer);
/* The connection is gone. */
void tp_consumer_reset(tp_consumer *consumer);

/* channel: where former owners of the name listen. */
int32_t tp_consumer_claim(tp_consumer *consumer, const char *system, const char *incarnation,
                          const char *channel, trigperf_error **err);
/* The number of the newest claim: the tag of its resync. 0 before. */
uint64_t tp_consumer_claim_number(const tp_consumer *consumer);

/* Stores the low-water position if something was acknowledged since the last time; with idle_too
 * also if not (a sign of life). One store at a time. */
int32_t tp_consumer_store(tp_consumer *consumer, bool idle_too, trigperf_error **err);
bool tp_consumer_storing(const tp_consumer *consumer);
/* The name is claimed and no store is under way. */
bool tp_consumer_can_store(const tp_consumer *consumer);
/* The same as an idle store, together with the sign of life of the context. */
int32_t tp_consumer_seen(tp_consumer *consumer, const char *application, trigperf_error **err);

#endif
