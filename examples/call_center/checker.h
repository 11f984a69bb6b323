/* Compares every entry of the cache with the database. Nothing else may read or write meanwhile. */
#ifndef EXAMPLES_CALL_CENTER_CHECKER_H
#define EXAMPLES_CALL_CENTER_CHECKER_H

#include "world.h"

typedef struct cc_verdict {
    uint64_t entries;
    uint64_t stale;
    char *example; /* of a stale entry: key, cached and true answer; NULL when there is none */
} cc_verdict;

/* Returns false after a failure, said on stderr. The caller releases the verdict. */
bool checker_run(cc_world *world, cc_verdict *verdict);
void verdict_free(cc_verdict *verdict);

#endif
