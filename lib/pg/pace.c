/* Intervals double from min to max while polls find nothing. A follower still polls now and then:
 * it is its heartbeat towards the server, and its safety should an announcement be lost. */
#include "pg/pace.h"

#define SAFETY_MS 10000

void tp_pace_init(tp_pace *pace, uint32_t min_ms, uint32_t max_ms) {
    *pace = (tp_pace){min_ms, max_ms, min_ms, UINT64_MAX};
}

void tp_pace_stop(tp_pace *pace) {
    pace->next_ms = UINT64_MAX;
}

bool tp_pace_stopped(const tp_pace *pace) {
    return pace->next_ms == UINT64_MAX;
}

void tp_pace_now(tp_pace *pace, uint64_t now_ms) {
    pace->next_ms = now_ms;
}

void tp_pace_polled(tp_pace *pace, uint64_t now_ms, bool found, bool followed) {
    uint32_t doubled = pace->wait_ms * 2;
    pace->wait_ms = found ? pace->min_ms : doubled < pace->max_ms ? doubled : pace->max_ms;
    pace->next_ms = now_ms + (followed ? SAFETY_MS : pace->wait_ms);
}

void tp_pace_told(tp_pace *pace, uint64_t now_ms) {
    pace->next_ms = now_ms + SAFETY_MS;
}

void tp_pace_alone(tp_pace *pace, uint64_t now_ms) {
    if (!tp_pace_stopped(pace) && pace->next_ms > now_ms + pace->max_ms) {
        pace->next_ms = now_ms;
    }
}

bool tp_pace_due(const tp_pace *pace, uint64_t now_ms) {
    return now_ms >= pace->next_ms;
}
