/* Growth doubles, so that n appended bytes cost O(n). Failure is sticky: after the first failed
 * allocation nothing more is appended, and the caller learns it once, from `failed` or from
 * tp_strbuf_take(). */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(tp_strbuf *buffer, size_t more) {
    size_t capacity = buffer->capacity == 0 ? 64 : buffer->capacity;
    while (capacity - buffer->length <= more && capacity <= SIZE_MAX / 2) {
        capacity *= 2;
    }
    char *data = capacity - buffer->length <= more ? NULL : realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static bool reserve(tp_strbuf *buffer, size_t more) {
    return !buffer->failed && (more < buffer->capacity - buffer->length || grow(buffer, more));
}

void tp_strbuf_free(tp_strbuf *buffer) {
    free(buffer->data);
    *buffer = (tp_strbuf)TP_STRBUF_INIT;
}

void tp_strbuf_reset(tp_strbuf *buffer) {
    buffer->length = 0;
    buffer->failed = false;
    if (buffer->data != NULL) {
        buffer->data[0] = '\0';
    }
}

void tp_strbuf_add(tp_strbuf *buffer, const char *bytes, size_t length) {
    if (!reserve(buffer, length)) {
        return;
    }
    if (length > 0) {
        memcpy(buffer->data + buffer->length, bytes, length);
    }
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void tp_strbuf_add_string(tp_strbuf *buffer, const char *bytes, size_t length) {
    if (length == SIZE_MAX || !reserve(buffer, length + 1)) {
        buffer->failed = true;
        return;
    }
    char *end = buffer->data + buffer->length;
    if (length > 0) {
        memcpy(end, bytes, length);
    }
    end[length] = '\0';
    end[length + 1] = '\0';
    buffer->length += length + 1;
}

void tp_strbuf_puts(tp_strbuf *buffer, const char *string) {
    tp_strbuf_add(buffer, string, strlen(string));
}

void tp_strbuf_putc(tp_strbuf *buffer, char byte) {
    tp_strbuf_add(buffer, &byte, 1);
}

void tp_strbuf_putu(tp_strbuf *buffer, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    tp_strbuf_add(buffer, digits + at, sizeof digits - at);
}

void tp_strbuf_printf(tp_strbuf *buffer, const char *format, ...) {
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0) {
        buffer->failed = true;
    } else if (reserve(buffer, (size_t)length)) {
        vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

char *tp_strbuf_room(tp_strbuf *buffer, size_t length) {
    tp_strbuf_reset(buffer);
    if (!reserve(buffer, length)) {
        return NULL;
    }
    buffer->length = length;
    buffer->data[length] = '\0';
    return buffer->data;
}

const char *tp_strbuf_str(const tp_strbuf *buffer) {
    return buffer->data == NULL ? "" : buffer->data;
}

char *tp_strbuf_take(tp_strbuf *buffer) {
    tp_strbuf_add(buffer, "", 0);
    if (buffer->failed) {
        tp_strbuf_free(buffer);
        return NULL;
    }
    char *data = buffer->data;
    *buffer = (tp_strbuf)TP_STRBUF_INIT;
    return data;
}
