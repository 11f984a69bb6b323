/* How far the host has acknowledged: stored under the consumer's name, then told to the server. */
#ifndef TP_PG_WAL_ACK_H
#define TP_PG_WAL_ACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/engine.h"
#include "core/waldecoder.h"
#include "pg/wal_claim.h"
#include "pg/wal_stream.h"

typedef struct tp_wal_ack {
    tp_engine *engine;
    tp_wal_stream *stream;
    const tp_waldecoder *decoder;
    tp_wal_claim *claim; /* NULL: the consumer has no name, and nothing is stored */
    uint32_t interval_ms;
    uint64_t next_ms;
    uint64_t next_store_ms;
    uint64_t acknowledged; /* batches, when positions were taken last */
    uint64_t checkpointed; /* position of the newest checkpoint */
    uint64_t position;     /* of what is acknowledged, 0: not known */
    uint64_t storing;      /* what the store under way stores */
    bool batches;          /* acknowledged since the last store */
} tp_wal_ack;

void tp_wal_ack_begin(tp_wal_ack *ack, uint64_t now_ms); /* a new stream */
int32_t tp_wal_ack_tick(tp_wal_ack *ack, uint64_t now_ms, trigperf_error **err);
/* Regardless of the time; no store may be under way. */
int32_t tp_wal_ack_farewell(tp_wal_ack *ack, uint64_t now_ms, trigperf_error **err);
/* The claim's store has succeeded. */
void tp_wal_ack_stored(tp_wal_ack *ack, uint64_t now_ms);
uint64_t tp_wal_ack_deadline(const tp_wal_ack *ack);

#endif
