/* A named consumer of the log: its claim on a name, how far it was acknowledged, and what it owes.
 */
#ifndef TP_PG_WAL_CLAIM_H
#define TP_PG_WAL_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/engine.h"
#include "pg/connection.h"

typedef struct tp_wal_claim tp_wal_claim;

typedef struct tp_wal_claimed {
    const char *slot;
    bool make;   /* the slot cannot be continued: a new one is needed */
    bool stale;  /* one of that name stands in the way of it */
    bool resync; /* everything must be resynced once it is followed */
} tp_wal_claimed;

typedef struct tp_wal_claim_handler {
    void *user;
    void (*claimed)(void *user, const tp_wal_claimed *claimed);
    void (*missing)(void *user);                       /* the row was dropped */
    void (*failed)(void *user, trigperf_error *error); /* takes the error */
    void (*stored)(void *user);                        /* what was to be stored last is */
} tp_wal_claim_handler;

/* instance outlives it; name is copied. */
int32_t tp_wal_claim_new(tp_connection *connection, tp_engine *engine, const char *name,
                         const char *instance, const tp_wal_claim_handler *handler,
                         tp_wal_claim **out, trigperf_error **err);
void tp_wal_claim_free(tp_wal_claim *claim);
void tp_wal_claim_reset(tp_wal_claim *claim); /* the connection is gone */

/* restart: the slot could not be followed, make another one. */
int32_t tp_wal_claim_ask(tp_wal_claim *claim, const char *system, const char *incarnation,
                         bool restart, trigperf_error **err);
/* The resync is being emitted, with the tag that this returns. Until then it stays due, also over
 * lost connections. */
uint64_t tp_wal_claim_emitted(tp_wal_claim *claim);
/* Number of the newest claim, 0: none. */
uint64_t tp_wal_claim_number(const tp_wal_claim *claim);
/* What the row says now: fails when somebody else has claimed the name since. */
void tp_wal_claim_seen(tp_wal_claim *claim, uint64_t present);

/* Notes what was acknowledged (0: nothing yet), and that a resync was; with idle_too a sign of life
 * as well. */
int32_t tp_wal_claim_store(tp_wal_claim *claim, uint64_t acked, bool idle_too,
                           trigperf_error **err);
bool tp_wal_claim_storing(const tp_wal_claim *claim);

#endif
