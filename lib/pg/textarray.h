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

void tp_textarray_end(tp_textarray *array);

#endif
