/* How long messages that come one by one are left in their socket, so that more of them are read at
 * once. */
#ifndef TP_PG_REST_H
#define TP_PG_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

typedef struct tp_rest {
    uint32_t longest_us;
    uint32_t us; /* the last one */
    bool narrow; /* the socket holds few messages, however small they are */
    uint32_t dry;
    uint64_t taken_ms;
} tp_rest;

/* What was taken since it was left alone. */
typedef struct tp_taken {
    uint32_t messages;
    size_t bytes;
} tp_taken;

/* For what waits up to window_ms anyway once it is read. */
tp_rest tp_rest_make(uint32_t window_ms, bool narrow);

/* Whether all that had come was taken, by what one reading brought. little counts the readings that
 * brought little. */
bool tp_rest_is_due(size_t brought, PGconn *pg, uint32_t *little);

/* All that had come was taken: microseconds to leave it alone now, 0 to read on as soon as
 * something comes. */
uint32_t tp_rest_after(tp_rest *rest, const tp_taken *taken, uint64_t now_ms);

#endif
