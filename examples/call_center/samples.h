/* Durations and their percentiles. One thread adds; merge before asking. */
#ifndef EXAMPLES_CALL_CENTER_SAMPLES_H
#define EXAMPLES_CALL_CENTER_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct cc_samples {
    double *values; /* milliseconds */
    size_t count;
    size_t capacity;
} cc_samples;

uint64_t now_ns(void); /* of the monotonic clock */
double ms_between(uint64_t begin_ns, uint64_t end_ns);

void samples_add(cc_samples *samples, double ms); /* dropped when memory is short */
void samples_merge(cc_samples *into, const cc_samples *from);
double samples_percentile(cc_samples *samples, double percent); /* 0 when there are none */
void samples_free(cc_samples *samples);

#endif
