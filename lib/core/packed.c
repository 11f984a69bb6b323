/* Of 866 buckets about a hundred are in use, so a list of pairs is the smallest form that plain SQL
 * can add up (unnest, shift, group by); bytea, varints and jsonb were larger or ten times slower
 * there. A bucket number above the count keeps the array sorted by bucket, and the sign bit free.
 *
 * All of it is linear in the number of entries. */
#include "core/packed.h"

#include <stdbool.h>

static int64_t entry_of(uint32_t bucket, uint64_t count) {
    uint64_t held = count > TP_PACKED_COUNT_MAX ? TP_PACKED_COUNT_MAX : count;
    return (int64_t)((uint64_t)bucket << 48 | held);
}

uint32_t tp_packed_encode(const tp_histogram *histogram, int64_t *out) {
    uint32_t written = 0;
    for (uint32_t i = 0; i < TP_HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] != 0) {
            out[written++] = entry_of(i, histogram->counts[i]);
        }
    }
    return written;
}

static int32_t no_bucket(int64_t entry, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID,
                        "pass a histogram of encoding version 1: bucket << 48 | count",
                        "packed histogram: expected buckets 0 to %u, got the entry %lld",
                        TP_HISTOGRAM_LAST, (long long)entry);
}

int32_t tp_packed_decode(const int64_t *entries, uint32_t count, tp_histogram *into,
                         trigperf_error **err) {
    for (uint32_t i = 0; i < count; i++) {
        if (tp_packed_bucket(entries[i]) > TP_HISTOGRAM_LAST) {
            return no_bucket(entries[i], err);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t *held = &into->counts[tp_packed_bucket(entries[i])];
        *held = tp_sum_saturating(*held, tp_packed_count_of(entries[i]));
    }
    return TRIGPERF_OK;
}

uint64_t tp_packed_count(const int64_t *entries, uint32_t count) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total = tp_sum_saturating(total, tp_packed_count_of(entries[i]));
    }
    return total;
}

uint64_t tp_packed_quantile(const int64_t *entries, uint32_t count, uint64_t max, double q) {
    uint64_t total = tp_packed_count(entries, count);
    if (total == 0) {
        return 0;
    }
    uint64_t rank = tp_histogram_rank(q, total);
    uint64_t passed = 0;
    uint32_t at = 0;
    for (; at + 1 < count; at++) {
        passed += tp_packed_count_of(entries[at]);
        if (passed >= rank) {
            break;
        }
    }
    return tp_histogram_value(tp_packed_bucket(entries[at]), max);
}

uint32_t tp_packed_merge(const int64_t *a, uint32_t a_count, const int64_t *b, uint32_t b_count,
                         int64_t *out) {
    uint32_t i = 0;
    uint32_t j = 0;
    uint32_t written = 0;
    while (i < a_count && j < b_count) {
        uint32_t left = tp_packed_bucket(a[i]);
        uint32_t right = tp_packed_bucket(b[j]);
        if (left == right) {
            uint64_t sum = tp_packed_count_of(a[i++]) + tp_packed_count_of(b[j++]);
            out[written++] = entry_of(left, sum);
        } else {
            out[written++] = left < right ? a[i++] : b[j++];
        }
    }
    while (i < a_count) {
        out[written++] = a[i++];
    }
    while (j < b_count) {
        out[written++] = b[j++];
    }
    return written;
}

uint32_t tp_packed_subtract(const int64_t *later, uint32_t later_count, const int64_t *earlier,
                            uint32_t earlier_count, int64_t *out) {
    uint32_t j = 0;
    uint32_t written = 0;
    for (uint32_t i = 0; i < later_count; i++) {
        uint32_t bucket = tp_packed_bucket(later[i]);
        while (j < earlier_count && tp_packed_bucket(earlier[j]) < bucket) {
            j++;
        }
        bool both = j < earlier_count && tp_packed_bucket(earlier[j]) == bucket;
        uint64_t now = tp_packed_count_of(later[i]);
        uint64_t before = both ? tp_packed_count_of(earlier[j]) : 0;
        if (now > before) {
            out[written++] = entry_of(bucket, now - before);
        }
    }
    return written;
}

void tp_packed_print(const int64_t *entries, uint32_t count, tp_strbuf *out) {
    tp_strbuf_putc(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) {
            tp_strbuf_putc(out, ',');
        }
        tp_strbuf_putu(out, (uint64_t)entries[i]);
    }
    tp_strbuf_putc(out, '}');
}

static int32_t malformed(size_t at, const char *expected, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID,
                        "pass a bigint[] as PostgreSQL writes it, such as {281474976710657}",
                        "packed histogram: expected %s at byte %zu", expected, at);
}

/* One number of at most 18 digits, which is more than the largest entry has; false: none here. */
static bool read_number(const char *text, size_t length, size_t *at, int64_t *number) {
    size_t first = *at;
    *number = 0;
    while (*at < length && text[*at] >= '0' && text[*at] <= '9' && *at - first < 18) {
        *number = *number * 10 + (text[(*at)++] - '0');
    }
    return *at > first && tp_packed_bucket(*number) <= TP_HISTOGRAM_LAST;
}

/* Reads the literal; adds only when into is not NULL. */
static int32_t scan(const char *text, size_t length, tp_histogram *into, trigperf_error **err) {
    size_t at = 1;
    if (length < 2 || text[0] != '{') {
        return malformed(0, "a brace", err);
    }
    while (at < length && text[at] != '}') {
        int64_t entry = 0;
        if (!read_number(text, length, &at, &entry)) {
            return malformed(at, "an entry of encoding version 1", err);
        }
        if (at >= length || (text[at] != ',' && text[at] != '}') ||
            (text[at] == ',' && at + 1 < length && text[at + 1] == '}')) {
            return malformed(at, "a comma and an entry, or the end", err);
        }
        if (into != NULL) {
            tp_packed_decode(&entry, 1, into, NULL);
        }
        at += text[at] == ',' ? 1 : 0;
    }
    return at + 1 == length ? TRIGPERF_OK : malformed(at, "a brace at the end", err);
}

int32_t tp_packed_parse(const char *text, size_t length, tp_histogram *into, trigperf_error **err) {
    int32_t status = scan(text, length, NULL, err);
    return status == TRIGPERF_OK ? scan(text, length, into, NULL) : status;
}
