/* Being known as a live context of the database: the notifier learns whether it is alone, and
 * rotation waits for ephemeral readers. */
#ifndef TP_PG_MEMBER_H
#define TP_PG_MEMBER_H

#include "base/error.h"
#include "core/snapshot.h"
#include "pg/connection.h"

/* position NULL: a durable consumer, whose row carries it. */
int32_t tp_member_seen(tp_connection *connection, const char *instance, const char *application,
                       const tp_snapshot *position, trigperf_error **err);
int32_t tp_member_gone(tp_connection *connection, const char *instance, trigperf_error **err);

#endif
