/* Proof that notifications arrive: one sent from a second connection through the same door.
 *
 * Behind a pooler, a notification to oneself proves nothing: the one server connection that answers
 * both LISTEN and NOTIFY hands it back in transaction mode as well. One sent by another client
 * reaches us only if our LISTEN is still held by a server connection of our own. */
#ifndef TP_PG_PROBE_H
#define TP_PG_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "pg/conninfo.h"

typedef struct tp_probe tp_probe;

/* All must outlive the probe. */
tp_probe *tp_probe_new(tp_loop *loop, const tp_conninfo *info, uint32_t timeout_ms);
void tp_probe_free(tp_probe *probe);
/* In a forked child. */
void tp_probe_abandon(tp_probe *probe);

/* Connects, sends the notification, disconnects. */
int32_t tp_probe_start(tp_probe *probe, const char *channel, const char *payload, uint64_t now_ms,
                       trigperf_error **err);
void tp_probe_stop(tp_probe *probe);
/* Drives it; an error ends it. */
int32_t tp_probe_process(tp_probe *probe, uint64_t now_ms, trigperf_error **err);
uint64_t tp_probe_deadline(const tp_probe *probe);

#endif
