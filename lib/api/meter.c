/* One mutex for what is rare: resolving, a thread's first record, reading. Recording itself takes
 * none.
 *
 * A thread-specific key of POSIX finds a thread's recorder and tells when the thread ends, so that
 * its cells can go to another thread. C11's _Thread_local would be a little quicker, but it is one
 * variable for the whole process: with several contexts it would have to be a table, kept clean
 * when contexts go, and in a library that is loaded at run time it is a function call as well. The
 * quickest way, handing over a recorder, needs neither. The key is taken at the first need. */
#include "api/meter.h"

#include <stdlib.h>

#include "api/context.h"
#include "api/internals.h"

struct tp_meter {
    tp_meter_key here;
    trigperf_context *context;
    tp_metrics *metrics;
    pthread_mutex_t mutex;
};

int32_t tp_meter_new(trigperf_context *context, uint32_t max_series, tp_meter **out,
                     trigperf_error **err) {
    tp_meter *meter = calloc(1, sizeof *meter);
    if (meter == NULL) {
        return tp_error_nomem(err);
    }
    int32_t status = tp_metrics_new(max_series, meter, &meter->metrics, err);
    if (status != TRIGPERF_OK) {
        free(meter);
        return status;
    }
    meter->context = context;
    pthread_mutex_init(&meter->mutex, NULL);
    *out = meter;
    return TRIGPERF_OK;
}

void tp_meter_free(tp_meter *meter) {
    if (meter == NULL) {
        return;
    }
    if (atomic_load(&meter->here.taken)) {
        pthread_key_delete(meter->here.key);
    }
    if (!tp_context_forked(meter->context)) {
        tp_metrics_free(meter->metrics);
        pthread_mutex_destroy(&meter->mutex);
        free(meter);
    }
}

int32_t tp_meter_resolve(tp_meter *meter, const tp_series_definition *definition, tp_series **out,
                         trigperf_error **err) {
    pthread_mutex_lock(&meter->mutex);
    int32_t status = tp_metrics_resolve(meter->metrics, definition, out, err);
    pthread_mutex_unlock(&meter->mutex);
    return status;
}

int32_t tp_meter_recorder(tp_meter *meter, tp_recorder **out, trigperf_error **err) {
    pthread_mutex_lock(&meter->mutex);
    tp_recorder *recorder = tp_metrics_recorder(meter->metrics);
    pthread_mutex_unlock(&meter->mutex);
    if (recorder == NULL) {
        return tp_error_nomem(err);
    }
    *out = recorder;
    return TRIGPERF_OK;
}

void tp_meter_give_back(tp_recorder *recorder) {
    tp_meter *meter = recorder->host;
    if (!tp_context_forked(meter->context)) {
        pthread_mutex_lock(&meter->mutex);
        tp_metrics_give_back(meter->metrics, recorder);
        pthread_mutex_unlock(&meter->mutex);
    }
}

static void thread_ends(void *recorder) {
    tp_meter_give_back(recorder);
}

static int32_t take_key(tp_meter *meter) {
    int code = 0;
    pthread_mutex_lock(&meter->mutex);
    if (!atomic_load(&meter->here.taken)) {
        code = pthread_key_create(&meter->here.key, thread_ends);
        atomic_store(&meter->here.taken, code == 0);
    }
    pthread_mutex_unlock(&meter->mutex);
    return code == 0 ? TRIGPERF_OK : TRIGPERF_E_LIMIT;
}

int32_t tp_meter_begin(tp_meter *meter, tp_recorder **out) {
    if (tp_context_forked(meter->context)) {
        return TRIGPERF_E_FORKED;
    }
    tp_recorder *recorder = NULL;
    int32_t status = take_key(meter);
    if (status == TRIGPERF_OK) {
        status = tp_meter_recorder(meter, &recorder, NULL);
    }
    if (status == TRIGPERF_OK && pthread_setspecific(meter->here.key, recorder) != 0) {
        tp_meter_give_back(recorder);
        status = TRIGPERF_E_NOMEM;
    }
    *out = recorder;
    return status;
}

static int32_t read_locked(tp_meter *meter, tp_wanted_fn wanted, void *user, bool reset,
                           tp_reading *into, trigperf_error **err) {
    tp_metrics_counters counters;
    pthread_mutex_lock(&meter->mutex);
    int32_t status = tp_metrics_read(meter->metrics, wanted, user, reset, into, err);
    tp_metrics_counters_get(meter->metrics, &counters);
    pthread_mutex_unlock(&meter->mutex);
    if (status == TRIGPERF_OK) {
        tp_internals_put(meter->context, &counters, wanted, user, into);
        status = tp_reading_failed(into) ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    return status;
}

int32_t tp_meter_read(tp_meter *meter, tp_wanted_fn wanted, void *user, bool reset,
                      tp_reading **out, trigperf_error **err) {
    tp_reading *reading = tp_reading_new();
    if (reading == NULL) {
        return tp_error_nomem(err);
    }
    int32_t status = read_locked(meter, wanted, user, reset, reading, err);
    if (status != TRIGPERF_OK) {
        tp_reading_free(reading);
        return status;
    }
    *out = reading;
    return TRIGPERF_OK;
}
