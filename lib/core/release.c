/* The window is entered as if the changes came now, so that what is due meets what has just arrived
 * and both leave together. A delta that has gone over counts no more, should a later one fail and
 * all be tried again. */
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
    if (!tp_window_stage_key(window, &key) || !tp_window_commit(window, &addition, 0)) {
        return false;
    }
    for (tp_delta *delta = NULL; (delta = tp_limit_next(limit, delta)) != NULL;) {
        addition = (tp_addition){delta->count, delta->arrival, delta->lsn, delta->ops};
        tp_window_stage_delta(window, delta);
        if (!tp_window_stage_key(window, &key) || !tp_window_commit(window, &addition, 0)) {
            return false;
        }
        delta->count = 0;
    }
    tp_limiter_release(limiter, limit);
    return true;
}
