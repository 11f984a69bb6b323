/* A direct-mapped table of 4,096 words, half of each a part of the hash and half the time in
 * milliseconds: one load to ask, one store to note, 32 KB for good. A later key takes the place of
 * an earlier one, and two keys may look the same; what hangs on the answer is how long a window
 * waits, never whether something is delivered. More keys than places within one window would mean
 * that windows are closed by their size. Times wrap around after 49 days, with the same effect. */
#include "core/recent.h"

#include <stdlib.h>

#define PLACES 4096u

struct tp_recent {
    uint64_t places[PLACES]; /* 0: nothing */
};

tp_recent *tp_recent_new(void) {
    return calloc(1, sizeof(tp_recent));
}

void tp_recent_free(tp_recent *recent) {
    free(recent);
}

static uint64_t tag_of(uint64_t hash) {
    return hash >> 32 | 1;
}

void tp_recent_note(tp_recent *recent, uint64_t hash, uint64_t now_ms) {
    recent->places[hash % PLACES] = tag_of(hash) << 32 | (uint32_t)now_ms;
}

bool tp_recent_knows(const tp_recent *recent, uint64_t hash, uint64_t now_ms, uint32_t within_ms) {
    uint64_t place = recent->places[hash % PLACES];
    return place >> 32 == tag_of(hash) && (uint32_t)now_ms - (uint32_t)place < within_ms;
}
