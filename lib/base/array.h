/* Growing plain arrays: the one place that computes capacities and checks for overflow. */
#ifndef TP_BASE_ARRAY_H
#define TP_BASE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/* Makes room for `wanted` elements of `size` bytes: returns items when *capacity suffices, else a
 * reallocated array, with *capacity raised. NULL when memory is short: items and *capacity are
 * unchanged and still valid. */
void *tp_array_reserve(void *items, uint32_t *capacity, uint32_t wanted, size_t size);

#endif
