/* A replication connection: makes slots, follows one, acknowledges. */
#ifndef TP_PG_WAL_STREAM_H
#define TP_PG_WAL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "pg/conninfo.h"

typedef struct tp_wal_stream tp_wal_stream;

typedef struct tp_wal_stream_handler {
    void *user;
    /* The slot is followed from now on. made: it was made just now, at the end of the log. */
    void (*started)(void *user, bool made);
    /* What comes next begins after the last transaction that came whole: forgets what came of
     * others, and returns where that one ended, 0 when there was none since the opening. */
    uint64_t (*resume)(void *user);
    /* A message of the output plugin. Borrowed. */
    void (*message)(void *user, const char *bytes, size_t length);
    /* Takes the error; the connection is of no use any more. */
    void (*failed)(void *user, trigperf_error *error);
} tp_wal_stream_handler;

typedef struct tp_wal_stream_options {
    uint32_t connect_timeout_ms;
    uint32_t silence_timeout_ms;
    uint32_t window_ms; /* changes may wait so long before they are delivered */
} tp_wal_stream_options;

/* All pointers but options and handler must outlive the stream. */
int32_t tp_wal_stream_new(tp_loop *loop, const tp_conninfo *info,
                          const tp_wal_stream_options *options,
                          const tp_wal_stream_handler *handler, const tp_log *log,
                          tp_wal_stream **out, trigperf_error **err);
void tp_wal_stream_free(tp_wal_stream *stream);
void tp_wal_stream_abandon(tp_wal_stream *stream); /* in a forked child */

typedef struct tp_wal_plan {
    const char *slot; /* copied */
    bool temporary;
    bool make;       /* at the end of the log */
    bool drop_first; /* one of that name */
    bool fetch;      /* a backlog is fetched with queries first */
} tp_wal_plan;

int32_t tp_wal_stream_open(tp_wal_stream *stream, const tp_wal_plan *plan, uint64_t now_ms,
                           trigperf_error **err);
/* The error, or one in its place that says what a pooler does to such a connection. */
trigperf_error *tp_wal_stream_explain(trigperf_error *error);
void tp_wal_stream_close(tp_wal_stream *stream);
/* Drives it. */
int32_t tp_wal_stream_process(tp_wal_stream *stream, uint64_t now_ms, trigperf_error **err);
uint64_t tp_wal_stream_deadline(const tp_wal_stream *stream);

/* While paused nothing is read; acknowledgements go on. */
void tp_wal_stream_pause(tp_wal_stream *stream, bool paused);
/* The host has acknowledged everything up to here: the server may forget it. */
void tp_wal_stream_acknowledge(tp_wal_stream *stream, uint64_t lsn, uint64_t now_ms);
/* Asks the server how far it is. */
void tp_wal_stream_ask(tp_wal_stream *stream, uint64_t now_ms);
uint64_t tp_wal_stream_acknowledged(const tp_wal_stream *stream); /* 0: nothing yet */
uint64_t tp_wal_stream_reached(const tp_wal_stream *stream);
bool tp_wal_stream_following(const tp_wal_stream *stream);
/* Messages come: the slot is followed, or a backlog fetched before. */
bool tp_wal_stream_flowing(const tp_wal_stream *stream);
uint64_t tp_wal_stream_fetched(const tp_wal_stream *stream); /* messages, ever */

#endif
