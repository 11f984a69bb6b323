/* One mutex for what is rare: resolving, a thread's first record, reading. Recording itself takes
 * none.
 *
 * A thread-specific key of POSIX finds a thread's recorder and tells when the thread ends, so that
 * its cells can go to another thread. The key is taken at the first need. Asking for its value is a
 * call into the C library; so up to 64 threads have a seat as well, in a table that is looked up by
 * the address of the thread's control block: two loads. A seat is taken at a thread's first record
 * and left when it ends, before another thread can have the same address; threads whose seat is
 * taken go by the key. In a forked child, where addresses of the parent's threads come again, seats
 * count for nothing.
 *
 * C11's _Thread_local would be as quick, but it is one variable for the whole process: with several
 * contexts it would have to be a table, kept clean when contexts go, and in a library that is
 * loaded at run time it is a function call as well. */
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
    meter->here.process = tp_context_head_of(context)->here;
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

/* A thread that ends leaves its seat; seats of a forked child are the parent's. */
static void leave(tp_meter *meter) {
    uintptr_t thread = tp_thread_mark();
    tp_meter_seat *seat = tp_meter_seat_of(&meter->here, thread);
    if (atomic_load_explicit(&seat->thread, memory_order_relaxed) == thread) {
        seat->recorder = NULL;
        atomic_store_explicit(&seat->thread, 0, memory_order_release);
    }
}

static void take_seat(tp_meter *meter, tp_recorder *recorder) {
    uintptr_t nobody = 0;
    uintptr_t thread = tp_thread_mark();
    tp_meter_seat *seat = tp_meter_seat_of(&meter->here, thread);
    if (atomic_compare_exchange_strong(&seat->thread, &nobody, thread)) {
        seat->recorder = recorder;
    }
}

static void thread_ends(void *recorder) {
    tp_recorder *own = recorder;
    leave(own->host);
    tp_meter_give_back(own);
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

static int32_t begin(tp_meter *meter, tp_recorder **out) {
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
    if (status == TRIGPERF_OK) {
        take_seat(meter, recorder);
        *out = recorder;
    }
    return status;
}

int32_t tp_meter_find(tp_meter *meter, tp_recorder **out) {
    if (atomic_load_explicit(&meter->here.taken, memory_order_acquire)) {
        tp_recorder *known = pthread_getspecific(meter->here.key);
        if (known != NULL) {
            *out = known;
            return TRIGPERF_OK;
        }
    }
    return begin(meter, out);
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
