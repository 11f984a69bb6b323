/* What the programs of this folder share. Each contestant is a function that does the whole work in
 * its own source file, so that its compiler sees all of it; a program runs one contestant and
 * prints a line of `name value` pairs. */
#ifndef TESTS_BENCH_ENGINES_CONTEST_H
#define TESTS_BENCH_ENGINES_CONTEST_H

#include <stdint.h>
#include <string.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- changes to coalesce ---- */

#define CHANGE_KEY 48u
#define OP_UPDATE 8u

/* All contestants build a key from a number in the same way, once a change. */
static inline void change_key(char *key, uint32_t id) {
    memcpy(key, "tenant:000000042:dashboard:widgets:user:--------", CHANGE_KEY);
    for (uint32_t i = 0; i < 8; i++) {
        key[40 + i] = "0123456789abcdef"[id >> 4 * i & 15];
    }
}

typedef struct changes {
    const uint32_t *ids;
    uint32_t count;
    uint32_t flush; /* the window is walked and emptied after so many */
} changes;

typedef struct outcome {
    uint64_t sum;      /* of what was merged: the same for all */
    uint64_t distinct; /* of the last window, or batch */
    uint64_t bytes;    /* allocated for it */
    double ns;         /* processor time a change, or record */
    double again_ns;   /* a second batch in the same memory */
} outcome;

/* What is kept of a key: changes, oldest arrival, newest position, operations. */
typedef struct merged {
    uint64_t count;
    uint64_t arrival;
    uint64_t lsn;
    uint8_t ops;
} merged;

static inline void merge_change(merged *into, uint64_t number) {
    into->count++;
    into->arrival = number < into->arrival ? number : into->arrival;
    into->lsn = number > into->lsn ? number : into->lsn;
    into->ops |= OP_UPDATE;
}

#define MERGED_NONE                                                                                \
    { 0, UINT64_MAX, 0, 0 }

/* ---- records of a batch ---- */

typedef struct batch {
    const char *const *keys;
    const uint64_t *lengths;
    uint32_t count;
} batch;

/* ---- measuring ---- */

uint64_t contest_bytes(void); /* that the allocator has given out */

static inline double contest_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#ifdef __cplusplus
}
#endif

#endif
