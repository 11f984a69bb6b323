/* What is told is the pipeline's low-water position, which never passes a change whose batch is not
 * acknowledged. Where no transaction waits, all that the server has sent is done with, though none
 * of it was ours: it becomes a checkpoint, so that the server may forget the log of others.
 *
 * The server is told of nothing that is not stored, where there is a name to store it under: so
 * whoever claims the name later sees from a slot that is ahead that somebody else has moved it.
 * What others wrote is stored only now and then, lest what storing writes is a reason to store. */
#include "pg/wal_ack.h"

#include "core/lsn.h"
#include "pg/wal_apply.h"

#define STORE_MS 10000

void tp_wal_ack_begin(tp_wal_ack *ack, uint64_t now_ms) {
    ack->acknowledged = 0;
    ack->checkpointed = 0;
    ack->position = 0;
    ack->batches = false;
    ack->next_ms = now_ms;
    ack->next_store_ms = now_ms + STORE_MS;
}

static bool wanted(const tp_wal_ack *ack) {
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(tp_engine_lock(ack->engine), &counters);
    tp_engine_unlock(ack->engine);
    return counters.acknowledged != ack->acknowledged ||
           (tp_waldecoder_between(ack->decoder) &&
            tp_wal_stream_reached(ack->stream) > ack->checkpointed);
}

static bool take_position(tp_wal_ack *ack, uint64_t now_ms) {
    uint64_t reached = tp_wal_stream_reached(ack->stream);
    tp_pipeline_counters counters;
    tp_pipeline *pipeline = tp_engine_lock(ack->engine);
    if (tp_waldecoder_between(ack->decoder) && reached > ack->checkpointed &&
        tp_wal_checkpoint(pipeline, reached)) {
        ack->checkpointed = reached;
    }
    tp_pipeline_counters_get(pipeline, &counters);
    const char *position = tp_pipeline_position(pipeline);
    bool known = position != NULL && tp_lsn_parse(position, &ack->position);
    tp_engine_unlock(ack->engine);
    ack->batches = ack->batches || counters.acknowledged != ack->acknowledged;
    ack->acknowledged = counters.acknowledged;
    ack->next_ms = now_ms + ack->interval_ms;
    return known;
}

static int32_t store(tp_wal_ack *ack, bool idle_too, trigperf_error **err) {
    if (ack->claim == NULL || tp_wal_claim_storing(ack->claim)) {
        return TRIGPERF_OK;
    }
    int32_t status = tp_wal_claim_store(ack->claim, ack->position, idle_too || ack->batches, err);
    if (status == TRIGPERF_OK && tp_wal_claim_storing(ack->claim)) {
        ack->storing = ack->position;
        ack->batches = false;
    }
    return status;
}

void tp_wal_ack_stored(tp_wal_ack *ack, uint64_t now_ms) {
    tp_wal_stream_acknowledge(ack->stream, ack->storing, now_ms);
}

static void take(tp_wal_ack *ack, uint64_t now_ms) {
    if (take_position(ack, now_ms) && ack->claim == NULL) {
        tp_wal_stream_acknowledge(ack->stream, ack->position, now_ms);
    }
}

int32_t tp_wal_ack_tick(tp_wal_ack *ack, uint64_t now_ms, trigperf_error **err) {
    bool due = now_ms >= ack->next_store_ms;
    if (now_ms >= ack->next_ms && wanted(ack)) {
        take(ack, now_ms);
    }
    if (due) {
        ack->next_store_ms = now_ms + STORE_MS;
    }
    return store(ack, due, err);
}

int32_t tp_wal_ack_farewell(tp_wal_ack *ack, uint64_t now_ms, trigperf_error **err) {
    take(ack, now_ms);
    return store(ack, true, err);
}

uint64_t tp_wal_ack_deadline(const tp_wal_ack *ack) {
    bool sooner = ack->next_ms < ack->next_store_ms && wanted(ack);
    return sooner ? ack->next_ms : ack->next_store_ms;
}
