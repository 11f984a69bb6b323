/* These values are kept anyway; they are put into a reading when one is made, and cost nothing
 * before. Adding one means a line in a table, and in the table of doc/metrics.md. */
#include "api/internals.h"

#include <stddef.h>
#include <string.h>

#include "api/context.h"

/* A number somewhere in a struct, and what it is called. */
typedef struct entry {
    const char *name;
    const char *help;
    tp_series_type type;
    size_t offset;
} entry;

#define PIPELINE(kind, field, name, help)                                                          \
    { name, help, TP_SERIES_##kind, offsetof(tp_pipeline_counters, field) }
#define METRICS(kind, field, name, help)                                                           \
    { name, help, TP_SERIES_##kind, offsetof(tp_metrics_counters, field) }

static const entry pipeline_entries[] = {
    PIPELINE(COUNTER, changes, "trigperf_changes_total", "Changes that arrived."),
    PIPELINE(COUNTER, merged, "trigperf_changes_merged_total",
             "Changes merged into one that waited."),
    PIPELINE(COUNTER, keyless, "trigperf_changes_keyless_total", "Changes that yielded no key."),
    PIPELINE(COUNTER, collapsed, "trigperf_changes_collapsed_total",
             "Changes that became a resync because memory.max_bytes was reached."),
    PIPELINE(COUNTER, keys, "trigperf_keys_delivered_total",
             "Cache keys delivered, first attempts only."),
    PIPELINE(COUNTER, keys_merged, "trigperf_keys_merged_total",
             "Cache keys that a waiting window held already."),
    PIPELINE(COUNTER, keys_limited, "trigperf_keys_limited_total",
             "Cache keys held back by a rate limit."),
    PIPELINE(COUNTER, batches, "trigperf_batches_total", "Batches made, windows closed."),
    PIPELINE(COUNTER, acknowledged, "trigperf_batches_acknowledged_total",
             "Batches acknowledged by the host."),
    PIPELINE(COUNTER, redelivered, "trigperf_batches_redelivered_total",
             "Batches delivered again after they were given back."),
    PIPELINE(COUNTER, resyncs, "trigperf_resyncs_total", "Batches that asked for a resync."),
    PIPELINE(GAUGE, pending_changes, "trigperf_pending_changes",
             "Distinct changes in window and rate limiter."),
    PIPELINE(GAUGE, pending_keys, "trigperf_pending_keys",
             "Cache keys in window and rate limiter."),
    PIPELINE(GAUGE, pending_batches, "trigperf_pending_batches",
             "Batches made and not yet acknowledged."),
    PIPELINE(GAUGE, bytes, "trigperf_pending_bytes",
             "Memory of waiting changes, keys and batches."),
};

static const entry metrics_entries[] = {
    METRICS(GAUGE, series, "trigperf_series", "Series that were resolved."),
    METRICS(GAUGE, recorders, "trigperf_series_recorders",
            "Sets of cells: the most threads that recorded at one time."),
    METRICS(COUNTER, refused, "trigperf_series_refused_total",
            "Times a series was refused because metrics.max_series was reached."),
    METRICS(COUNTER, negative, "trigperf_series_negative_total",
            "Durations below zero, recorded as zero."),
    METRICS(COUNTER, lost, "trigperf_series_lost_total", "Records lost because memory was short."),
};

static void put(const entry *entries, size_t count, const void *from, tp_wanted_fn wanted,
                void *user, tp_reading *into) {
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        if (wanted != NULL && !wanted(user, entries[i].name)) {
            continue;
        }
        memcpy(&value, (const char *)from + entries[i].offset, sizeof value);
        tp_reading_family(into, entries[i].type, entries[i].name, entries[i].help);
        if (entries[i].type == TP_SERIES_COUNTER) {
            tp_reading_counter(into, NULL, 0, value);
        } else {
            tp_reading_gauge(into, NULL, 0, (double)value);
        }
    }
}

void tp_internals_put(trigperf_context *context, const tp_metrics_counters *counters,
                      tp_wanted_fn wanted, void *user, tp_reading *into) {
    tp_pipeline_counters pipeline;
    tp_pipeline_counters_get(tp_engine_lock(tp_context_engine(context)), &pipeline);
    tp_engine_unlock(tp_context_engine(context));
    put(pipeline_entries, sizeof pipeline_entries / sizeof pipeline_entries[0], &pipeline, wanted,
        user, into);
    put(metrics_entries, sizeof metrics_entries / sizeof metrics_entries[0], counters, wanted, user,
        into);
}
