/* A check that a host would not like to make for every record: is the food in the catalogue, give
 * or take two letters? */
#ifndef EXAMPLES_HEALTH_METRICS_SPELLING_H
#define EXAMPLES_HEALTH_METRICS_SPELLING_H

#include <stdint.h>

int32_t spelling_check(void *user, const char *const *values, const uint64_t *lengths,
                       uint32_t count);

#endif
