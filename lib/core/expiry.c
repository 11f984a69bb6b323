/* A code holds the number of the unit in which the entry expires, counted from the beginning of
 * time, modulo 8,192. With the point `since`, which lies before the expiry and less than 8,192
 * units away, there is one number it can stand for. So codes need no change when the point moves
 * on, as long as those that have expired by then are removed: nothing is rounded twice. */
#include "core/expiry.h"

#define UNITS 8u
#define COUNT 8192u

static uint32_t unit_shift(uint32_t unit) {
    return 3 * unit + 3;
}

uint32_t tp_expiry_encode(uint32_t since, uint64_t now_ms, uint64_t ttl_ms) {
    uint64_t from = (uint64_t)since << 10;
    uint64_t now = now_ms > from ? now_ms : from;
    if (ttl_ms > UINT64_MAX / 2 - now) {
        return TP_EXPIRY_NEVER;
    }
    for (uint32_t unit = 0; unit < UNITS; unit++) {
        uint32_t shift = unit_shift(unit);
        uint64_t number = (now + ttl_ms + (UINT64_C(1) << shift) - 1) >> shift;
        number += (unit << 13 | number % COUNT) == TP_EXPIRY_NEVER ? 1 : 0;
        if (number - (from >> shift) < COUNT) {
            return unit << 13 | (uint32_t)(number % COUNT);
        }
    }
    return TP_EXPIRY_NEVER;
}

uint64_t tp_expiry_time(uint32_t code, uint32_t since) {
    if (code == TP_EXPIRY_NEVER) {
        return UINT64_MAX;
    }
    uint32_t shift = unit_shift(code >> 13);
    uint64_t from = ((uint64_t)since << 10) >> shift;
    return (from + ((code - from) & (COUNT - 1))) << shift;
}
