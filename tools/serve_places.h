/* Connections that are no browsers, in the order of their last request. */
#ifndef TRIGPERF_TOOL_SERVE_PLACES_H
#define TRIGPERF_TOOL_SERVE_PLACES_H

#include <stdbool.h>
#include <stddef.h>

enum { SERVE_PLACES_MAX = 48, SERVE_CONNECTIONS_MAX = 128 };

typedef struct serve_places {
    void *taken[SERVE_PLACES_MAX]; /* longest without a request first */
    size_t count;
    void *lost[SERVE_CONNECTIONS_MAX]; /* are to be closed */
    size_t losers;
} serve_places;

/* A connection came, one of at most SERVE_CONNECTIONS_MAX that are open. Where there is no room,
 * another loses its place. */
void serve_places_come(serve_places *places, void *one);

/* It asks for something. Returns whether it has a place. */
bool serve_places_ask(serve_places *places, void *one);

/* It ended, or became a browser. */
void serve_places_leave(serve_places *places, const void *one);

#endif
