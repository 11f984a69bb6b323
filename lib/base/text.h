/* Copies of strings. Unlike strdup(), they go through malloc() as this library calls it, so that
 * tests can make them fail. */
#ifndef TP_BASE_TEXT_H
#define TP_BASE_TEXT_H

#include <stddef.h>

/* A NUL-terminated copy (caller frees with free()), or NULL when memory is short. */
char *tp_text_copy(const char *text);
char *tp_text_copy_bytes(const char *bytes, size_t length);

#endif
