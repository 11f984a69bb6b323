/* One file descriptor to wait on: readiness of sockets, one timer and wake-ups from other threads,
 * all inside it. The only file that knows epoll, timerfd and eventfd. */
#ifndef TP_BASE_LOOP_H
#define TP_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum tp_loop_interest { TP_LOOP_READ = 1, TP_LOOP_WRITE = 2 };

typedef struct tp_loop tp_loop;

int32_t tp_loop_new(tp_loop **out, trigperf_error **err);
void tp_loop_free(tp_loop *loop); /* closes its descriptors, none of the watched ones */

int tp_loop_fd(const tp_loop *loop);

/* Watches fd (interest != 0), changes the interest, or forgets it (interest 0). A descriptor that
 * was closed meanwhile is forgotten by the kernel and may be added again. */
int32_t tp_loop_watch(tp_loop *loop, int fd, uint32_t interest, trigperf_error **err);

/* Makes the descriptor readable at a monotonic time in ms; UINT64_MAX: never. */
void tp_loop_deadline(tp_loop *loop, uint64_t now_ms, uint64_t deadline_ms);

/* Makes the descriptor readable once after so many microseconds, beside the deadline. False when
 * that cannot be had. */
bool tp_loop_nap(tp_loop *loop, uint32_t us);
/* Whether the last nap has not been noticed by tp_loop_wait() yet. */
bool tp_loop_napping(const tp_loop *loop);

/* Makes the descriptor readable now. Any thread, async-signal-safe. */
void tp_loop_wake(tp_loop *loop);

/* Waits up to timeout_ms (-1: without limit; 0: polls) until something is ready, and takes back
 * wake-ups and the timer. Returns 1 if anything was ready, 0 on timeout, negative on error. */
int32_t tp_loop_wait(tp_loop *loop, int32_t timeout_ms, trigperf_error **err);

#endif
