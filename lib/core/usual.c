/* A median does not move when a few values are far off, so a bad hour does not raise what counts as
 * usual, and its end does not look like an improvement. A moving average (EWMA) needs one number
 * instead of sixty and no sorting, but each outlier shifts it, and how long it remembers depends on
 * how often it is asked. Values are put in also while an alert stands: after half of the sixty, a
 * new level has become the usual one and the alert ends by itself.
 *
 * Get: at most 1,800 steps of an insertion into a sorted copy. */
#include "core/usual.h"

void tp_usual_put(tp_usual *usual, double value) {
    usual->values[usual->next] = value;
    usual->next = (usual->next + 1) % TP_USUAL_VALUES;
    usual->count += usual->count < TP_USUAL_VALUES ? 1 : 0;
}

bool tp_usual_get(const tp_usual *usual, double *median) {
    double sorted[TP_USUAL_VALUES];
    if (usual->count < TP_USUAL_FEWEST) {
        return false;
    }
    for (uint32_t i = 0; i < usual->count; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > usual->values[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = usual->values[i];
    }
    uint32_t middle = usual->count / 2;
    *median = usual->count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    return true;
}
