/* A statement that waits for its turn on a connection. */
#ifndef TP_PG_QUEUED_H
#define TP_PG_QUEUED_H

#include "pg/connection.h"

typedef struct tp_queued {
    struct tp_queued *prev; /* of base/queue.h */
    struct tp_queued *next;
    tp_statement statement;
    const char *values[];
} tp_queued;

/* A copy; NULL when memory is short. */
tp_queued *tp_queued_new(const tp_statement *statement);
void tp_queued_free(tp_queued *item);

#endif
