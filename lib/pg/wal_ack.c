/* What is told is the pipeline's low-water position, which never passes a change whose batch is not
 * acknowledged. Where no transaction waits, all that the server has sent is done with, though none
 * of it was ours: it becomes a checkpoint, so that the server may forget the log of others. */
#include "pg/wal_ack.h"

#include "core/lsn.h"
#include "pg/wal_apply.h"

void tp_wal_ack_begin(tp_wal_ack *ack, uint64_t now_ms) {
    ack->acknowledged = 0;
    ack->checkpointed = 0;
    ack->next_ms = now_ms;
}

bool tp_wal_ack_wanted(const tp_wal_ack *ack) {
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(tp_engine_lock(ack->engine), &counters);
    tp_engine_unlock(ack->engine);
    return counters.acknowledged != ack->acknowledged ||
           (tp_waldecoder_between(ack->decoder) &&
            tp_wal_stream_reached(ack->stream) > ack->checkpointed);
}

void tp_wal_ack_tell(tp_wal_ack *ack, uint64_t now_ms) {
    uint64_t reached = tp_wal_stream_reached(ack->stream);
    uint64_t lsn = 0;
    tp_pipeline_counters counters;
    tp_pipeline *pipeline = tp_engine_lock(ack->engine);
    if (tp_waldecoder_between(ack->decoder) && reached > ack->checkpointed &&
        tp_wal_checkpoint(pipeline, reached)) {
        ack->checkpointed = reached;
    }
    tp_pipeline_counters_get(pipeline, &counters);
    const char *position = tp_pipeline_position(pipeline);
    bool moved = position != NULL && tp_lsn_parse(position, &lsn);
    tp_engine_unlock(ack->engine);
    ack->acknowledged = counters.acknowledged;
    ack->next_ms = now_ms + ack->interval_ms;
    if (moved) {
        tp_wal_stream_acknowledge(ack->stream, lsn, now_ms);
    }
}
