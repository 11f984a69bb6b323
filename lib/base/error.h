/* Building error objects; the public side is <trigperf/error.h>. */
#ifndef TP_BASE_ERROR_H
#define TP_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include <trigperf/error.h>

/* Stores a new error in *err (when err is not NULL; an earlier one is released) and returns code.
 * hint may be NULL. When memory is short, *err becomes a static out-of-memory object and the
 * original code is returned all the same. */
int32_t tp_error_set(trigperf_error **err, int32_t code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with a SQLSTATE (five characters, or NULL) and whether a later try may succeed. */
int32_t tp_error_set_sql(trigperf_error **err, int32_t code, const char *sqlstate, bool retriable,
                         const char *hint, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* Out of memory, without allocating. */
int32_t tp_error_nomem(trigperf_error **err);

/* A deep copy (NULL gives NULL); the static out-of-memory object when memory is short. */
trigperf_error *tp_error_copy(const trigperf_error *error);

/* Moves *from into *to (when to is not NULL) or releases it; returns code unchanged. */
int32_t tp_error_move(trigperf_error **to, trigperf_error *from, int32_t code);

#endif
