/* What a reader of the log looks after while it is ready: its claim, its place among the live
 * contexts, the tables' replica identities, how much log the slots hold back, consumers' lag. */
#ifndef TP_PG_WAL_UPKEEP_H
#define TP_PG_WAL_UPKEEP_H

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "pg/connection.h"
#include "pg/feed.h"
#include "pg/wal_claim.h"

typedef struct tp_wal_upkeep tp_wal_upkeep;

typedef struct tp_wal_upkeep_handler {
    void *user;
    void (*failed)(void *user, trigperf_error *error); /* takes the error */
    void (*overdue)(void *user, uint64_t bytes); /* the own slot holds back more than allowed */
    const char *instance;                        /* outlives it */
    const char *application;                     /* copied */
} tp_wal_upkeep_handler;

int32_t tp_wal_upkeep_new(tp_connection *connection, const tp_log *log,
                          const tp_wal_upkeep_handler *handler, tp_wal_upkeep **out,
                          trigperf_error **err);
void tp_wal_upkeep_free(tp_wal_upkeep *upkeep);

void tp_wal_upkeep_begin(tp_wal_upkeep *upkeep, const char *slot, uint64_t now_ms);
void tp_wal_upkeep_reset(tp_wal_upkeep *upkeep); /* the connection is gone */
/* claim may be NULL. */
void tp_wal_upkeep_tick(tp_wal_upkeep *upkeep, tp_wal_claim *claim, uint64_t now_ms);
uint64_t tp_wal_upkeep_deadline(const tp_wal_upkeep *upkeep);
/* Sends a farewell. */
int32_t tp_wal_upkeep_leave(tp_wal_upkeep *upkeep, trigperf_error **err);
/* Fills in what it knows of the slots. */
void tp_wal_upkeep_measure(const tp_wal_upkeep *upkeep, tp_feed_measures *out);
const tp_census_figures *tp_wal_upkeep_census(const tp_wal_upkeep *upkeep); /* borrowed */
/* Members of a status object. */
void tp_wal_upkeep_status(const tp_wal_upkeep *upkeep, tp_strbuf *json);

#endif
