/* Strings: copies, and whether they are UTF-8. Unlike strdup(), copies go through malloc() as this
 * library calls it, so that tests can make them fail. */
#ifndef TP_BASE_TEXT_H
#define TP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A NUL-terminated copy (caller frees with free()), or NULL when memory is short. */
char *tp_text_copy(const char *text);
char *tp_text_copy_bytes(const char *bytes, size_t length);

/* Length of the valid UTF-8 sequence at bytes (RFC 3629: no surrogates, no overlong forms), or 0.
 */
size_t tp_text_utf8(const unsigned char *bytes, size_t left);
bool tp_text_is_utf8(const char *bytes, size_t length);

#endif
