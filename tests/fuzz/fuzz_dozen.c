/* Encoded statistics from anywhere: what is accepted is written back as it came, and survives being
 * added to itself. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/dozen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition) {
    if (!condition) {
        abort();
    }
}

static void check_sum(tp_dozen *dozen) {
    uint64_t values[TP_DOZEN_COUNTERS];
    tp_dozen_values(dozen, values);
    int32_t status = tp_dozen_add(dozen, values, NULL);
    for (uint32_t i = 0; i < TP_DOZEN_COUNTERS; i++) {
        must(tp_dozen_get(dozen, i) == (status == TRIGPERF_OK ? values[i] * 2 : values[i]));
    }
    must(status == TRIGPERF_OK || status == TRIGPERF_E_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tp_dozen dozen = {{0, 0, 0}};
    uint8_t again[TP_DOZEN_CODE_WIDE];
    if (tp_dozen_decode(&dozen, data, size, NULL) == TRIGPERF_OK) {
        must(tp_dozen_encode(&dozen, again) == size);
        must(memcmp(again, data, size) == 0);
        check_sum(&dozen);
    }
    tp_dozen_free(&dozen);
    return 0;
}
