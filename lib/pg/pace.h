/* When to poll next: quickly while changes come, slower while none do, rarely while a notifier
 * tells what is new. */
#ifndef TP_PG_PACE_H
#define TP_PG_PACE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tp_pace {
    uint32_t min_ms;
    uint32_t max_ms;
    uint32_t wait_ms; /* the present interval */
    uint64_t next_ms; /* UINT64_MAX: not polling */
} tp_pace;

void tp_pace_init(tp_pace *pace, uint32_t min_ms, uint32_t max_ms);
void tp_pace_stop(tp_pace *pace);
bool tp_pace_stopped(const tp_pace *pace);
/* Poll at once. */
void tp_pace_now(tp_pace *pace, uint64_t now_ms);
/* A poll ended: it found something or not; somebody else polls for us, or not. */
void tp_pace_polled(tp_pace *pace, uint64_t now_ms, bool found, bool followed);
/* News came without a poll. */
void tp_pace_told(tp_pace *pace, uint64_t now_ms);
/* Nobody polls for us (any more): the next poll is at most one long interval away. */
void tp_pace_alone(tp_pace *pace, uint64_t now_ms);
bool tp_pace_due(const tp_pace *pace, uint64_t now_ms);

#endif
