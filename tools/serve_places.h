/* Connections that are no browsers, in the order of their last request. */
#ifndef TRIGPERF_TOOL_SERVE_PLACES_H
#define TRIGPERF_TOOL_SERVE_PLACES_H

#include <stddef.h>

enum { SERVE_PLACES_MAX = 48 };

typedef struct serve_places {
    void *taken[SERVE_PLACES_MAX]; /* longest without a request first */
    size_t count;
} serve_places;

/* A connection came, or asked for something. Returns the one that has to give its place up, NULL
 * when there is room. */
void *serve_places_take(serve_places *places, void *one);

/* It ended, or became a browser. */
void serve_places_leave(serve_places *places, const void *one);

#endif
