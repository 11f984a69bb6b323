/* The last messages for all browsers. Every reader has a place of its own in it; who is too slow
 * misses some, and learns how many: nothing is kept for anybody. */
#ifndef TRIGPERF_TOOL_SERVE_FEED_H
#define TRIGPERF_TOOL_SERVE_FEED_H

#include <stdint.h>

#include "serve_body.h"

typedef struct serve_feed serve_feed;

serve_feed *serve_feed_new(void);
void serve_feed_free(serve_feed *feed);

/* Takes the body over; the oldest go when there are too many, or too many bytes. Any thread. */
void serve_feed_put(serve_feed *feed, serve_body *body);

/* A message that every reader gets once, also who comes later; takes the body over. Any thread. */
void serve_feed_state(serve_feed *feed, serve_body *body);

/* That message, held for the caller, if it is another one than *version; NULL otherwise. */
serve_body *serve_feed_state_since(serve_feed *feed, uint64_t *version);

/* Where a reader begins that wants what comes from now on. */
uint64_t serve_feed_end(serve_feed *feed);

/* The next message, held for the caller, or NULL; *missed: how many had gone before it. */
serve_body *serve_feed_next(serve_feed *feed, uint64_t *place, uint64_t *missed);

#endif
