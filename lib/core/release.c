/* The window is entered as if the changes came now, so that what is due meets what has just arrived
 * and both leave together. Returning a delta twice changes nothing, so when one fails, all may be
 * tried again. */
#include "core/release.h"

static tp_staged_key key_of(const tp_limit *limit, const tp_fence *fence) {
    uint32_t length = 0;
    const char *bytes = tp_limit_key(limit, &length);
    return (tp_staged_key){.bytes = bytes,
                           .length = length,
                           .interval_ms = tp_limit_interval(limit),
                           .fence_slot = fence == NULL ? 0 : tp_fence_slot(fence, bytes, length),
                           .arrival = tp_limit_arrival(limit),
                           .lsn = tp_limit_lsn(limit)};
}

bool tp_release(tp_limiter *limiter, tp_limit *limit, tp_window *window, const tp_fence *fence) {
    tp_staged_key key = key_of(limit, fence);
    tp_addition addition = {0, key.arrival, 0, 0};
    tp_window_stage_nothing(window);
    if (!tp_window_stage_key(window, &key) || !tp_window_commit_returned(window, &addition)) {
        return false;
    }
    for (const tp_delta *delta = NULL; (delta = tp_limit_next(limit, delta)) != NULL;) {
        addition = (tp_addition){tp_delta_count(delta), delta->arrival, delta->lsn, delta->ops};
        tp_window_stage_delta(window, delta);
        if (!tp_window_stage_key(window, &key) || !tp_window_commit_returned(window, &addition)) {
            return false;
        }
    }
    tp_limiter_release(limiter, limit);
    return true;
}
