/* How far consumers are behind, as the database knows it: asked now and then by whoever keeps house
 * there, and shown as series. */
#ifndef TP_PG_CENSUS_H
#define TP_PG_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "pg/connection.h"

#define TP_CENSUS_MAX 64u

/* A named consumer; NaN: not known. */
typedef struct tp_census_entry {
    char name[64]; /* cut at a whole character */
    bool wal;
    bool overtaken; /* something that it had not read is gone */
    double lag_seconds;
    double lag_transactions;
    double lag_bytes;
} tp_census_entry;

/* generation moves with each answer; known: there is one, and it is not outdated. */
typedef struct tp_census_figures {
    uint64_t generation;
    bool known;
    double consumers;
    double overtaken;
    double outbox_bytes;
    double outbox_limit;
    uint32_t count; /* those that lag most */
    tp_census_entry entries[TP_CENSUS_MAX];
} tp_census_figures;

typedef struct tp_census {
    tp_connection *connection; /* filled in by the owner, as log is */
    const tp_log *log;
    bool asking;
    tp_census_figures figures;
} tp_census;

/* Asks, unless that is under way. */
int32_t tp_census_ask(tp_census *census, trigperf_error **err);
/* Somebody else asks from now on, or the connection is gone. */
void tp_census_forget(tp_census *census);

#endif
