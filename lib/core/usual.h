/* What a value usually is: the median of its last 60 values. */
#ifndef TP_CORE_USUAL_H
#define TP_CORE_USUAL_H

#include <stdbool.h>
#include <stdint.h>

#define TP_USUAL_VALUES 60u
/* Fewer say nothing. */
#define TP_USUAL_FEWEST 8u

/* A zeroed one is empty. */
typedef struct tp_usual {
    double values[TP_USUAL_VALUES];
    uint32_t count;
    uint32_t next;
} tp_usual;

void tp_usual_put(tp_usual *usual, double value);
/* False when there are too few values. */
bool tp_usual_get(const tp_usual *usual, double *median);

#endif
