/* Which of many byte strings are equal to an earlier one. */
#ifndef TP_CORE_DISTINCT_H
#define TP_CORE_DISTINCT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

/* first[i] becomes the place of the first string that equals string i (i itself when there is none
 * before it). O(total length). False when memory is short. */
bool tp_distinct_find(const tp_hash_key *key, const char *const *strings, const uint64_t *lengths,
                      uint32_t count, uint32_t *first);

#endif
