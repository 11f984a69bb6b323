/* Whose a consumer name is, and whether that consumer owes its host a resync: what positions in the
 * database and positions in a slot have in common. */
#ifndef TP_PG_OWNERSHIP_H
#define TP_PG_OWNERSHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/engine.h"
#include "pg/connection.h"

typedef struct tp_ownership tp_ownership;

typedef struct tp_ownership_handler {
    void *user;
    void (*missing)(void *user); /* the row was dropped: claim again */
    /* Takes the error: E_SUPERSEDED, or what the server said. */
    void (*failed)(void *user, trigperf_error *error);
    void (*stored)(void *user); /* may be NULL */
} tp_ownership_handler;

/* The name is copied. NULL when memory is short. */
tp_ownership *tp_ownership_new(tp_connection *connection, tp_engine *engine, const char *name,
                               const tp_ownership_handler *handler);
void tp_ownership_free(tp_ownership *own);
void tp_ownership_reset(tp_ownership *own); /* the connection is gone */

const char *tp_ownership_name(const tp_ownership *own);
/* The newest claim: of the server, 0 while there is none; of this process, as text, NULL: none. */
uint64_t tp_ownership_number(const tp_ownership *own);
const char *tp_ownership_former(const tp_ownership *own, char text[24]);

/* A claim is sent: nothing is stored until its answer has come. */
void tp_ownership_asking(tp_ownership *own);
/* Its answer, whose columns are: number (NULL: the name is another's), any, whether a resync is
 * owed, whether the position is new, .. False: the handler was told. */
bool tp_ownership_answered(tp_ownership *own, const PGresult *result);
/* A resync is owed that was not emitted yet; and it is being emitted, with the tag that this
 * returns. */
bool tp_ownership_owes(const tp_ownership *own);
uint64_t tp_ownership_emitted(tp_ownership *own);
/* The row says this number now: tells the handler when it is not ours. */
void tp_ownership_seen(tp_ownership *own, uint64_t present);

/* The resync that was owed is acknowledged, and that is not stored. */
bool tp_ownership_settles(const tp_ownership *own);
/* Sends a statement that stores, whose answer is 'superseded', 'missing' or fine; one at a time. */
int32_t tp_ownership_store(tp_ownership *own, tp_statement statement, bool settles,
                           trigperf_error **err);
bool tp_ownership_storing(const tp_ownership *own);
/* The name is ours and no store is under way. */
bool tp_ownership_can_store(const tp_ownership *own);

#endif
