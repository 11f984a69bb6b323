/* The key values of a change as one string of bytes: equal strings are equal values. */
#ifndef TP_CORE_TUPLE_H
#define TP_CORE_TUPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/change.h"

/* Encoded length; larger than UINT32_MAX when it is too long to be handled. */
uint64_t tp_tuple_length(const tp_value *values, uint32_t count);
void tp_tuple_encode(const tp_value *values, uint32_t count, char *out);

/* The i-th value, NUL-terminated; data NULL for SQL NULL. Linear in i. */
tp_value tp_tuple_value(const char *tuple, uint32_t i);

#endif
