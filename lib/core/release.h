/* From the limiter back into the window: a key whose interval has passed, with the changes behind
 * it. */
#ifndef TP_CORE_RELEASE_H
#define TP_CORE_RELEASE_H

#include <stdbool.h>

#include "core/fence.h"
#include "core/limiter.h"
#include "core/window.h"

/* fence may be NULL. False when memory is short: try again later, nothing is lost or counted
 * twice. */
bool tp_release(tp_limiter *limiter, tp_limit *limit, tp_window *window, const tp_fence *fence);

#endif
