/* What this context does for all others of its database: the jobs whose lease it holds. Asks on the
 * source's ordinary connection, in short statements. */
#ifndef TP_PG_LEASE_H
#define TP_PG_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "pg/connection.h"

#define TP_LEASE_JOBS_MAX 16

/* What the database offers. */
typedef enum tp_lease_ground {
    TP_LEASE_UNKNOWN,
    TP_LEASE_ABSENT,    /* the schema is not installed, or of an older version */
    TP_LEASE_FORBIDDEN, /* this role may not use it */
    TP_LEASE_PRESENT
} tp_lease_ground;

/* Begins as zeroes but for what the owner fills in. */
typedef struct tp_lease {
    /* Filled in by the owner; all outlive it. */
    const char *instance; /* uuid */
    const char *application;
    const char *const *jobs; /* names of those it goes for: letters and underscores */
    uint32_t count;          /* at most TP_LEASE_JOBS_MAX */
    const tp_log *log;
    /* Its own. */
    tp_connection *link; /* that was asked on; NULL: there is none */
    tp_lease_ground ground;
    tp_lease_ground told;
    bool asking;
    uint32_t held; /* a bit for each job */
    uint64_t now_ms;
    uint64_t next_ms;
    uint64_t asked_ms;
    uint64_t until_ms; /* what was held ends then */
} tp_lease;

/* Once a turn. link: an ordinary connection that takes statements, NULL while there is none; ask:
 * it is time to go for jobs. */
void tp_lease_tick(tp_lease *lease, tp_connection *link, bool ask, uint64_t now_ms);
uint64_t tp_lease_deadline(const tp_lease *lease, bool ask);
/* Bits of the jobs that this context leads. */
uint32_t tp_lease_held(const tp_lease *lease, uint64_t now_ms);
/* Lets others lead at once, on the way out. */
void tp_lease_resign(tp_lease *lease);

/* As a word: "unknown", "absent", "forbidden", "present". */
const char *tp_lease_ground_name(const tp_lease *lease);

#endif
