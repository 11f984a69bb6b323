/* The metrics of a context: the registry of lib/core/series.h with its lock, and the key by which
 * threads find their recorders. */
#ifndef TP_API_METER_H
#define TP_API_METER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <trigperf/context.h>

#include "base/thread_mark.h"
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

/* A thread that has a seat finds its recorder without a call. Only that thread reads `recorder`. */
typedef struct tp_meter_seat {
    _Atomic uintptr_t thread; /* address of its control block, 0: nobody */
    tp_recorder *recorder;
} tp_meter_seat;

#define TP_METER_SEATS 64u

/* The begin of every tp_meter. */
typedef struct tp_meter_key {
    tp_meter_seat seats[TP_METER_SEATS];
    const volatile unsigned char *process; /* 0 there: seats may be those of the parent's threads */
    atomic_bool taken;
    pthread_key_t key;
} tp_meter_key;

/* The calling thread's recorder; the first time in a thread it is taken. */
int32_t tp_meter_find(tp_meter *meter, tp_recorder **out);

/* Control blocks are at the ends of stacks, whose sizes are whole pages and one more to guard them:
 * threads that begin one after the other sit one beside the other. */
static inline tp_meter_seat *tp_meter_seat_of(tp_meter_key *key, uintptr_t thread) {
    return &key->seats[(thread >> 12) % TP_METER_SEATS];
}

/* The seat of the calling thread, or NULL. */
static inline const tp_meter_seat *tp_meter_seated(tp_meter *meter) {
    tp_meter_key *key = (tp_meter_key *)(void *)meter;
    uintptr_t thread = tp_thread_mark();
    const tp_meter_seat *seat = tp_meter_seat_of(key, thread);
    bool mine = atomic_load_explicit(&seat->thread, memory_order_relaxed) == thread;
    return __builtin_expect(mine && *key->process != 0, 1) ? seat : NULL;
}

/* All series, and those of the context itself; wanted NULL: all. reset: only with wanted NULL. */
int32_t tp_meter_read(tp_meter *meter, tp_wanted_fn wanted, void *user, bool reset,
                      tp_reading **out, trigperf_error **err);

#endif
