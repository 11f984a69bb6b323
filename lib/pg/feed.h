/* A source of changes behind one face: outbox, notify, wal. */
#ifndef TP_PG_FEED_H
#define TP_PG_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "pg/backlog.h"
#include "pg/census.h"
#include "pg/connection.h"
#include "pg/lifecycle.h"
#include "pg/outbox_source.h"

/* What a source counts; TP_NOT_MEASURED: this one does not, or does not know yet. */
typedef struct tp_feed_measures {
    uint64_t rows; /* of the outbox or the log, or notifications */
    uint64_t polls;
    uint64_t announcements;
    uint64_t reconnects;
    uint64_t caught_up_ms;   /* when all that was visible had been read; 0: never */
    uint64_t malformed;      /* notifications that were not understood */
    uint64_t retained_bytes; /* of the server's log that the slot holds back */
    uint64_t lag_bytes;      /* of the log, not confirmed by the slot; of the outbox, not read */
    uint64_t retained_alert; /* 1: above wal.alert_bytes */
    uint64_t given_up;       /* slots above wal.max_bytes, our own and those of others */
    double queue_ratio;      /* of the server's queue of notifications that is in use; NaN */
} tp_feed_measures;

/* What every source can do; the calls mean what pg/outbox_source.h says of those of the same name.
 */
typedef struct tp_feed_class {
    const char *name;
    void (*free)(void *self);
    void (*abandon)(void *self);
    int32_t (*process)(void *self, uint64_t now_ms, trigperf_error **err);
    uint64_t (*deadline)(const void *self);
    tp_source_state (*state)(const void *self);
    const trigperf_error *(*error)(const void *self);
    void (*retry)(void *self);
    void (*request)(void *self, uint64_t ticket);
    uint64_t (*polled)(const void *self);
    bool (*passed)(const void *self, uint64_t xid);
    void (*close)(void *self, uint64_t now_ms);
    bool (*closed)(const void *self);
    void (*status)(const void *self, tp_strbuf *json);
    void (*measure)(const void *self, tp_feed_measures *out); /* NULL: nothing is counted */
    /* An ordinary connection that is ready for short statements of others, else NULL. */
    tp_connection *(*link)(void *self);
    /* Lag of the consumers, from whoever looks after them; NULL: never. Borrowed. */
    const tp_census_figures *(*census)(const void *self);
} tp_feed_class;

/* class NULL: there is no source. */
typedef struct tp_feed {
    const tp_feed_class *class;
    void *self;
} tp_feed;

tp_feed tp_feed_outbox(tp_source *source);

/* Nothing is measured. */
tp_feed_measures tp_feed_nothing(void);
/* The members lag_seconds and lag_bytes of a status object; null for what is not known. */
void tp_feed_put_lag(const tp_feed *feed, uint64_t now_ms, tp_strbuf *json);

static inline bool tp_feed_exists(const tp_feed *feed) {
    return feed->class != NULL;
}

#endif
