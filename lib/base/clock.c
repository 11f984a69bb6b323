/* CLOCK_MONOTONIC: unaffected by wall-clock steps. Both are read through the vDSO without a system
 * call. */
#include "base/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t clock) {
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t tp_clock_unix_ms(void) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t tp_clock_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t tp_clock_coarse_ms(void) {
#ifdef CLOCK_MONOTONIC_COARSE
    return read_clock(CLOCK_MONOTONIC_COARSE) / 1000000u;
#else
    return tp_clock_ms();
#endif
}

uint64_t tp_clock_ms(void) {
    return tp_clock_ns() / 1000000u;
}
