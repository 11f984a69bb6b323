/* Relaxed atomics: a figure may lag a moment behind another, none is lost. */
#include "figures.h"

void figures_add(cc_figures *figures, int figure, uint64_t amount) {
    atomic_fetch_add_explicit(&figures->counters[figure], amount, memory_order_relaxed);
}

uint64_t figures_get(const cc_figures *figures, int figure) {
    return atomic_load_explicit(&figures->counters[figure], memory_order_relaxed);
}

cc_figures_copy figures_take(const cc_figures *figures) {
    cc_figures_copy copy;
    for (int i = 0; i < FIGURES; i++) {
        copy.counters[i] = figures_get(figures, i);
    }
    return copy;
}

cc_figures_copy figures_since(const cc_figures *figures, const cc_figures_copy *begin) {
    cc_figures_copy copy = figures_take(figures);
    for (int i = 0; i < FIGURES; i++) {
        copy.counters[i] -= begin->counters[i];
    }
    return copy;
}
