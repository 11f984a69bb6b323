/* The metrics of a context: the registry of lib/core/series.h with its lock, and the key by which
 * threads find their recorders. */
#ifndef TP_API_METER_H
#define TP_API_METER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <trigperf/context.h>

#include "core/series.h"

typedef struct tp_meter tp_meter;

/* Puts what a context knows of itself into a reading, those families that wanted() says yes to. */
typedef bool (*tp_wanted_fn)(void *user, const char *name);

int32_t tp_meter_new(trigperf_context *context, uint32_t max_series, tp_meter **out,
                     trigperf_error **err);
/* In a forked child only gives up the key: the rest may be locked for ever. */
void tp_meter_free(tp_meter *meter);

int32_t tp_meter_resolve(tp_meter *meter, const tp_series_definition *definition, tp_series **out,
                         trigperf_error **err);
int32_t tp_meter_recorder(tp_meter *meter, tp_recorder **out, trigperf_error **err);
void tp_meter_give_back(tp_recorder *recorder);

/* The calling thread's recorder; the first time in a thread it is taken. The begin of every
 * tp_meter. */
typedef struct tp_meter_key {
    atomic_bool taken;
    pthread_key_t key;
} tp_meter_key;

int32_t tp_meter_begin(tp_meter *meter, tp_recorder **out);

static inline int32_t tp_meter_here(tp_meter *meter, tp_recorder **out) {
    tp_meter_key *key = (tp_meter_key *)(void *)meter;
    if (__builtin_expect(atomic_load_explicit(&key->taken, memory_order_acquire), 1)) {
        *out = pthread_getspecific(key->key);
        if (__builtin_expect(*out != NULL, 1)) {
            return TRIGPERF_OK;
        }
    }
    return tp_meter_begin(meter, out);
}

/* All series, and those of the context itself; wanted NULL: all. reset: only with wanted NULL. */
int32_t tp_meter_read(tp_meter *meter, tp_wanted_fn wanted, void *user, bool reset,
                      tp_reading **out, trigperf_error **err);

#endif
