/* getrandom(2): no file descriptor, never blocks once the kernel has booted. */
#include "base/entropy.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

bool tp_entropy_fill(void *bytes, size_t length) {
    unsigned char *at = bytes;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        length -= (size_t)got;
    }
    return true;
}

bool tp_entropy_uuid(char out[37]) {
    unsigned char b[16];
    if (!tp_entropy_fill(b, sizeof b)) {
        return false;
    }
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return true;
}
