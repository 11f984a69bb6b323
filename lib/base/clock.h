/* Monotonic time. Read once a turn and passed down; lib/core never calls it. */
#ifndef TP_BASE_CLOCK_H
#define TP_BASE_CLOCK_H

#include <stdint.h>

uint64_t tp_clock_ns(void);
uint64_t tp_clock_ms(void);
/* The same clock to a few milliseconds, at a fifth of the price. */
uint64_t tp_clock_coarse_ms(void);

/* Milliseconds since 1970 by the system's clock, which may step: for people to read. */
uint64_t tp_clock_unix_ms(void);

#endif
