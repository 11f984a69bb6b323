/* Two hexadecimal numbers of up to eight digits, the high and the low half, around a slash. */
#include "core/lsn.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

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

/* The digits end before `end`; returns where they begin. */
static char *put_half(char *end, uint32_t value) {
    do {
        *--end = "0123456789ABCDEF"[value % 16];
        value /= 16;
    } while (value != 0);
    return end;
}

void tp_lsn_format(uint64_t lsn, tp_strbuf *out) {
    char text[17];
    char *end = text + sizeof text;
    char *at = put_half(end, (uint32_t)lsn);
    *--at = '/';
    at = put_half(at, (uint32_t)(lsn >> 32));
    tp_strbuf_add(out, at, (size_t)(end - at));
}

void tp_lsn_json(tp_strbuf *json, const char *key, uint64_t lsn) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_lsn_format(lsn, &text);
    tp_json_text(json, key, lsn == 0 || text.failed ? NULL : tp_strbuf_str(&text));
    json->failed = json->failed || text.failed;
    tp_strbuf_free(&text);
}
