/* When the open window ends: soon if all in it is fresh, at its full length once something recurs,
 * and never after that. */
#ifndef TP_CORE_DUE_H
#define TP_CORE_DUE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tp_due {
    uint32_t window_ms;
    uint32_t fresh_ms;
    uint64_t opened_ms;
    uint64_t at_ms; /* UINT64_MAX: no window is open */
    bool brief;     /* it ends after fresh_ms, unless something recurs */
} tp_due;

tp_due tp_due_make(uint32_t window_ms, uint32_t fresh_ms);
/* Something is in the window now; nothing happens when it is open already. */
void tp_due_open(tp_due *due, uint64_t now_ms);
/* Something has come again, so that waiting for more of it pays. */
void tp_due_recur(tp_due *due);
/* The window ends as soon as it can be closed, whatever comes. */
void tp_due_hasten(tp_due *due, uint64_t now_ms);
void tp_due_close(tp_due *due);

#endif
