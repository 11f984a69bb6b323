/* The outbox source: connects, proves the path, claims the consumer, reads, stores what was
 * acknowledged, and starts over when the connection breaks. */
#ifndef TP_PG_OUTBOX_SOURCE_H
#define TP_PG_OUTBOX_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/engine.h"
#include "pg/census.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/lifecycle.h"

typedef struct tp_source tp_source;

typedef struct tp_source_options {
    const char *consumer; /* "" : ephemeral */
    const char *application_name;
    int32_t schema_version;
    uint32_t poll_min_ms; /* while changes come */
    uint32_t poll_max_ms; /* idle */
    uint32_t ack_interval_ms;
    uint32_t beat_ms;
    bool notifier; /* may be elected */
    uint32_t reconnect_min_ms;
    uint32_t reconnect_max_ms;
    uint32_t connect_timeout_ms;
    uint32_t silence_timeout_ms;
} tp_source_options;

/* All pointers must outlive the source; options is copied, its strings too. */
int32_t tp_source_new(const tp_source_options *options, const tp_conninfo *info, tp_loop *loop,
                      tp_engine *engine, const tp_log *log, tp_source **out, trigperf_error **err);
void tp_source_free(tp_source *source);
/* In a forked child. */
void tp_source_abandon(tp_source *source);

/* One turn. Fails only when the source has failed for good (state FAILED): the same error each
 * time.
 */
int32_t tp_source_process(tp_source *source, uint64_t now_ms, trigperf_error **err);
uint64_t tp_source_deadline(const tp_source *source);
tp_source_state tp_source_state_of(const tp_source *source);
/* The newest failure, NULL when none since ready. Borrowed. */
const trigperf_error *tp_source_error(const tp_source *source);
/* Leaves FAILED. */
void tp_source_retry(tp_source *source);

/* Asks for a poll that begins after this call; polled() tells the newest ticket whose poll is
 * complete. */
void tp_source_request(tp_source *source, uint64_t ticket);
uint64_t tp_source_polled(const tp_source *source);
/* Whether the position has passed a transaction. */
bool tp_source_passed(const tp_source *source, uint64_t xid);

/* Begins the way out: stores the position, resigns. closed() when all of that is done. */
void tp_source_close(tp_source *source, uint64_t now_ms);
bool tp_source_closed(const tp_source *source);

/* Counters since the start, and when all that was visible had been read (0: never). */
typedef struct tp_source_measures {
    uint64_t rows;
    uint64_t polls;
    uint64_t announcements;
    uint64_t reconnects;
    uint64_t caught_up_ms;
    uint64_t lag_bytes;              /* TP_NOT_MEASURED */
    const tp_census_figures *census; /* of the notifier's context; borrowed */
} tp_source_measures;
void tp_source_measure(const tp_source *source, tp_source_measures *out);

/* The connection when the source is ready, else NULL. */
tp_connection *tp_source_link(tp_source *source);

/* Members of a status object. */
void tp_source_status(const tp_source *source, tp_strbuf *json);

#endif
