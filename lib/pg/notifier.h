/* The elected notifier: one context per database polls and tells the others what it read.
 *
 * It lives by its heartbeat, a row that it renews; whoever has heard no beat for two intervals
 * polls for itself and tries to take over. A lock would outlive a half-open connection for hours.
 */
#ifndef TP_PG_NOTIFIER_H
#define TP_PG_NOTIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "pg/census.h"
#include "pg/connection.h"
#include "pg/reader.h"
#include "pg/registry.h"

typedef struct tp_notifier tp_notifier;

typedef struct tp_notifier_options {
    const char *instance; /* uuid of this context, outlives the notifier */
    uint32_t beat_ms;
    bool candidate; /* may lead */
} tp_notifier_options;

int32_t tp_notifier_new(tp_connection *connection, const tp_log *log,
                        const tp_notifier_options *options, tp_notifier **out,
                        trigperf_error **err);
void tp_notifier_free(tp_notifier *notifier);

/* A session begins on this channel (copied), or has ended (NULL). */
int32_t tp_notifier_session(tp_notifier *notifier, const char *channel, uint64_t now_ms,
                            trigperf_error **err);
/* Beats, elections, rotation of the outbox. able: this context can read at present. */
int32_t tp_notifier_tick(tp_notifier *notifier, uint64_t now_ms, bool able, trigperf_error **err);
uint64_t tp_notifier_deadline(const tp_notifier *notifier);

/* A beat, or news, of the one who leads was heard; or its resignation. */
void tp_notifier_heard(tp_notifier *notifier, uint64_t now_ms);
void tp_notifier_resigned(tp_notifier *notifier, uint64_t now_ms);

bool tp_notifier_leads(const tp_notifier *notifier);
/* Somebody else leads and was heard within two beats: no need to poll. */
bool tp_notifier_follows(const tp_notifier *notifier, uint64_t now_ms);

/* What the leader knows of the consumers. Borrowed. */
const tp_census_figures *tp_notifier_census(const tp_notifier *notifier);

/* Shares a page with the others, when leading and not alone. */
int32_t tp_notifier_share(tp_notifier *notifier, const tp_reader_page *page,
                          const tp_registry *registry, trigperf_error **err);
/* Gives leadership up, on the way out. */
void tp_notifier_resign(tp_notifier *notifier);

#endif
