/* The public side of lib/core/histogram.h and lib/core/packed.h. */
#include <trigperf/histogram.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/packed.h"

struct trigperf_histogram {
    tp_histogram inner;
};

int32_t trigperf_histogram_new(trigperf_histogram **histogram, trigperf_error **error) {
    trigperf_histogram *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return tp_error_nomem(error);
    }
    *histogram = fresh;
    return TRIGPERF_OK;
}

void trigperf_histogram_free(trigperf_histogram *histogram) {
    free(histogram);
}

void trigperf_histogram_reset(trigperf_histogram *histogram) {
    memset(&histogram->inner, 0, sizeof histogram->inner);
}

void trigperf_histogram_record(trigperf_histogram *histogram, int64_t ns, uint64_t times) {
    tp_histogram_add(&histogram->inner, ns < 0 ? 0 : (uint64_t)ns, times);
}

void trigperf_histogram_merge(trigperf_histogram *into, const trigperf_histogram *from) {
    tp_histogram_merge(&into->inner, &from->inner);
}

uint64_t trigperf_histogram_count(const trigperf_histogram *histogram) {
    return tp_histogram_count(&histogram->inner);
}

uint64_t trigperf_histogram_sum(const trigperf_histogram *histogram) {
    return histogram->inner.sum;
}

uint64_t trigperf_histogram_max(const trigperf_histogram *histogram) {
    return tp_histogram_max(&histogram->inner);
}

double trigperf_histogram_mean(const trigperf_histogram *histogram) {
    uint64_t count = tp_histogram_count(&histogram->inner);
    return count == 0 ? 0 : (double)histogram->inner.sum / (double)count;
}

int32_t trigperf_histogram_quantile(const trigperf_histogram *histogram, double q, uint64_t *ns,
                                    trigperf_error **error) {
    if (!(q >= 0 && q <= 1)) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "0.99 is the 99th percentile",
                            "expected a share from 0 to 1, got %g", q);
    }
    if (tp_histogram_count(&histogram->inner) == 0) {
        return tp_error_set(error, TRIGPERF_E_NOT_FOUND, "ask trigperf_histogram_count() before",
                            "an empty histogram has no quantiles");
    }
    *ns = tp_histogram_quantile(&histogram->inner, q);
    return TRIGPERF_OK;
}

uint32_t trigperf_histogram_buckets(void) {
    return TP_HISTOGRAM_BUCKETS;
}

uint64_t trigperf_histogram_bucket_lower(uint32_t bucket) {
    return tp_histogram_lower(bucket > TP_HISTOGRAM_LAST ? TP_HISTOGRAM_LAST : bucket);
}

uint64_t trigperf_histogram_bucket_count(const trigperf_histogram *histogram, uint32_t bucket) {
    return bucket > TP_HISTOGRAM_LAST ? 0 : histogram->inner.counts[bucket];
}

int32_t trigperf_histogram_encode(const trigperf_histogram *histogram, int64_t *packed,
                                  uint32_t capacity, uint32_t *count, trigperf_error **error) {
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    uint32_t written = tp_packed_encode(&histogram->inner, entries);
    if (written > capacity) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "room for 866 entries always suffices",
                            "expected room for %u entries, got %u", written, capacity);
    }
    if (written > 0) {
        memcpy(packed, entries, written * sizeof *entries);
    }
    *count = written;
    return TRIGPERF_OK;
}

static int32_t check_encoding(int32_t encoding, trigperf_error **error) {
    if (encoding != TP_PACKED_VERSION) {
        return tp_error_set(
            error, TRIGPERF_E_VERSION, "a newer version of this library may have written it",
            "packed histogram: expected encoding version %d, got %d", TP_PACKED_VERSION, encoding);
    }
    return TRIGPERF_OK;
}

static int32_t add_rest(trigperf_histogram *histogram, int32_t status, uint64_t sum_ns,
                        uint64_t max_ns) {
    if (status == TRIGPERF_OK) {
        tp_histogram *inner = &histogram->inner;
        inner->sum = tp_sum_saturating(inner->sum, sum_ns);
        inner->max = max_ns > inner->max ? max_ns : inner->max;
    }
    return status;
}

int32_t trigperf_histogram_decode(trigperf_histogram *histogram, int32_t encoding,
                                  const int64_t *packed, uint32_t count, uint64_t sum_ns,
                                  uint64_t max_ns, trigperf_error **error) {
    int32_t status = check_encoding(encoding, error);
    if (status == TRIGPERF_OK) {
        status = tp_packed_decode(packed, count, &histogram->inner, error);
    }
    return add_rest(histogram, status, sum_ns, max_ns);
}

int32_t trigperf_histogram_text(const trigperf_histogram *histogram, char **text,
                                trigperf_error **error) {
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    tp_strbuf out = TP_STRBUF_INIT;
    tp_packed_print(entries, tp_packed_encode(&histogram->inner, entries), &out);
    char *taken = tp_strbuf_take(&out);
    if (taken == NULL) {
        return tp_error_nomem(error);
    }
    *text = taken;
    return TRIGPERF_OK;
}

int32_t trigperf_histogram_parse(trigperf_histogram *histogram, int32_t encoding, const char *text,
                                 uint64_t length, uint64_t sum_ns, uint64_t max_ns,
                                 trigperf_error **error) {
    int32_t status = check_encoding(encoding, error);
    if (status == TRIGPERF_OK) {
        status = tp_packed_parse(text, (size_t)length, &histogram->inner, error);
    }
    return add_rest(histogram, status, sum_ns, max_ns);
}
