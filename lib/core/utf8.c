/* Runs of ASCII go by in eight bytes at a time, since most values are nothing else; the rest is the
 * table of well-formed sequences in RFC 3629, section 4. */
#include "core/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS UINT64_C(0x0101010101010101)

/* Eight bytes, all ASCII and none of them zero. */
static bool plain8(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return ((word | (word - LOW_BITS)) & HIGH_BITS) == 0;
}

static bool follows(const unsigned char *at, unsigned low, unsigned high) {
    return *at >= low && *at <= high;
}

/* Length of the well-formed sequence at the beginning, 0 when there is none. */
static size_t sequence(const unsigned char *at, size_t left) {
    unsigned lead = at[0];
    if (lead < 0x80) {
        return lead == 0 ? 0 : 1;
    }
    if (lead < 0xE0) {
        return lead >= 0xC2 && left >= 2 && follows(at + 1, 0x80, 0xBF) ? 2 : 0;
    }
    if (lead < 0xF0) {
        unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
        unsigned high = lead == 0xED ? 0x9F : 0xBF;
        return left >= 3 && follows(at + 1, low, high) && follows(at + 2, 0x80, 0xBF) ? 3 : 0;
    }
    unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return lead <= 0xF4 && left >= 4 && follows(at + 1, low, high) && follows(at + 2, 0x80, 0xBF) &&
                   follows(at + 3, 0x80, 0xBF)
               ? 4
               : 0;
}

bool tp_utf8_check(const char *bytes, size_t length, size_t *characters) {
    size_t at = 0;
    size_t count = 0;
    while (at < length) {
        if (length - at >= 8 && plain8(bytes + at)) {
            at += 8;
            count += 8;
            continue;
        }
        size_t step = sequence((const unsigned char *)bytes + at, length - at);
        if (step == 0) {
            return false;
        }
        at += step;
        count++;
    }
    if (characters != NULL) {
        *characters = count;
    }
    return true;
}

uint32_t tp_utf8_next(const char *bytes, size_t length, size_t *at) {
    const unsigned char *from = (const unsigned char *)bytes + *at;
    uint32_t lead = from[0];
    size_t more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    static const uint32_t masks[] = {0x7F, 0x1F, 0x0F, 0x07};
    uint32_t character = lead & masks[more];
    for (size_t i = 1; i <= more && *at + i < length; i++) {
        character = character << 6 | (from[i] & 0x3Fu);
    }
    *at += more + 1;
    return character;
}
