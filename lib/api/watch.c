/* Only the series that rules name are read. Rules are applied inside a turn, at most once per
 * interval; without rules there is no timer and nothing to do. Locks: a turn's, then this one's,
 * then those of reading. */
#include "api/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/context.h"
#include "api/meter.h"
#include "base/clock.h"

#define STATES_MAX 10000u

struct tp_watch {
    trigperf_context *context;
    pthread_mutex_t mutex;
    tp_alerts *alerts;
    uint32_t interval_ms;
    uint64_t due_ms;
    uint64_t told; /* number of the newest event that was made known */
    atomic_bool news[TP_WATCH_READERS];
    atomic_bool idle; /* no rules */
};

int32_t tp_watch_new(trigperf_context *context, uint32_t interval_ms, tp_watch **out,
                     trigperf_error **err) {
    tp_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return tp_error_nomem(err);
    }
    int32_t status = tp_alerts_new(STATES_MAX, &watch->alerts, err);
    if (status != TRIGPERF_OK) {
        free(watch);
        return status;
    }
    watch->context = context;
    watch->interval_ms = interval_ms;
    atomic_store(&watch->idle, true);
    pthread_mutex_init(&watch->mutex, NULL);
    *out = watch;
    return TRIGPERF_OK;
}

void tp_watch_free(tp_watch *watch) {
    if (watch != NULL) {
        tp_alerts_free(watch->alerts);
        pthread_mutex_destroy(&watch->mutex);
        free(watch);
    }
}

tp_alerts *tp_watch_lock(tp_watch *watch) {
    pthread_mutex_lock(&watch->mutex);
    return watch->alerts;
}

/* With the lock held: whether events were raised. */
static bool note_news(tp_watch *watch) {
    uint64_t number = tp_alerts_number(watch->alerts);
    bool fresh = number > watch->told;
    watch->told = number;
    for (int i = 0; fresh && i < TP_WATCH_READERS; i++) {
        atomic_store(&watch->news[i], true);
    }
    return fresh;
}

void tp_watch_unlock(tp_watch *watch) {
    bool fresh = note_news(watch);
    bool rules = tp_alerts_count(watch->alerts) > 0;
    bool began = rules && atomic_load(&watch->idle);
    atomic_store(&watch->idle, !rules);
    pthread_mutex_unlock(&watch->mutex);
    if (fresh || began) {
        tp_loop_wake(tp_context_loop(watch->context));
        tp_engine_broadcast(tp_context_engine(watch->context));
    }
}

static bool wanted(void *user, const char *name) {
    return tp_alerts_wants(user, name);
}

/* With the lock held: what rules look at. */
static int32_t read_wanted(tp_watch *watch, tp_reading **reading, trigperf_error **err) {
    return tp_meter_read(tp_context_meter(watch->context), wanted, watch->alerts, false, reading,
                         err);
}

/* With the lock held. */
static int32_t apply(tp_watch *watch, uint64_t now_ms, trigperf_error **err) {
    tp_reading *reading = NULL;
    int32_t status = read_wanted(watch, &reading, err);
    if (status == TRIGPERF_OK) {
        tp_alert_time time = {now_ms, tp_clock_unix_ms()};
        status = tp_alerts_judge(watch->alerts, time, reading, err);
    }
    tp_reading_free(reading);
    return status;
}

/* With the lock held. */
static int32_t begin(tp_watch *watch, const char *name, trigperf_error **err) {
    tp_reading *reading = NULL;
    int32_t status = read_wanted(watch, &reading, err);
    if (status == TRIGPERF_OK) {
        tp_alert_time time = {tp_clock_ms(), tp_clock_unix_ms()};
        status = tp_alerts_begin(watch->alerts, name, time, reading, err);
    }
    tp_reading_free(reading);
    return status;
}

int32_t tp_watch_rule(tp_watch *watch, const char *name, const char *text, trigperf_error **err) {
    int32_t status = tp_alerts_add(tp_watch_lock(watch), name, text, err);
    if (status == TRIGPERF_OK) {
        status = begin(watch, name, err);
        if (status != TRIGPERF_OK) {
            tp_alerts_remove(watch->alerts, name, NULL);
        }
    }
    tp_watch_unlock(watch);
    return status;
}

int32_t tp_watch_follow(tp_watch *watch, trigperf_error **err) {
    static const char *const rules[][2] = {
        {"source_lag", "measure=value series=trigperf_source_lag_seconds warn=60 critical=600"},
        {"consumer_lag",
         "measure=value series=trigperf_consumer_lag_seconds warn=300 critical=3600"},
        {"consumer_overtaken",
         "measure=value series=trigperf_consumers_overtaken warn=0.5 hysteresis=0"},
        {"outbox_size", "measure=value series=trigperf_outbox_fill_ratio warn=0.8 critical=1"},
        {"slot_retained", "measure=value series=trigperf_source_retained_alert warn=0.5"},
        {"slot_given_up",
         "measure=rate series=trigperf_source_slots_given_up_total warn=0.000001"}};
    int32_t status = TRIGPERF_OK;
    for (size_t i = 0; status == TRIGPERF_OK && i < sizeof rules / sizeof rules[0]; i++) {
        status = tp_watch_rule(watch, rules[i][0], rules[i][1], err);
    }
    return status;
}

uint64_t tp_watch_tick(tp_watch *watch, uint64_t now_ms) {
    if (atomic_load(&watch->idle)) {
        return UINT64_MAX;
    }
    pthread_mutex_lock(&watch->mutex);
    if (now_ms >= watch->due_ms) {
        apply(watch, now_ms, NULL); /* what was left out for lack of memory is judged next time */
        watch->due_ms = now_ms + watch->interval_ms;
        note_news(watch);
    }
    uint64_t due = watch->due_ms;
    pthread_mutex_unlock(&watch->mutex);
    return due;
}

int32_t tp_watch_check(tp_watch *watch, trigperf_error **err) {
    pthread_mutex_lock(&watch->mutex);
    int32_t status = apply(watch, tp_clock_ms(), err);
    tp_watch_unlock(watch);
    return status;
}

bool tp_watch_take_news(tp_watch *watch, tp_watch_reader reader) {
    return atomic_load(&watch->news[reader]) && atomic_exchange(&watch->news[reader], false);
}
