/* What a process has measured since an hour began, series by series: made from readings, kept until
 * somebody has written it down. */
#ifndef TP_CORE_BOOK_H
#define TP_CORE_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/reading.h"

typedef struct tp_book tp_book;

/* One series that has something to be written. Strings and entries are the book's. */
typedef struct tp_book_row {
    const char *name;
    const char *help;
    const char *labels; /* a JSON object */
    tp_series_type type;
    uint64_t count; /* of a counter: its increase */
    uint64_t sum;   /* of a histogram, ns, as max */
    uint64_t max;
    double value; /* of a gauge */
    const int64_t *entries;
    uint32_t entry_count;
} tp_book_row;

int32_t tp_book_new(tp_book **out, trigperf_error **err);
void tp_book_free(tp_book *book);

/* Adds what was measured since the last reading. Counters that went back were reset in between and
 * count anew. E_NOMEM: some series were left out, and come with the next reading. */
int32_t tp_book_take(tp_book *book, const tp_reading *reading, trigperf_error **err);

/* Rows to be written, one after the other: *cursor starts as NULL; false at the end. */
bool tp_book_next(const tp_book *book, void **cursor, tp_book_row *row);
/* How many there are. */
uint32_t tp_book_waiting(const tp_book *book);

/* All of them were written, and nothing was added since. */
void tp_book_written(tp_book *book);
/* Another hour begins, or nobody knows what was written: counts from here on. */
void tp_book_turn(tp_book *book);

#endif
