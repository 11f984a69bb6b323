/* Packed histograms from anywhere: as entries and as the text of an array. What is accepted must
 * keep its counts on the way through every form. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/packed.h"

#define ENTRIES_MAX 2048u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition) {
    if (!condition) {
        abort();
    }
}

static void check_forms(const tp_histogram *histogram) {
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    int64_t twice[2 * TP_HISTOGRAM_BUCKETS];
    int64_t half[2 * TP_HISTOGRAM_BUCKETS];
    static tp_histogram again;
    tp_strbuf text = TP_STRBUF_INIT;
    uint32_t count = tp_packed_encode(histogram, entries);
    tp_packed_print(entries, count, &text);
    memset(&again, 0, sizeof again);
    must(tp_packed_parse(text.data, text.length, &again, NULL) == TRIGPERF_OK);
    must(tp_packed_encode(&again, half) == count);
    must(memcmp(half, entries, count * sizeof *entries) == 0);
    must(tp_packed_merge(entries, count, entries, count, twice) == count);
    must(tp_packed_subtract(twice, count, entries, count, half) <= count);
    uint64_t low = tp_packed_quantile(entries, count, 0, 0.1);
    must(low <= tp_packed_quantile(entries, count, 0, 0.9));
    must(low <= TP_HISTOGRAM_CEILING);
    tp_strbuf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static tp_histogram histogram;
    static int64_t entries[ENTRIES_MAX];
    uint32_t count = (uint32_t)(size / sizeof *entries);
    count = count > ENTRIES_MAX ? ENTRIES_MAX : count;
    if (count > 0) {
        memcpy(entries, data, count * sizeof *entries);
    }
    memset(&histogram, 0, sizeof histogram);
    if (tp_packed_decode(entries, count, &histogram, NULL) == TRIGPERF_OK) {
        check_forms(&histogram);
    }
    memset(&histogram, 0, sizeof histogram);
    if (tp_packed_parse((const char *)data, size, &histogram, NULL) == TRIGPERF_OK) {
        check_forms(&histogram);
    }
    return 0;
}
