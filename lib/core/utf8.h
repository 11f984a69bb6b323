/* UTF-8: is it valid, how many characters, one character after another. */
#ifndef TP_CORE_UTF8_H
#define TP_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid as RFC 3629 has it (no surrogates, nothing above U+10FFFF, no overlong forms) and without a
 * zero byte, which no text of PostgreSQL can hold. *characters (may be NULL) receives how many
 * characters there are; it is written only when the answer is true. */
bool tp_utf8_check(const char *bytes, size_t length, size_t *characters);

/* The character at *at, which is below length, of a text that is valid; moves *at behind it. */
uint32_t tp_utf8_next(const char *bytes, size_t length, size_t *at);

#endif
