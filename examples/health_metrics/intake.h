/* Taking records in: check, drop what comes twice, store; and asking the server whether the checks
 * were right. */
#ifndef EXAMPLES_HEALTH_METRICS_INTAKE_H
#define EXAMPLES_HEALTH_METRICS_INTAKE_H

#include <libpq-fe.h>

#include "host.h"

typedef struct hm_intake {
    uint64_t records;
    uint64_t invalid;
    uint64_t spoilt; /* as the generator knows */
    uint64_t duplicates;
    uint64_t repeated; /* as the generator knows */
    uint64_t stored;
    uint64_t probed; /* invalid records that the server was asked about */
    uint64_t taken;  /* of them, that it took all the same */
    uint64_t tracker_bytes;
    uint64_t stats_bytes;
} hm_intake;

bool intake_run(hm_host *host, PGconn *conn, const hm_options *options, hm_intake *intake);

/* A constraint more: is it noticed, and does it hold after importing anew? */
bool intake_constraint_added(hm_host *host, PGconn *conn, bool *noticed, bool *holds);

#endif
