/* Most of these values are kept anyway; they are put into a reading when one is made, and cost
 * nothing before. Adding one means a line in a table, and in the table of doc/metrics.md. The two
 * histograms are recorded through recorders of their own: one by whoever has the turn, one by
 * whoever holds the engine's lock. What the source counts belongs to the turn, and is copied at its
 * end for readings in other threads. */
#include "api/internals.h"

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "base/clock.h"

struct tp_internals {
    tp_recorder *turn;
    tp_recorder *apply;
    tp_shard *turn_seconds;
    tp_shard *apply_seconds;
    pthread_mutex_t mutex;
    bool measured;
    tp_feed_measures measures;
    tp_census_figures census;
};

/* --- durations ---------------------------------------------------------------------------------*/

static int32_t make_shard(tp_meter *meter, const char *name, const char *help,
                          tp_recorder **recorder, tp_shard **shard, trigperf_error **err) {
    tp_series_definition definition = {TP_SERIES_HISTOGRAM, name, help, NULL, NULL, 0};
    tp_series *series = NULL;
    int32_t status = tp_meter_resolve(meter, &definition, &series, err);
    if (status == TRIGPERF_OK) {
        status = tp_meter_recorder(meter, recorder, err);
    }
    if (status == TRIGPERF_OK) {
        *shard = tp_recorder_add_shard(*recorder, series->slot);
        status = *shard == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    return status;
}

int32_t tp_internals_new(tp_meter *meter, tp_internals **out, trigperf_error **err) {
    tp_internals *internals = calloc(1, sizeof *internals);
    if (internals == NULL) {
        return tp_error_nomem(err);
    }
    pthread_mutex_init(&internals->mutex, NULL);
    int32_t status =
        make_shard(meter, "trigperf_turn_seconds", "Time that one turn of processing took.",
                   &internals->turn, &internals->turn_seconds, err);
    if (status == TRIGPERF_OK) {
        status = make_shard(meter, "trigperf_batch_apply_seconds",
                            "Time from pulling a batch to its acknowledgement.", &internals->apply,
                            &internals->apply_seconds, err);
    }
    if (status != TRIGPERF_OK) {
        tp_internals_free(internals);
        return status;
    }
    *out = internals;
    return TRIGPERF_OK;
}

/* The recorders belong to the meter. */
void tp_internals_free(tp_internals *internals) {
    if (internals != NULL) {
        pthread_mutex_destroy(&internals->mutex);
        free(internals);
    }
}

void tp_internals_turn(tp_internals *internals, uint64_t ns) {
    tp_recorder_record(internals->turn, internals->turn_seconds, ns);
}

void tp_internals_applied(void *internals, uint64_t ns) {
    tp_internals *own = internals;
    tp_recorder_record(own->apply, own->apply_seconds, ns);
}

void tp_internals_measure(tp_internals *internals, const tp_feed *source) {
    if (tp_feed_exists(source) && source->class->measure != NULL) {
        pthread_mutex_lock(&internals->mutex);
        source->class->measure(source->self, &internals->measures);
        internals->measured = true;
        const tp_census_figures *census =
            source->class->census == NULL ? NULL : source->class->census(source->self);
        if (census != NULL && census->generation != internals->census.generation) {
            internals->census = *census;
        }
        pthread_mutex_unlock(&internals->mutex);
    }
}

/* --- values ------------------------------------------------------------------------------------*/

/* A number somewhere in a struct, and what it is called. */
typedef struct entry {
    const char *name;
    const char *help;
    tp_series_type type;
    size_t offset;
} entry;

/* Where values go, and which are wanted. */
typedef struct putting {
    tp_wanted_fn wanted;
    void *user;
    tp_reading *into;
} putting;

#define PIPELINE(kind, field, name, help)                                                          \
    { name, help, TP_SERIES_##kind, offsetof(tp_pipeline_counters, field) }
#define METRICS(kind, field, name, help)                                                           \
    { name, help, TP_SERIES_##kind, offsetof(tp_metrics_counters, field) }
#define SOURCE(kind, field, name, help)                                                            \
    { name, help, TP_SERIES_##kind, offsetof(tp_feed_measures, field) }
#define CACHE(kind, field, name, help)                                                             \
    { name, help, TP_SERIES_##kind, offsetof(tp_cache_figures, field) }
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const entry pipeline_entries[] = {
    PIPELINE(COUNTER, changes, "trigperf_changes_total", "Changes that arrived."),
    PIPELINE(COUNTER, merged, "trigperf_changes_merged_total",
             "Changes merged into one that waited."),
    PIPELINE(COUNTER, keyless, "trigperf_changes_keyless_total", "Changes that yielded no key."),
    PIPELINE(COUNTER, unreadable, "trigperf_changes_unreadable_total",
             "Changes told in a resync of their table, because a key is not UTF-8."),
    PIPELINE(COUNTER, keys, "trigperf_keys_delivered_total",
             "Cache keys delivered, first attempts only."),
    PIPELINE(COUNTER, keys_merged, "trigperf_keys_merged_total",
             "Cache keys that a waiting window held already."),
    PIPELINE(COUNTER, keys_limited, "trigperf_keys_limited_total",
             "Cache keys held back by a rate limit."),
    PIPELINE(COUNTER, batches, "trigperf_batches_total", "Batches made."),
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

static const entry source_entries[] = {
    SOURCE(COUNTER, rows, "trigperf_source_rows_total",
           "Rows of the outbox or of the log, or notifications, that were read."),
    SOURCE(COUNTER, polls, "trigperf_source_polls_total", "Times the outbox was polled."),
    SOURCE(COUNTER, malformed, "trigperf_source_malformed_total",
           "Notifications that were not understood, and skipped."),
    SOURCE(GAUGE, retained_bytes, "trigperf_source_retained_bytes",
           "Write-ahead log that the server keeps for the slot of this context."),
    SOURCE(GAUGE, lag_bytes, "trigperf_source_lag_bytes",
           "Log that the slot of this context has not confirmed, or outbox that it has not read."),
    SOURCE(GAUGE, retained_alert, "trigperf_source_retained_alert",
           "1 while the slot of this context keeps more than wal.alert_bytes."),
    SOURCE(COUNTER, given_up, "trigperf_source_slots_given_up_total",
           "Slots given up because they kept more than wal.max_bytes."),
    SOURCE(COUNTER, announcements, "trigperf_source_announcements_total",
           "Announcements of the notifier that were used."),
    SOURCE(COUNTER, reconnects, "trigperf_source_reconnects_total",
           "Times the connection was made anew."),
};

static const entry cache_entries[] = {
    CACHE(GAUGE, capacity, "trigperf_cache_capacity", "Room of the verdict cache, in verdicts."),
    CACHE(GAUGE, entries, "trigperf_cache_entries", "Verdicts in the cache."),
    CACHE(GAUGE, bytes, "trigperf_cache_bytes", "Memory of the verdict cache."),
    CACHE(COUNTER, hits, "trigperf_cache_hits_total", "Lookups that found a verdict."),
    CACHE(COUNTER, misses, "trigperf_cache_misses_total", "Lookups that found none."),
    CACHE(COUNTER, insertions, "trigperf_cache_insertions_total", "Verdicts put into the cache."),
    CACHE(COUNTER, evictions, "trigperf_cache_evictions_total", "Verdicts that went for others."),
    CACHE(COUNTER, expirations, "trigperf_cache_expirations_total",
          "Verdicts found dead: expired, or their table or row had changed."),
    CACHE(COUNTER, invalidations, "trigperf_cache_invalidations_total",
          "Verdicts that were invalidated."),
};

static const entry metrics_entries[] = {
    METRICS(GAUGE, series, "trigperf_series", "Series that were resolved."),
    METRICS(GAUGE, recorders, "trigperf_series_recorders",
            "Sets of cells: the most threads that recorded at one time, and two."),
    METRICS(COUNTER, refused, "trigperf_series_refused_total",
            "Times a series was refused because metrics.max_series was reached."),
    METRICS(COUNTER, negative, "trigperf_series_negative_total",
            "Durations below zero, recorded as zero."),
    METRICS(COUNTER, lost, "trigperf_series_lost_total", "Records lost because memory was short."),
};

static bool begin(const putting *p, tp_series_type type, const char *name, const char *help) {
    if (p->wanted != NULL && !p->wanted(p->user, name)) {
        return false;
    }
    tp_reading_family(p->into, type, name, help);
    return true;
}

static void put(const putting *p, const entry *entries, size_t count, const void *from) {
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)from + entries[i].offset, sizeof value);
        if (value == TP_NOT_MEASURED ||
            !begin(p, entries[i].type, entries[i].name, entries[i].help)) {
            continue;
        }
        if (entries[i].type == TP_SERIES_COUNTER) {
            tp_reading_counter(p->into, NULL, 0, value);
        } else {
            tp_reading_gauge(p->into, NULL, 0, (double)value);
        }
    }
}

static void put_windows(const putting *p, const tp_pipeline_counters *pipeline) {
    static const char *const reasons[] = {"window", "size", "flush"};
    if (begin(p, TP_SERIES_COUNTER, "trigperf_windows_closed_total",
              "Windows closed, by what closed them: time, size or a flush.")) {
        for (size_t i = 0; i < COUNT_OF(reasons); i++) {
            tp_label label = {"reason", reasons[i]};
            tp_reading_counter(p->into, &label, 1, pipeline->windows[i]);
        }
    }
}

static void put_collapsed(const putting *p, const tp_pipeline_counters *pipeline) {
    const struct {
        const char *level;
        uint64_t count;
    } levels[] = {{"group", pipeline->collapsed_group},
                  {"table", pipeline->collapsed_table},
                  {"all", pipeline->collapsed_all}};
    if (begin(p, TP_SERIES_COUNTER, "trigperf_changes_collapsed_total",
              "Changes told in a resync of that level because memory was short.")) {
        for (size_t i = 0; i < COUNT_OF(levels); i++) {
            tp_label label = {"level", levels[i].level};
            tp_reading_counter(p->into, &label, 1, levels[i].count);
        }
    }
}

static void put_figure(const putting *p, const char *name, const char *help, double value) {
    if (!isnan(value) && begin(p, TP_SERIES_GAUGE, name, help)) {
        tp_reading_gauge(p->into, NULL, 0, value);
    }
}

/* One figure of each consumer. */
static void put_consumers(const putting *p, const tp_census_figures *census, const char *name,
                          const char *help, size_t offset) {
    if (census->count == 0 || !begin(p, TP_SERIES_GAUGE, name, help)) {
        return;
    }
    for (uint32_t i = 0; i < census->count; i++) {
        const tp_census_entry *one = &census->entries[i];
        tp_label labels[] = {{"consumer", one->name}, {"source", one->wal ? "wal" : "outbox"}};
        double value;
        memcpy(&value, (const char *)one + offset, sizeof value);
        if (!isnan(value)) {
            tp_reading_gauge(p->into, labels, COUNT_OF(labels), value);
        }
    }
}

static void put_census(const putting *p, const tp_census_figures *census) {
    put_figure(p, "trigperf_consumers", "Named consumers of the database.", census->consumers);
    put_figure(p, "trigperf_consumers_overtaken",
               "Named consumers that will resync: something they had not read is gone.",
               census->overtaken);
    put_figure(p, "trigperf_outbox_bytes", "Size of the outbox.", census->outbox_bytes);
    put_figure(p, "trigperf_outbox_fill_ratio", "Size of the outbox by retention.max_bytes.",
               census->outbox_bytes / census->outbox_limit);
    put_consumers(p, census, "trigperf_consumer_lag_seconds",
                  "Time since the oldest change that a consumer has not acknowledged.",
                  offsetof(tp_census_entry, lag_seconds));
    put_consumers(p, census, "trigperf_consumer_lag_transactions",
                  "Transactions since the oldest change that a consumer has not acknowledged.",
                  offsetof(tp_census_entry, lag_transactions));
    put_consumers(p, census, "trigperf_consumer_lag_bytes",
                  "Bytes of the outbox, or of the log, that a consumer has not acknowledged.",
                  offsetof(tp_census_entry, lag_bytes));
}

static void put_source(const putting *p, trigperf_context *context, tp_internals *internals) {
    pthread_mutex_lock(&internals->mutex);
    bool measured = internals->measured;
    tp_feed_measures measures = internals->measures;
    tp_census_figures census = internals->census;
    pthread_mutex_unlock(&internals->mutex);
    if (!measured) {
        return;
    }
    put(p, source_entries, COUNT_OF(source_entries), &measures);
    if (begin(p, TP_SERIES_GAUGE, "trigperf_source_ready",
              "1 while changes are followed, 0 while connecting or failed.")) {
        bool ready = trigperf_context_state(context) == TRIGPERF_STATE_READY;
        tp_reading_gauge(p->into, NULL, 0, ready ? 1 : 0);
    }
    put_figure(p, "trigperf_source_queue_ratio",
               "Part of the server's queue of notifications that is in use.", measures.queue_ratio);
    if (census.known) {
        put_census(p, &census);
    }
    uint64_t now_ms = tp_clock_ms();
    if (measures.caught_up_ms != 0 && now_ms >= measures.caught_up_ms &&
        begin(p, TP_SERIES_GAUGE, "trigperf_source_lag_seconds",
              "Time since all changes visible in the database had been read.")) {
        tp_reading_gauge(p->into, NULL, 0, (double)(now_ms - measures.caught_up_ms) / 1000);
    }
}

static void put_cache(const putting *p, const tp_cache *cache) {
    tp_cache_figures figures;
    tp_cache_figures_get(cache, &figures);
    put(p, cache_entries, COUNT_OF(cache_entries), &figures);
}

void tp_internals_put(trigperf_context *context, const tp_metrics_counters *counters,
                      tp_wanted_fn wanted, void *user, tp_reading *into) {
    putting p = {wanted, user, into};
    tp_pipeline_counters pipeline;
    tp_pipeline_counters_get(tp_engine_lock(tp_context_engine(context)), &pipeline);
    tp_engine_unlock(tp_context_engine(context));
    put(&p, pipeline_entries, COUNT_OF(pipeline_entries), &pipeline);
    put_windows(&p, &pipeline);
    put_collapsed(&p, &pipeline);
    put_source(&p, context, tp_context_internals(context));
    put_cache(&p, tp_context_cache(context));
    put(&p, metrics_entries, COUNT_OF(metrics_entries), counters);
}
