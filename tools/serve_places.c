/* Somebody who opens connections and leaves them must not keep a health check out. So when the
 * places are used up, the one that has been without a request for longest gives its place to the
 * newest: an answer takes milliseconds, so who waits for one is among the newest. */
#include "serve_places.h"

#include <string.h>

void serve_places_leave(serve_places *places, const void *one) {
    for (size_t i = 0; i < places->count; i++) {
        if (places->taken[i] == one) {
            places->count--;
            memmove(&places->taken[i], &places->taken[i + 1],
                    (places->count - i) * sizeof places->taken[0]);
            return;
        }
    }
}

void *serve_places_take(serve_places *places, void *one) {
    void *loser = NULL;
    serve_places_leave(places, one);
    if (places->count == SERVE_PLACES_MAX) {
        loser = places->taken[0];
        serve_places_leave(places, loser);
    }
    places->taken[places->count++] = one;
    return loser;
}
