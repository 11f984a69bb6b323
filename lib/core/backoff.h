/* Exponential backoff with equal jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015). */
#ifndef TP_CORE_BACKOFF_H
#define TP_CORE_BACKOFF_H

#include <stdint.h>

typedef struct tp_backoff {
    uint32_t min_ms;
    uint32_t max_ms;
    uint32_t attempt;
} tp_backoff;

/* The next wait in ms: between half and all of min_ms * 2^attempt, at most max_ms, never 0. random
 * is any uniformly distributed number. */
uint32_t tp_backoff_next(tp_backoff *backoff, uint32_t random);
void tp_backoff_reset(tp_backoff *backoff);

#endif
