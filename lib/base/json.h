/* Writing JSON into a string buffer. Commas are placed by the writer; nesting is the caller's duty.
 * Reading is jansson's job. Writing is ours because every delivered batch passes through it. */
#ifndef TP_BASE_JSON_H
#define TP_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Appends a JSON string literal. Control characters, quotes and backslashes are escaped; bytes that
 * are not valid UTF-8 become U+FFFD, so that the output is always valid JSON. */
void tp_json_string(tp_strbuf *out, const char *bytes, size_t length);

/* Appends the fewest digits that read back as the same finite number, in any locale. */
void tp_json_digits(tp_strbuf *out, double number);

/* Begin and end of objects and arrays; key NULL inside arrays and at top level. */
void tp_json_open(tp_strbuf *out, const char *key, char bracket);
void tp_json_close(tp_strbuf *out, char bracket);

/* Members; key NULL inside arrays. A NULL text is written as null. */
void tp_json_text(tp_strbuf *out, const char *key, const char *text);
void tp_json_bytes(tp_strbuf *out, const char *key, const char *bytes, size_t length);
void tp_json_uint(tp_strbuf *out, const char *key, uint64_t number);
void tp_json_int(tp_strbuf *out, const char *key, int64_t number);
void tp_json_double(tp_strbuf *out, const char *key, double number); /* null when not finite */
void tp_json_bool(tp_strbuf *out, const char *key, bool value);
void tp_json_null(tp_strbuf *out, const char *key);
/* A member whose value is JSON text already. */
void tp_json_raw(tp_strbuf *out, const char *key, const char *json);

#endif
