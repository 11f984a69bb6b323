/* Telling the server how far the host has acknowledged. */
#ifndef TP_PG_WAL_ACK_H
#define TP_PG_WAL_ACK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/engine.h"
#include "core/waldecoder.h"
#include "pg/wal_stream.h"

typedef struct tp_wal_ack {
    tp_engine *engine;
    tp_wal_stream *stream;
    const tp_waldecoder *decoder;
    uint32_t interval_ms;
    uint64_t next_ms;
    uint64_t acknowledged; /* batches, when positions were taken last */
    uint64_t checkpointed; /* position of the newest checkpoint */
} tp_wal_ack;

void tp_wal_ack_begin(tp_wal_ack *ack, uint64_t now_ms); /* a new stream */
/* Whether there is something to tell. */
bool tp_wal_ack_wanted(const tp_wal_ack *ack);
void tp_wal_ack_tell(tp_wal_ack *ack, uint64_t now_ms);

#endif
