/* Two hexadecimal numbers of up to eight digits, the high and the low half, around a slash. */
#include "core/lsn.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool half(const char *text, size_t length, uint32_t *out) {
    if (length == 0 || length > 8) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!isxdigit(c)) {
            return false;
        }
        value = value * 16 + (uint32_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    *out = value;
    return true;
}

bool tp_lsn_parse(const char *text, uint64_t *out) {
    const char *slash = strchr(text, '/');
    uint32_t high;
    uint32_t low;
    if (slash == NULL || !half(text, (size_t)(slash - text), &high) ||
        !half(slash + 1, strlen(slash + 1), &low)) {
        return false;
    }
    *out = ((uint64_t)high << 32) | low;
    return true;
}

void tp_lsn_format(uint64_t lsn, tp_strbuf *out) {
    tp_strbuf_printf(out, "%X/%X", (unsigned)(lsn >> 32), (unsigned)(lsn & 0xFFFFFFFFu));
}
