/* Somebody who opens connections and leaves them must not keep a health check out. So when the
 * places are used up, the one that has been without a request for longest gives its place to the
 * newest: an answer takes milliseconds, so who waits for one is among the newest. Who has lost its
 * place gets none by asking for something: a crowd whose requests had not been read yet would push
 * out who came after it. */
#include "serve_places.h"

#include <string.h>

static bool take_out(void **list, size_t *count, const void *one) {
    for (size_t i = 0; i < *count; i++) {
        if (list[i] == one) {
            (*count)--;
            memmove(&list[i], &list[i + 1], (*count - i) * sizeof list[0]);
            return true;
        }
    }
    return false;
}

void serve_places_leave(serve_places *places, const void *one) {
    if (!take_out(places->taken, &places->count, one)) {
        take_out(places->lost, &places->losers, one);
    }
}

void serve_places_come(serve_places *places, void *one) {
    if (places->count == SERVE_PLACES_MAX) {
        void *loser = places->taken[0];
        serve_places_leave(places, loser);
        places->lost[places->losers++] = loser;
    }
    places->taken[places->count++] = one;
}

bool serve_places_ask(serve_places *places, void *one) {
    if (!take_out(places->taken, &places->count, one)) {
        return false;
    }
    places->taken[places->count++] = one;
    return true;
}
