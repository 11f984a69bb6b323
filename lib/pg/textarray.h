/* Walks PostgreSQL's text form of a one-dimensional array: {1,NULL,"a \"b\""}. */
#ifndef TP_PG_TEXTARRAY_H
#define TP_PG_TEXTARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "core/change.h"

typedef struct tp_textarray {
    const char *at;
    tp_strbuf scratch; /* elements that needed unescaping; valid until the next element */
} tp_textarray;

/* Begins at the opening brace; false when text is not an array. */
bool tp_textarray_begin(tp_textarray *array, const char *text);

/* The next element; false at the end or when the text is malformed or memory is short. The value
 * points into the text, or into scratch until the next call. */
bool tp_textarray_next(tp_textarray *array, tp_value *value);

/* Passes over elements without looking at their values; stops early where next() would fail. */
void tp_textarray_skip(tp_textarray *array, uint32_t elements);

/* Number of elements; false when text is no array, or malformed. */
bool tp_textarray_count(const char *text, uint32_t *count);

void tp_textarray_end(tp_textarray *array);

#endif
