/* Doubling waits, of which the second half is random: clients that lost the same server do not come
 * back in step, and nobody ever hammers it by drawing a wait near zero (which full jitter allows).
 */
#include "core/backoff.h"

static uint32_t ceiling(const tp_backoff *backoff) {
    uint64_t wait = backoff->min_ms > 0 ? backoff->min_ms : 1;
    uint64_t limit = backoff->max_ms > 0 ? backoff->max_ms : 1;
    for (uint32_t i = 0; i < backoff->attempt && wait < limit; i++) {
        wait *= 2;
    }
    return (uint32_t)(wait < limit ? wait : limit);
}

uint32_t tp_backoff_next(tp_backoff *backoff, uint32_t random) {
    uint32_t wait = ceiling(backoff);
    if (backoff->attempt < UINT32_MAX) {
        backoff->attempt++;
    }
    return wait - random % (wait / 2 + 1);
}

void tp_backoff_reset(tp_backoff *backoff) {
    backoff->attempt = 0;
}
