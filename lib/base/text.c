/* Copies take one allocation; validity of UTF-8 is decided a sequence at a time. */
#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

char *tp_text_copy(const char *text) {
    return tp_text_copy_bytes(text, strlen(text));
}

char *tp_text_copy_bytes(const char *bytes, size_t length) {
    char *copy = malloc(length + 1);
    if (copy != NULL) {
        if (length > 0) {
            memcpy(copy, bytes, length);
        }
        copy[length] = '\0';
    }
    return copy;
}

size_t tp_text_utf8(const unsigned char *bytes, size_t left) {
    unsigned char lead = bytes[0];
    size_t length = lead < 0x80                   ? 1
                    : lead >= 0xC2 && lead < 0xE0 ? 2
                    : lead >= 0xE0 && lead < 0xF0 ? 3
                    : lead >= 0xF0 && lead < 0xF5 ? 4
                                                  : 0;
    if (length == 0 || length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    if ((lead == 0xE0 && bytes[1] < 0xA0) || (lead == 0xED && bytes[1] > 0x9F) ||
        (lead == 0xF0 && bytes[1] < 0x90) || (lead == 0xF4 && bytes[1] > 0x8F)) {
        return 0;
    }
    return length;
}

/* How many bytes from there on are ASCII for certain: most texts are, so eight are looked at once.
 */
static size_t ascii_run(const char *bytes, size_t left) {
    size_t run = 0;
    uint64_t eight;
    while (left - run >= sizeof eight) {
        memcpy(&eight, bytes + run, sizeof eight);
        if ((eight & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
        run += sizeof eight;
    }
    return run;
}

bool tp_text_is_utf8(const char *bytes, size_t length) {
    const unsigned char *in = (const unsigned char *)bytes;
    for (size_t at = ascii_run(bytes, length); at < length;) {
        size_t sequence = tp_text_utf8(in + at, length - at);
        if (sequence == 0) {
            return false;
        }
        at += sequence;
    }
    return true;
}
