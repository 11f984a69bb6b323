/* What a reader of the log must know of the server and its registry, asked on an ordinary
 * connection: whether the log can be followed, attached tables, rules. */
#ifndef TP_PG_WAL_CATALOG_H
#define TP_PG_WAL_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/engine.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/registry.h"
#include "pg/wal_specs.h"

typedef struct tp_wal_catalog tp_wal_catalog;

typedef struct tp_wal_catalog_handler {
    void *user;
    void (*standing)(void *user); /* the session's checks have passed */
    void (*loaded)(void *user);   /* the registry is loaded, at first and whenever asked for */
    void (*failed)(void *user, trigperf_error *error); /* takes the error */
} tp_wal_catalog_handler;

typedef struct tp_wal_catalog_options {
    int32_t schema_version;
    uint32_t timeout_ms; /* for a second connection, where a pooler stands between */
    tp_loop *loop;
    const tp_conninfo *info;
    tp_engine *engine;
    const tp_log *log;
} tp_wal_catalog_options;

/* All pointers must outlive it. */
int32_t tp_wal_catalog_new(tp_connection *connection, const tp_wal_catalog_options *options,
                           const tp_wal_catalog_handler *handler, tp_wal_catalog **out,
                           trigperf_error **err);
void tp_wal_catalog_free(tp_wal_catalog *catalog);
void tp_wal_catalog_abandon(tp_wal_catalog *catalog); /* in a forked child */
void tp_wal_catalog_reset(tp_wal_catalog *catalog);   /* the connection is gone */

int32_t tp_wal_catalog_begin(tp_wal_catalog *catalog, uint64_t now_ms, trigperf_error **err);
void tp_wal_catalog_echo(tp_wal_catalog *catalog, const char *payload); /* a notification came */
void tp_wal_catalog_tick(tp_wal_catalog *catalog, uint64_t now_ms);
uint64_t tp_wal_catalog_deadline(const tp_wal_catalog *catalog);

/* Loads the registry anew, and puts it into use. */
int32_t tp_wal_catalog_load(tp_wal_catalog *catalog, trigperf_error **err);

/* The server's log was seen up to here; and whether its end lies before that now. */
void tp_wal_catalog_reached(tp_wal_catalog *catalog, uint64_t lsn);
bool tp_wal_catalog_went_back(const tp_wal_catalog *catalog);

/* Once loaded. */
const char *tp_wal_catalog_system(const tp_wal_catalog *catalog);
const char *tp_wal_catalog_incarnation(const tp_wal_catalog *catalog);
const tp_registry *tp_wal_catalog_registry(const tp_wal_catalog *catalog);
const tp_wal_specs *tp_wal_catalog_specs(const tp_wal_catalog *catalog);

#endif
