/* Changes merged by what they are about: one delta for each distinct (table, key values). */
#ifndef TP_CORE_COALESCER_H
#define TP_CORE_COALESCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/change.h"
#include "core/slots.h"

/* The commit position of a change that has none: greater than all, so that merging keeps it. */
#define TP_LSN_UNKNOWN UINT64_MAX

static inline uint64_t tp_lsn_or_unknown(uint64_t lsn) {
    return lsn == 0 ? TP_LSN_UNKNOWN : lsn;
}

typedef struct tp_delta {
    const tp_table *table;
    uint64_t hash;
    uint64_t count;   /* changes merged, those returned apart */
    uint64_t arrival; /* number of the oldest */
    uint64_t lsn;     /* newest */
    uint32_t tuple_length;
    uint32_t refs; /* the window's: where the list of its keys is, and how many they are */
    uint32_t ref_count;
    uint32_t returned; /* changes that came back from the limiter */
    uint8_t ops;
    uint8_t expanded; /* the window's: operations whose keys are in the list */
    char tuple[];     /* see core/tuple.h */
} tp_delta;

/* What a change adds to a delta. */
typedef struct tp_addition {
    uint64_t count;
    uint64_t arrival;
    uint64_t lsn;
    uint8_t ops;
} tp_addition;

/* A coalescer of zeroes is empty. */
typedef struct tp_coalescer {
    tp_arena arena;
    tp_slots slots;
    uint32_t count;
} tp_coalescer;

void tp_coalescer_free(tp_coalescer *coalescer);
void tp_coalescer_clear(tp_coalescer *coalescer);

/* The hash of a delta: the caller's, which covers the tuple under a key, with the table mixed in.
 * The functions below take the caller's. */
static inline uint64_t tp_coalescer_hash(const tp_table *table, uint64_t hash) {
    return hash ^ (uint64_t)(uintptr_t)table * UINT64_C(0x9E3779B97F4A7C15);
}

tp_delta *tp_coalescer_find(const tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                            uint32_t length, uint64_t hash);
/* For callers with several changes at hand: after the first of these for each of them, and then the
 * second for each, what finding them reads is on its way to the processor. Only hints. */
void tp_coalescer_foresee(const tp_coalescer *coalescer, const tp_table *table, uint64_t hash);
void tp_coalescer_approach(const tp_coalescer *coalescer, const tp_table *table, uint32_t length,
                           uint64_t hash);
/* The delta that is most likely found, or NULL; it may be another one. For hints as well. */
const tp_delta *tp_coalescer_likely(const tp_coalescer *coalescer, const tp_table *table,
                                    uint64_t hash);
/* Room for so many more deltas with so many bytes of tuples in all: adding them cannot fail, but
 * pointers to deltas become invalid. False when memory is short. */
bool tp_coalescer_reserve(tp_coalescer *coalescer, uint32_t deltas, size_t tuple_bytes);
/* Adds an empty delta (nothing merged yet) that is not there. */
tp_delta *tp_coalescer_add(tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                           uint32_t length, uint64_t hash);
/* Finds or adds it, and merges into it: coalescing in one step. Needs room for one more. */
tp_delta *tp_coalescer_take(tp_coalescer *coalescer, const tp_table *table, const char *tuple,
                            uint32_t length, uint64_t hash, const tp_addition *addition);
void tp_delta_merge(tp_delta *delta, const tp_addition *addition);
/* The same for changes that were held back. The same change may come back with several keys that
 * held it, each of which held all changes since its own first; so the largest count is right, not
 * the sum. */
void tp_delta_return(tp_delta *delta, const tp_addition *addition);
uint64_t tp_delta_count(const tp_delta *delta);

/* In the order of adding: NULL gives the first, the last gives NULL. */
tp_delta *tp_coalescer_next(const tp_coalescer *coalescer, const tp_delta *delta);

/* Memory in use. */
uint64_t tp_coalescer_bytes(const tp_coalescer *coalescer);

#endif
