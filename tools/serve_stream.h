/* Batches as they are delivered, for whoever looks at the page. */
#ifndef TRIGPERF_TOOL_SERVE_STREAM_H
#define TRIGPERF_TOOL_SERVE_STREAM_H

#include <trigperf.h>

#include "serve_feed.h"

typedef struct serve_stream serve_stream;

/* A thread with a context of its own, without a consumer's name: it takes nothing away from
 * anybody. wake(user) is called from that thread after messages were put into the feed. Takes no
 * configuration over. NULL, reported, when it cannot begin. */
serve_stream *serve_stream_start(const trigperf_config *config, serve_feed *feed,
                                 void (*wake)(void *user), void *user);
void serve_stream_stop(serve_stream *stream); /* NULL: no effect */

#endif
