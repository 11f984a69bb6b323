/* The parts of the wal source, made and wired together. */
#ifndef TP_PG_WAL_PARTS_H
#define TP_PG_WAL_PARTS_H

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/engine.h"
#include "core/waldecoder.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/wal_ack.h"
#include "pg/wal_catalog.h"
#include "pg/wal_claim.h"
#include "pg/wal_look.h"
#include "pg/wal_mark.h"
#include "pg/wal_stream.h"
#include "pg/wal_upkeep.h"

typedef struct tp_wal_options {
    const char *consumer; /* "": ephemeral, with a temporary slot */
    const char *application_name;
    int32_t schema_version;
    uint32_t poll_min_ms; /* how often a commit that is not visible yet is looked for */
    uint32_t poll_max_ms;
    uint32_t ack_interval_ms;
    uint32_t reconnect_min_ms;
    uint32_t reconnect_max_ms;
    uint32_t connect_timeout_ms;
    uint32_t silence_timeout_ms;
    uint32_t window_ms; /* changes may wait so long before they are delivered */
    uint64_t max_bytes; /* memory for transactions that wait, or are being received */
} tp_wal_options;

/* Who owns the parts, and hears from them; see their headers. */
typedef struct tp_wal_wiring {
    const tp_conninfo *info;
    tp_loop *loop;
    tp_engine *engine;
    const tp_log *log;
    void *user;
    tp_notify_fn notify;
    void (*standing)(void *user);
    void (*loaded)(void *user);
    void (*claimed)(void *user, const tp_wal_claimed *claimed);
    void (*missing)(void *user);
    void (*stored)(void *user);
    void (*failed)(void *user, trigperf_error *error);
    void (*stream_failed)(void *user, trigperf_error *error);
    void (*started)(void *user, bool made);
    uint64_t (*resume)(void *user);
    void (*written)(void *user);
    void (*message)(void *user, const char *bytes, size_t length);
    void (*overdue)(void *user, uint64_t bytes);
} tp_wal_wiring;

typedef struct tp_wal_parts {
    char instance[37];
    uint32_t slots;         /* temporary ones that were named */
    tp_connection *control; /* the ordinary connection */
    tp_wal_catalog *catalog;
    tp_wal_look look;
    tp_wal_mark mark;
    tp_wal_claim *claim; /* NULL when ephemeral */
    tp_wal_upkeep *upkeep;
    tp_wal_stream *stream; /* the replication connection */
    tp_waldecoder *decoder;
    tp_wal_ack ack;
} tp_wal_parts;

/* parts are zeroes, and stay where they are. They can be freed after a failure. */
int32_t tp_wal_parts_build(tp_wal_parts *parts, const tp_wal_options *options,
                           const tp_wal_wiring *wiring, trigperf_error **err);
void tp_wal_parts_free(tp_wal_parts *parts);
void tp_wal_parts_abandon(tp_wal_parts *parts); /* in a forked child */
/* The name of a temporary slot. */
void tp_wal_parts_name_slot(const tp_wal_parts *parts, char name[64]);
/* Closes both connections; nothing is under way any more. */
void tp_wal_parts_reset(tp_wal_parts *parts);

#endif
