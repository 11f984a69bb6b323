/* Writes the series of a context into the database now and then, those that changed. */
#ifndef TP_PG_FLUSHER_H
#define TP_PG_FLUSHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "core/reading.h"
#include "pg/connection.h"

typedef struct tp_flusher tp_flusher;

/* Makes a reading of all series; the flusher frees it. */
typedef int32_t (*tp_flusher_read_fn)(void *user, tp_reading **out, trigperf_error **err);

typedef struct tp_flusher_options {
    const char *instance; /* uuid of this process; both outlive it */
    const char *application;
    uint32_t every_ms; /* 0: never */
    tp_flusher_read_fn read;
    void *user;
    const tp_log *log; /* outlives it */
} tp_flusher_options;

int32_t tp_flusher_new(const tp_flusher_options *options, uint64_t now_ms, tp_flusher **out,
                       trigperf_error **err);
void tp_flusher_free(tp_flusher *flusher);

/* Before answers are taken and before what follows: what time it is. */
void tp_flusher_set_now(tp_flusher *flusher, uint64_t now_ms);
/* It is time for the next flush, and none is under way. */
bool tp_flusher_due(const tp_flusher *flusher, uint64_t now_ms);
uint64_t tp_flusher_deadline(const tp_flusher *flusher);
/* Sends all that changed; answers come through the connection. Not while busy. */
void tp_flusher_run(tp_flusher *flusher, tp_connection *connection);
/* Answers are awaited. */
bool tp_flusher_busy(const tp_flusher *flusher);
/* The connection is gone: what was not answered is sent again. */
void tp_flusher_lost(tp_flusher *flusher);

#endif
