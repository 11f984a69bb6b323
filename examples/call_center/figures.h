/* Counters that every thread adds to. */
#ifndef EXAMPLES_CALL_CENTER_FIGURES_H
#define EXAMPLES_CALL_CENTER_FIGURES_H

#include <stdatomic.h>
#include <stdint.h>

enum figure {
    /* writers */
    FIGURE_COMMITS,
    FIGURE_ROLLBACKS,
    FIGURE_CONFLICTS, /* transactions that the server ended: deadlocks, rows gone meanwhile */
    FIGURE_HELD,      /* commits and rollbacks after a while of holding the transaction open */
    FIGURE_ROWS,      /* written and committed */
    /* readers */
    FIGURE_HITS,
    FIGURE_MISSES,
    FIGURE_DISCARDED, /* fills that the fence took back */
    /* what the library delivered */
    FIGURE_BATCHES,
    FIGURE_CHANGES,
    FIGURE_KEYS,
    FIGURE_KEYS_ALONE, /* keys, had every change been delivered by itself */
    FIGURE_FORGOTTEN,  /* keys that stood in the cache */
    FIGURE_LOST,       /* keys that stood in the cache and stayed there, on purpose */
    FIGURE_REDELIVERED,
    FIGURE_RESYNCS,
    /* a thread that reads its own writes */
    FIGURE_OWN_WRITES,
    FIGURE_OWN_WRITES_SEEN,
    FIGURE_LATE_FILLS, /* out of date on purpose */
    FIGURE_LATE_FILLS_NOTICED,
    FIGURES
};

typedef struct cc_figures {
    _Atomic uint64_t counters[FIGURES];
} cc_figures;

/* A copy at one moment; differences of two tell about a phase. */
typedef struct cc_figures_copy {
    uint64_t counters[FIGURES];
} cc_figures_copy;

void figures_add(cc_figures *figures, int figure, uint64_t amount);
uint64_t figures_get(const cc_figures *figures, int figure);
cc_figures_copy figures_take(const cc_figures *figures);
cc_figures_copy figures_since(const cc_figures *figures, const cc_figures_copy *begin);

#endif
