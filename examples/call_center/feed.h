/* The part that a host writes to use libtrigperf: a context, a loop that processes it, and what to
 * do with a batch. */
#ifndef EXAMPLES_CALL_CENTER_FEED_H
#define EXAMPLES_CALL_CENTER_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <trigperf.h>

#include "world.h"

typedef struct cc_feed cc_feed;

/* Told of each key that arrives, on the feed's thread. */
typedef void feed_key_fn(void *user, const char *key, uint64_t arrived_ns);

/* Starts following the database and returns once it is ready: what is committed from here on will
 * arrive. NULL after a failure, said on stderr. window_ms < 0: the library's default. on_key may be
 * NULL. */
cc_feed *feed_start(cc_world *world, int32_t window_ms, feed_key_fn *on_key, void *user);
void feed_stop(cc_feed *feed); /* NULL: no effect */

trigperf_context *feed_context(cc_feed *feed);

/* Puts an answer that was read after `token` was taken (trigperf_fence_begin) into the cache;
 * false: the fence noticed that it is out of date, and it did not stay. */
bool feed_fill(cc_feed *feed, uint64_t token, const char *key, const char *answer);

/* Waits until everything that is committed now was delivered and forgotten. */
bool feed_catch_up(cc_feed *feed);

/* While on, batches are acknowledged without forgetting anything: a host that loses deliveries.
 * FIGURE_LOST counts the keys that it should have forgotten. */
void feed_drop(cc_feed *feed, bool on);

/* Resyncs delivered since it was ready. */
uint64_t feed_resyncs(const cc_feed *feed);

/* Milliseconds of the library's window. */
int64_t feed_window_ms(const cc_feed *feed);

#endif
