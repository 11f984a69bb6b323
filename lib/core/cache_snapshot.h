/* A cache as bytes, for a warm start. Not for verdicts that are bound to a table or a row: what has
 * happened to those meanwhile cannot be known. */
#ifndef TP_CORE_CACHE_SNAPSHOT_H
#define TP_CORE_CACHE_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "core/cache_table.h"

/* A validator whose verdicts are not of its first generation. */
typedef struct tp_snapshot_validator {
    uint32_t number;
    uint64_t generation;
} tp_snapshot_validator;

/* The parts of a snapshot, in their order. wall_ms: time of day. The buffer's flag tells whether
 * memory was short. */
void tp_snapshot_begin(tp_strbuf *out, const tp_cache_table *table, uint64_t wall_ms,
                       const tp_snapshot_validator *validators, uint32_t count);
/* Locks one set after the other. */
void tp_snapshot_sets(tp_strbuf *out, tp_cache_table *table, uint64_t now_ms);
void tp_snapshot_end(tp_strbuf *out);

/* Bytes that were found to be a whole snapshot. */
typedef struct tp_snapshot {
    uint64_t wall_ms;
    uint32_t validator_count;
    const unsigned char *validators;
    const unsigned char *entries;
    size_t entries_length;
    uint64_t sets; /* 0: keys are whole */
    const unsigned char *key;
} tp_snapshot;

/* E_INVALID says what is wrong with them. */
int32_t tp_snapshot_read(const void *bytes, size_t length, tp_snapshot *snapshot,
                         trigperf_error **err);
tp_snapshot_validator tp_snapshot_validator_at(const tp_snapshot *snapshot, uint32_t i);

/* A table as it was saved, with the hash key that it was saved with; its times to live shortened by
 * elapsed_ms. *entries receives their number. */
int32_t tp_snapshot_table(const tp_snapshot *snapshot, const tp_cache_world *world, uint64_t now_ms,
                          uint64_t elapsed_ms, tp_cache_table **table, uint64_t *entries,
                          trigperf_error **err);

/* A snapshot of whole keys: puts what the table lacks. */
int32_t tp_snapshot_put(const tp_snapshot *snapshot, tp_cache_table *table, uint64_t now_ms,
                        uint64_t elapsed_ms, uint64_t *entries, trigperf_error **err);

#endif
