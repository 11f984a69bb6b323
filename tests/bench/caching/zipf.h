/* Numbers that follow Zipf's law, and a key of sixteen bytes for each number. */
#ifndef TESTS_BENCH_CACHING_ZIPF_H
#define TESTS_BENCH_CACHING_ZIPF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t zipf_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15)); /* SplitMix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Rejection-inversion (Hoermann and Derflinger 1996) for an exponent that is not 1. */
static inline double zipf_integral(double x, double s) {
    return (pow(x, 1 - s) - 1) / (1 - s);
}

static inline double zipf_inverse(double y, double s) {
    return pow(1 + y * (1 - s), 1 / (1 - s));
}

/* count numbers from 0 to range - 1. */
static inline void zipf_fill(uint32_t *numbers, size_t count, uint32_t range, double s,
                             uint64_t seed) {
    double low = zipf_integral(1.5, s) - 1;
    double high = zipf_integral(range + 0.5, s);
    for (size_t i = 0; i < count;) {
        double u = low + (double)(zipf_random(&seed) >> 11) * 0x1p-53 * (high - low);
        double x = zipf_inverse(u, s);
        double k = floor(x + 0.5);
        if (k < 1 || k > range) {
            continue;
        }
        if (u >= zipf_integral(k + 0.5, s) - pow(k, -s)) {
            numbers[i++] = (uint32_t)k - 1;
        }
    }
}

/* The popular numbers do not lie beside each other. */
static inline void zipf_key(uint32_t number, unsigned char key[16]) {
    uint64_t words[2] = {(number + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15), ~(uint64_t)number};
    memcpy(key, words, 16);
}

#endif
