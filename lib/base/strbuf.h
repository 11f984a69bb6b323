/* A growing byte string with a sticky failure flag: append freely, check once at the end. */
#ifndef TP_BASE_STRBUF_H
#define TP_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tp_strbuf {
    char *data; /* NUL-terminated when not NULL */
    size_t length;
    size_t capacity;
    bool failed; /* memory was short: contents are incomplete */
} tp_strbuf;

#define TP_STRBUF_INIT                                                                             \
    { NULL, 0, 0, false }

void tp_strbuf_free(tp_strbuf *buffer);  /* leaves it empty and usable */
void tp_strbuf_reset(tp_strbuf *buffer); /* keeps the memory, clears contents and flag */
void tp_strbuf_add(tp_strbuf *buffer, const char *bytes, size_t length);
/* With a NUL behind them that counts: for strings one after the other. */
void tp_strbuf_add_string(tp_strbuf *buffer, const char *bytes, size_t length);
void tp_strbuf_puts(tp_strbuf *buffer, const char *string);
void tp_strbuf_putc(tp_strbuf *buffer, char byte);
void tp_strbuf_putu(tp_strbuf *buffer, uint64_t number);
void tp_strbuf_printf(tp_strbuf *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Replaces the contents by `length` bytes for the caller to fill in; NULL when memory is short. */
char *tp_strbuf_room(tp_strbuf *buffer, size_t length);

/* Contents as a C string, "" when empty. Valid until the next change. */
const char *tp_strbuf_str(const tp_strbuf *buffer);

/* Hands the contents over (caller frees with free()) and empties the buffer; NULL when the buffer
 * failed or memory is short. */
char *tp_strbuf_take(tp_strbuf *buffer);

#endif
