/* Being known as a live context of the database, so that the notifier learns whether it is alone
 * and rotation waits for what was not read; and storing a durable consumer's position now and then.
 */
#ifndef TP_PG_MEMBER_H
#define TP_PG_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pg/connection.h"
#include "pg/consumer.h"
#include "pg/reader.h"

typedef struct tp_member {
    /* Filled in by the owner; all outlive it. */
    tp_connection *connection;
    const tp_reader *reader;
    tp_consumer *consumer; /* NULL: ephemeral, the position stands in the member's row */
    const char *instance;
    const char *application;
    uint32_t ack_interval_ms;
    /* Its own. */
    bool contested; /* somebody claims the consumer's name: whose it is shows a sign of life */
    uint64_t next_seen_ms;
    uint64_t next_store_ms;
} tp_member;

/* The context begins to read. */
void tp_member_begin(tp_member *member, uint64_t now_ms);
/* The session is up: sends what is due. */
int32_t tp_member_tick(tp_member *member, uint64_t now_ms, trigperf_error **err);
uint64_t tp_member_deadline(const tp_member *member, uint64_t now_ms);
/* Sends the last position and a farewell. */
int32_t tp_member_leave(tp_member *member, trigperf_error **err);

#endif
