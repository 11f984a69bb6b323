/* The HTTP and WebSocket side. */
#ifndef TRIGPERF_TOOL_SERVE_HTTP_H
#define TRIGPERF_TOOL_SERVE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "serve_access.h"
#include "serve_feed.h"
#include "serve_source.h"

typedef struct serve_http serve_http;

/* Listens; port 0: any that is free. Reports what failed. */
serve_http *serve_http_new(const char *given, uint16_t port, const serve_access *access);
void serve_http_free(serve_http *http);

/* Where the figures come from, before the first turn. */
void serve_http_connect(serve_http *http, serve_source *source, serve_feed *feed);

uint16_t serve_http_port(const serve_http *http);

/* Waits for something to do and does it; false: it cannot go on. */
bool serve_http_turn(serve_http *http);

/* There is something new for browsers, or the turn shall end. Any thread. */
void serve_http_wake(void *http);

#endif
