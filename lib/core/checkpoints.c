/* A short list in order. When it is full, every other entry goes: a position left out only means
 * that the stored one advances in larger steps for a while, which costs repeated deliveries after a
 * crash and nothing else. The newest always stays, so that an idle reader stores exactly where it
 * is. */
#include "core/checkpoints.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define CAPACITY 128u

struct tp_checkpoints {
    tp_checkpoint list[CAPACITY];
    uint32_t count;
    tp_checkpoint passed; /* returned last; position NULL: none */
    uint64_t bytes;
};

tp_checkpoints *tp_checkpoints_new(void) {
    return calloc(1, sizeof(tp_checkpoints));
}

void tp_checkpoints_free(tp_checkpoints *checkpoints) {
    if (checkpoints != NULL) {
        tp_checkpoints_clear(checkpoints);
        free(checkpoints);
    }
}

static void discard(tp_checkpoints *checkpoints, tp_checkpoint *item) {
    if (item->position != NULL) {
        checkpoints->bytes -= strlen(item->position) + 1;
        free(item->position);
        item->position = NULL;
    }
}

/* Keeps the second, fourth ... and the last. */
static void thin_out(tp_checkpoints *checkpoints) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < checkpoints->count; i++) {
        if (i % 2 == 1 || i + 1 == checkpoints->count) {
            checkpoints->list[kept++] = checkpoints->list[i];
        } else {
            discard(checkpoints, &checkpoints->list[i]);
        }
    }
    checkpoints->count = kept;
}

static const tp_checkpoint *newest(const tp_checkpoints *checkpoints) {
    return checkpoints->count > 0 ? &checkpoints->list[checkpoints->count - 1]
                                  : &checkpoints->passed;
}

bool tp_checkpoints_add(tp_checkpoints *checkpoints, uint64_t arrival, const char *position,
                        uint64_t lsn) {
    const tp_checkpoint *last = newest(checkpoints);
    if (last->position != NULL && last->arrival == arrival &&
        strcmp(last->position, position) == 0) {
        return true;
    }
    char *copy = tp_text_copy(position);
    if (copy == NULL) {
        return false;
    }
    uint32_t count = checkpoints->count;
    if (count > 0 && checkpoints->list[count - 1].arrival == arrival) {
        discard(checkpoints, &checkpoints->list[--checkpoints->count]);
    } else if (count == CAPACITY) {
        thin_out(checkpoints);
    }
    checkpoints->bytes += strlen(copy) + 1;
    checkpoints->list[checkpoints->count++] = (tp_checkpoint){arrival, lsn, copy};
    return true;
}

const tp_checkpoint *tp_checkpoints_pass(tp_checkpoints *checkpoints, uint64_t low_water) {
    uint32_t below = 0;
    while (below < checkpoints->count && checkpoints->list[below].arrival < low_water) {
        below++;
    }
    if (below == 0) {
        return NULL;
    }
    discard(checkpoints, &checkpoints->passed);
    for (uint32_t i = 0; i + 1 < below; i++) {
        discard(checkpoints, &checkpoints->list[i]);
    }
    checkpoints->passed = checkpoints->list[below - 1];
    checkpoints->count -= below;
    memmove(checkpoints->list, checkpoints->list + below,
            checkpoints->count * sizeof checkpoints->list[0]);
    return &checkpoints->passed;
}

const char *tp_checkpoints_newest(const tp_checkpoints *checkpoints) {
    const char *position = newest(checkpoints)->position;
    return position == NULL ? "" : position;
}

void tp_checkpoints_clear(tp_checkpoints *checkpoints) {
    for (uint32_t i = 0; i < checkpoints->count; i++) {
        discard(checkpoints, &checkpoints->list[i]);
    }
    checkpoints->count = 0;
    discard(checkpoints, &checkpoints->passed);
}

uint64_t tp_checkpoints_bytes(const tp_checkpoints *checkpoints) {
    return checkpoints->bytes;
}
