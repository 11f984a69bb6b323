/* What checking costs, with the cache and without, of the same records. */
#ifndef EXAMPLES_HEALTH_METRICS_STUDY_H
#define EXAMPLES_HEALTH_METRICS_STUDY_H

#include "host.h"

/* Row by row and in batches, each without the cache, with all verdicts in it, and with those that
 * are dear to work out. */
enum { KEEPS = 3, WAYS = 2 * KEEPS };
extern const char *const ways[WAYS];

typedef struct hm_way {
    double ns; /* of processor time, for one record */
    uint64_t judged;
    uint64_t cached;
    uint64_t missed;
    uint64_t repeated;
    uint64_t invalid; /* records */
} hm_way;

typedef struct hm_study {
    hm_way ways[WAYS];
    uint64_t records;
    uint64_t values;
    uint64_t spoilt; /* records, as the generator knows */
} hm_study;

/* All kinds; checked: with the host's function. False: failed. */
bool study_run(hm_host *host, const hm_options *options, bool checked, hm_study *study);

#endif
