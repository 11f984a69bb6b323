/* The comma rule: a value needs a comma before it unless it follows '{', '[' or ':' or starts the
 * text. Looking at the last byte written replaces a stack of states. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char replacement[] = "\xEF\xBF\xBD";

static void put_escaped(tp_strbuf *out, unsigned char byte) {
    static const char shorthand[] = "btn\0fr";
    if (byte == '"' || byte == '\\') {
        tp_strbuf_putc(out, '\\');
        tp_strbuf_putc(out, (char)byte);
    } else if (byte >= 8 && byte <= 13 && byte != 11) {
        tp_strbuf_putc(out, '\\');
        tp_strbuf_putc(out, shorthand[byte - 8]);
    } else {
        tp_strbuf_printf(out, "\\u%04x", byte);
    }
}

/* NEL and the line and paragraph separators are legal in JSON strings, but readers of one object a
 * line may split there. */
static void put_sequence(tp_strbuf *out, const char *bytes, size_t length) {
    if (length == 2 && memcmp(bytes, "\xC2\x85", 2) == 0) {
        tp_strbuf_puts(out, "\\u0085");
    } else if (length == 3 && memcmp(bytes, "\xE2\x80\xA8", 3) == 0) {
        tp_strbuf_puts(out, "\\u2028");
    } else if (length == 3 && memcmp(bytes, "\xE2\x80\xA9", 3) == 0) {
        tp_strbuf_puts(out, "\\u2029");
    } else {
        tp_strbuf_add(out, bytes, length);
    }
}

static bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

void tp_json_string(tp_strbuf *out, const char *bytes, size_t length) {
    const unsigned char *in = (const unsigned char *)bytes;
    tp_strbuf_putc(out, '"');
    for (size_t at = 0; at < length;) {
        size_t run = 0;
        while (at + run < length && is_plain(in[at + run])) {
            run++;
        }
        tp_strbuf_add(out, bytes + at, run);
        at += run;
        if (at == length) {
            break;
        }
        size_t sequence = in[at] < 0x80 ? 1 : tp_text_utf8(in + at, length - at);
        if (in[at] < 0x80) {
            put_escaped(out, in[at]);
        } else if (sequence == 0) {
            tp_strbuf_add(out, replacement, 3);
            sequence = 1;
        } else {
            put_sequence(out, bytes + at, sequence);
        }
        at += sequence;
    }
    tp_strbuf_putc(out, '"');
}

static void begin_value(tp_strbuf *out, const char *key) {
    if (out->length > 0) {
        char last = out->data[out->length - 1];
        if (last != '{' && last != '[' && last != ':' && last != '\n') {
            tp_strbuf_putc(out, ',');
        }
    }
    if (key != NULL) {
        tp_json_string(out, key, strlen(key));
        tp_strbuf_putc(out, ':');
    }
}

void tp_json_open(tp_strbuf *out, const char *key, char bracket) {
    begin_value(out, key);
    tp_strbuf_putc(out, bracket);
}

void tp_json_close(tp_strbuf *out, char bracket) {
    tp_strbuf_putc(out, bracket);
}

void tp_json_text(tp_strbuf *out, const char *key, const char *text) {
    tp_json_bytes(out, key, text, text == NULL ? 0 : strlen(text));
}

void tp_json_bytes(tp_strbuf *out, const char *key, const char *bytes, size_t length) {
    begin_value(out, key);
    if (bytes == NULL) {
        tp_strbuf_puts(out, "null");
    } else {
        tp_json_string(out, bytes, length);
    }
}

void tp_json_uint(tp_strbuf *out, const char *key, uint64_t number) {
    begin_value(out, key);
    tp_strbuf_putu(out, number);
}

void tp_json_int(tp_strbuf *out, const char *key, int64_t number) {
    begin_value(out, key);
    if (number < 0) {
        tp_strbuf_putc(out, '-');
    }
    tp_strbuf_putu(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* The fewest digits that read back as the same number. */
static void shortest_digits(double number, char *digits, size_t size) {
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, size, "%.*g", precision, number);
        if (!(strtod(digits, NULL) < number) && !(strtod(digits, NULL) > number)) {
            return;
        }
    }
}

/* The host's locale may write the decimal point as something else, of any length. */
static void put_number(tp_strbuf *out, const char *digits) {
    while (*digits != '\0') {
        size_t run = strspn(digits, "+-0123456789e");
        tp_strbuf_add(out, digits, run);
        digits += run;
        if (*digits != '\0') {
            tp_strbuf_putc(out, '.');
            digits += strcspn(digits, "0123456789");
        }
    }
}

void tp_json_digits(tp_strbuf *out, double number) {
    char digits[64];
    shortest_digits(number, digits, sizeof digits);
    put_number(out, digits);
}

void tp_json_double(tp_strbuf *out, const char *key, double number) {
    begin_value(out, key);
    if (!isfinite(number)) {
        tp_strbuf_puts(out, "null");
        return;
    }
    tp_json_digits(out, number);
}

void tp_json_bool(tp_strbuf *out, const char *key, bool value) {
    begin_value(out, key);
    tp_strbuf_puts(out, value ? "true" : "false");
}

void tp_json_null(tp_strbuf *out, const char *key) {
    begin_value(out, key);
    tp_strbuf_puts(out, "null");
}

void tp_json_raw(tp_strbuf *out, const char *key, const char *json) {
    begin_value(out, key);
    tp_strbuf_puts(out, json);
}
