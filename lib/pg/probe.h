/* Proof that notifications arrive: one that is sent, and must come back to a connection that
 * listens.
 *
 * Directly at the server it is sent on that connection itself. Behind a pooler that would prove
 * nothing: the one server connection that answers both LISTEN and NOTIFY hands it back in
 * transaction mode as well. One sent from a second connection through the same door reaches us only
 * if our LISTEN is still held by a server connection of our own. */
#ifndef TP_PG_PROBE_H
#define TP_PG_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "pg/connection.h"
#include "pg/conninfo.h"

typedef struct tp_probe tp_probe;

/* listener: the connection that listens, with nothing else to do while a probe runs. timeout_ms: of
 * the second connection. All must outlive the probe. */
tp_probe *tp_probe_new(tp_loop *loop, const tp_conninfo *info, uint32_t timeout_ms,
                       tp_connection *listener);
void tp_probe_free(tp_probe *probe);
/* In a forked child. */
void tp_probe_abandon(tp_probe *probe);

/* second: the notification is sent from a second connection. */
int32_t tp_probe_start(tp_probe *probe, const char *channel, const char *payload, bool second,
                       uint64_t now_ms, trigperf_error **err);
/* It came, or the listener's connection is gone. */
void tp_probe_stop(tp_probe *probe);
bool tp_probe_running(const tp_probe *probe);
/* Drives it, after the listener was driven. An error ends it: E_UNSUPPORTED when a pooler swallowed
 * the notification. */
int32_t tp_probe_process(tp_probe *probe, uint64_t now_ms, trigperf_error **err);
uint64_t tp_probe_deadline(const tp_probe *probe);

#endif
