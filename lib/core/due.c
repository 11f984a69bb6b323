/* A window that waits costs latency and saves deliveries; it saves them only for keys that come
 * again. So one that holds nothing but fresh keys ends after a few milliseconds, enough to merge
 * what was read together. */
#include "core/due.h"

tp_due tp_due_make(uint32_t window_ms, uint32_t fresh_ms) {
    return (tp_due){.window_ms = window_ms,
                    .fresh_ms = fresh_ms < window_ms ? fresh_ms : window_ms,
                    .at_ms = UINT64_MAX};
}

static uint64_t after(uint64_t moment_ms, uint32_t wait_ms) {
    return moment_ms > UINT64_MAX - wait_ms ? UINT64_MAX : moment_ms + wait_ms;
}

void tp_due_open(tp_due *due, uint64_t now_ms) {
    if (due->at_ms == UINT64_MAX) {
        due->opened_ms = now_ms;
        due->at_ms = after(now_ms, due->fresh_ms);
        due->brief = due->fresh_ms < due->window_ms;
    }
}

void tp_due_recur(tp_due *due) {
    if (due->brief) {
        due->at_ms = after(due->opened_ms, due->window_ms);
        due->brief = false;
    }
}

void tp_due_hasten(tp_due *due, uint64_t now_ms) {
    due->at_ms = now_ms < due->at_ms ? now_ms : due->at_ms;
    due->brief = false;
}

void tp_due_close(tp_due *due) {
    due->at_ms = UINT64_MAX;
    due->brief = false;
}
