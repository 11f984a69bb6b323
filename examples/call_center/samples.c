/* All values are kept and sorted when asked: exact percentiles of some hundred thousand values. */
#include "samples.h"

#include <stdlib.h>
#include <time.h>

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double ms_between(uint64_t begin_ns, uint64_t end_ns) {
    return end_ns > begin_ns ? (double)(end_ns - begin_ns) / 1e6 : 0;
}

void samples_add(cc_samples *samples, double ms) {
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity > 0 ? samples->capacity * 2 : 1024;
        double *values = realloc(samples->values, capacity * sizeof *values);
        if (values == NULL) {
            return;
        }
        samples->values = values;
        samples->capacity = capacity;
    }
    samples->values[samples->count++] = ms;
}

void samples_merge(cc_samples *into, const cc_samples *from) {
    for (size_t i = 0; i < from->count; i++) {
        samples_add(into, from->values[i]);
    }
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double samples_percentile(cc_samples *samples, double percent) {
    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->values, samples->count, sizeof samples->values[0], compare);
    size_t index = (size_t)(percent / 100 * (double)samples->count);
    return samples->values[index < samples->count ? index : samples->count - 1];
}

void samples_free(cc_samples *samples) {
    free(samples->values);
    *samples = (struct cc_samples){0};
}
