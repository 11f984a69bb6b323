/* The public side of lib/core/dedup.h, tracker.h and dozen.h: checks arguments. The handles are
 * theirs under another name, so that statistics take 24 bytes and not a pointer more. */
#include <trigperf/dedup.h>

#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "base/entropy.h"
#include "core/tracker.h"

struct trigperf_dedup_stats {
    tp_dozen dozen;
};

_Static_assert(sizeof(struct trigperf_dedup_stats) == TRIGPERF_DEDUP_ENCODED_PACKED, "24 bytes");

static tp_dedup *inner(const trigperf_dedup *dedup) {
    return (tp_dedup *)(uintptr_t)dedup;
}

static tp_tracker *tracker_of(const trigperf_dedup_tracker *tracker) {
    return (tp_tracker *)(uintptr_t)tracker;
}

static int32_t missing(const char *what, trigperf_error **error) {
    return tp_error_set(error, TRIGPERF_E_INVALID, NULL, "expected %s, got NULL", what);
}

static int32_t hand_over(tp_strbuf *text, char **json, trigperf_error **error) {
    char *taken = tp_strbuf_take(text);
    if (taken == NULL) {
        tp_strbuf_free(text);
        return tp_error_nomem(error);
    }
    *json = taken;
    return TRIGPERF_OK;
}

/* ---- families ---- */

int32_t trigperf_dedup_new(trigperf_context *context, const char *const *families, uint32_t count,
                           trigperf_dedup **dedup, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_hash_key key;
    if (dedup == NULL) {
        return missing("a place for the handle", error);
    }
    if (!tp_entropy_fill(&key, sizeof key)) {
        return tp_error_set(error, TRIGPERF_E_SYSTEM, "see getrandom(2)",
                            "random bytes were expected from the kernel, it refused");
    }
    tp_dedup *made = NULL;
    status = tp_dedup_new(&key, families, count, &made, error);
    if (status == TRIGPERF_OK) {
        *dedup = (trigperf_dedup *)(void *)made;
    }
    return status;
}

void trigperf_dedup_free(trigperf_dedup *dedup) {
    tp_dedup_unref(inner(dedup));
}

uint32_t trigperf_dedup_family_count(const trigperf_dedup *dedup) {
    return dedup == NULL ? 0 : tp_dedup_family_count(inner(dedup));
}

const char *trigperf_dedup_family_name(const trigperf_dedup *dedup, uint32_t family) {
    return dedup == NULL ? NULL : tp_dedup_family_name(inner(dedup), family);
}

int32_t trigperf_dedup_family_find(const trigperf_dedup *dedup, const char *name, uint32_t *family,
                                   trigperf_error **error) {
    if (dedup == NULL || name == NULL || family == NULL) {
        return missing("families, a name and a place for its number", error);
    }
    uint32_t found = tp_dedup_family_find(inner(dedup), name);
    if (found == UINT32_MAX) {
        return tp_error_set(error, TRIGPERF_E_NOT_FOUND, "name a family of trigperf_dedup_new()",
                            "no family has the name \"%s\"", name);
    }
    *family = found;
    return TRIGPERF_OK;
}

static int32_t check_pair(const trigperf_dedup_stats *records,
                          const trigperf_dedup_stats *duplicates, trigperf_error **error) {
    if (records != NULL && records == duplicates) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "make statistics for each",
                            "expected two statistics, got the same for records and duplicates");
    }
    return TRIGPERF_OK;
}

/* Both or none: values go into dozens that can be moved. */
static int32_t replace(const tp_dedup_counts *counts, trigperf_dedup_stats *records,
                       trigperf_dedup_stats *duplicates, trigperf_error **error) {
    tp_dozen first = {{0, 0, 0}};
    tp_dozen second = {{0, 0, 0}};
    int32_t status = tp_dozen_set(&first, counts->records, error);
    if (status == TRIGPERF_OK) {
        status = tp_dozen_set(&second, counts->duplicates, error);
    }
    if (status == TRIGPERF_OK && records != NULL) {
        tp_dozen former = records->dozen;
        records->dozen = first;
        first = former;
    }
    if (status == TRIGPERF_OK && duplicates != NULL) {
        tp_dozen former = duplicates->dozen;
        duplicates->dozen = second;
        second = former;
    }
    tp_dozen_free(&first);
    tp_dozen_free(&second);
    return status;
}

int32_t trigperf_dedup_totals(const trigperf_dedup *dedup, uint64_t *batches,
                              trigperf_dedup_stats *records, trigperf_dedup_stats *duplicates,
                              trigperf_error **error) {
    if (dedup == NULL) {
        return missing("families", error);
    }
    int32_t status = check_pair(records, duplicates, error);
    tp_dedup_counts totals;
    if (status == TRIGPERF_OK) {
        tp_dedup_totals(inner(dedup), &totals);
        status = replace(&totals, records, duplicates, error);
    }
    if (status == TRIGPERF_OK && batches != NULL) {
        *batches = totals.batches;
    }
    return status;
}

int32_t trigperf_dedup_json(const trigperf_dedup *dedup, char **json, trigperf_error **error) {
    if (dedup == NULL || json == NULL) {
        return missing("families and a place for the text", error);
    }
    tp_strbuf text = TP_STRBUF_INIT;
    tp_dedup_counts totals;
    tp_dedup_totals(inner(dedup), &totals);
    tp_dedup_json(inner(dedup), &totals, &text);
    return hand_over(&text, json, error);
}

/* ---- trackers ---- */

int32_t trigperf_dedup_tracker_new(trigperf_dedup *dedup, uint32_t flags, uint64_t expected,
                                   trigperf_dedup_tracker **tracker, trigperf_error **error) {
    if (dedup == NULL || tracker == NULL) {
        return missing("families and a place for the tracker", error);
    }
    if ((flags & ~(uint32_t)TRIGPERF_DEDUP_EXACT) != 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "see TRIGPERF_DEDUP_EXACT",
                            "expected flags that exist, got %#x", flags);
    }
    tp_tracker *made = tp_tracker_new(inner(dedup), (flags & TRIGPERF_DEDUP_EXACT) != 0);
    if (made == NULL || !tp_tracker_reserve(made, expected)) {
        tp_tracker_free(made);
        return tp_error_nomem(error);
    }
    *tracker = (trigperf_dedup_tracker *)(void *)made;
    return TRIGPERF_OK;
}

void trigperf_dedup_tracker_free(trigperf_dedup_tracker *tracker) {
    tp_tracker_free(tracker_of(tracker));
}

uint64_t trigperf_dedup_tracker_bytes(const trigperf_dedup_tracker *tracker) {
    return tracker == NULL ? 0 : tp_tracker_bytes(tracker_of(tracker));
}

static int32_t check_family(const trigperf_dedup_tracker *tracker, uint32_t family,
                            trigperf_error **error) {
    if (tracker == NULL) {
        return missing("a tracker", error);
    }
    uint32_t count = tp_dedup_family_count(tp_tracker_dedup(tracker_of(tracker)));
    if (family >= count) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "families have numbers from 0",
                            "expected a family below %u, got %u", count, family);
    }
    return TRIGPERF_OK;
}

static int32_t check_key(const char *key, uint64_t length, trigperf_error **error) {
    if (length > TRIGPERF_DEDUP_KEY_MAX || (key == NULL && length > 0)) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use a digest of what is so long as the key",
                            "expected a key of at most %d bytes, got %llu%s",
                            TRIGPERF_DEDUP_KEY_MAX, (unsigned long long)length,
                            key == NULL ? " at NULL" : "");
    }
    return TRIGPERF_OK;
}

int32_t trigperf_dedup_seen(trigperf_dedup_tracker *tracker, uint32_t family, const char *key,
                            uint64_t length, trigperf_error **error) {
    int32_t status = check_family(tracker, family, error);
    if (status == TRIGPERF_OK) {
        status = check_key(key, length, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_record record = {length == 0 ? "" : key, (uint32_t)length, family};
    status = tp_tracker_see(tracker_of(tracker), &record);
    return status < 0 ? tp_error_nomem(error) : status;
}

static int32_t check_many(const char *const *keys, const uint64_t *lengths, uint32_t count,
                          const uint8_t *seen, trigperf_error **error) {
    if (count > INT32_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass fewer records at once",
                            "expected at most %d records, got %u", INT32_MAX, count);
    }
    if (count > 0 && (keys == NULL || lengths == NULL || seen == NULL)) {
        return missing("arrays of keys, lengths and answers", error);
    }
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; i < count && status == TRIGPERF_OK; i++) {
        status = check_key(keys[i], lengths[i], error);
    }
    return status;
}

int32_t trigperf_dedup_seen_many(trigperf_dedup_tracker *tracker, uint32_t family,
                                 const char *const *keys, const uint64_t *lengths, uint32_t count,
                                 uint8_t *seen, trigperf_error **error) {
    int32_t status = check_family(tracker, family, error);
    if (status == TRIGPERF_OK) {
        status = check_many(keys, lengths, count, seen, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint32_t taken = tp_tracker_see_many(tracker_of(tracker), family, keys, lengths, count, seen);
    return taken == 0 && count > 0 ? tp_error_nomem(error) : (int32_t)taken;
}

int32_t trigperf_dedup_batch_end(trigperf_dedup_tracker *tracker, trigperf_dedup_stats *records,
                                 trigperf_dedup_stats *duplicates, trigperf_error **error) {
    if (tracker == NULL) {
        return missing("a tracker", error);
    }
    int32_t status = check_pair(records, duplicates, error);
    if (status == TRIGPERF_OK) {
        status = tp_tracker_end(tracker_of(tracker), records == NULL ? NULL : &records->dozen,
                                duplicates == NULL ? NULL : &duplicates->dozen, error);
    }
    return status;
}

void trigperf_dedup_batch_abandon(trigperf_dedup_tracker *tracker) {
    if (tracker != NULL) {
        tp_tracker_abandon(tracker_of(tracker));
    }
}

int32_t trigperf_dedup_batch_json(const trigperf_dedup_tracker *tracker, char **json,
                                  trigperf_error **error) {
    if (tracker == NULL || json == NULL) {
        return missing("a tracker and a place for the text", error);
    }
    tp_strbuf text = TP_STRBUF_INIT;
    const tp_tracker *own = tracker_of(tracker);
    tp_dedup_json(tp_tracker_dedup(own), tp_tracker_counts(own), &text);
    return hand_over(&text, json, error);
}

/* ---- statistics ---- */

int32_t trigperf_dedup_stats_new(trigperf_dedup_stats **stats, trigperf_error **error) {
    if (stats == NULL) {
        return missing("a place for the statistics", error);
    }
    trigperf_dedup_stats *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return tp_error_nomem(error);
    }
    *stats = made;
    return TRIGPERF_OK;
}

void trigperf_dedup_stats_free(trigperf_dedup_stats *stats) {
    trigperf_dedup_stats_clear(stats);
    free(stats);
}

void trigperf_dedup_stats_clear(trigperf_dedup_stats *stats) {
    if (stats != NULL) {
        tp_dozen_free(&stats->dozen);
    }
}

uint64_t trigperf_dedup_stats_get(const trigperf_dedup_stats *stats, uint32_t family) {
    return stats == NULL || family >= TP_DOZEN_COUNTERS ? 0 : tp_dozen_get(&stats->dozen, family);
}

uint64_t trigperf_dedup_stats_total(const trigperf_dedup_stats *stats) {
    return stats == NULL ? 0 : tp_dozen_total(&stats->dozen);
}

uint64_t trigperf_dedup_stats_bytes(const trigperf_dedup_stats *stats) {
    return stats == NULL ? 0 : tp_dozen_bytes(&stats->dozen);
}

int32_t trigperf_dedup_stats_add(trigperf_dedup_stats *stats, uint32_t family, uint64_t amount,
                                 trigperf_error **error) {
    uint64_t amounts[TP_DOZEN_COUNTERS] = {0};
    if (stats == NULL) {
        return missing("statistics", error);
    }
    if (family >= TP_DOZEN_COUNTERS) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "families have numbers from 0",
                            "expected a family below %u, got %u", TP_DOZEN_COUNTERS, family);
    }
    amounts[family] = amount;
    return tp_dozen_add(&stats->dozen, amounts, error);
}

int32_t trigperf_dedup_stats_merge(trigperf_dedup_stats *stats, const trigperf_dedup_stats *other,
                                   trigperf_error **error) {
    uint64_t amounts[TP_DOZEN_COUNTERS];
    if (stats == NULL || other == NULL) {
        return missing("two statistics", error);
    }
    tp_dozen_values(&other->dozen, amounts);
    return tp_dozen_add(&stats->dozen, amounts, error);
}

static int32_t check_fields(const void *stats, const void *fields, uint32_t count,
                            trigperf_error **error) {
    if (stats == NULL || (fields == NULL && count > 0)) {
        return missing("statistics and an array of numbers", error);
    }
    if (count > TP_DOZEN_COUNTERS) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use several statistics",
                            "expected at most %u numbers, got %u", TP_DOZEN_COUNTERS, count);
    }
    return TRIGPERF_OK;
}

int32_t trigperf_dedup_stats_to_plain(const trigperf_dedup_stats *stats, uint64_t *fields,
                                      uint32_t count, trigperf_error **error) {
    int32_t status = check_fields(stats, fields, count, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint64_t values[TP_DOZEN_COUNTERS];
    tp_dozen_values(&stats->dozen, values);
    for (uint32_t i = count; i < TP_DOZEN_COUNTERS; i++) {
        if (values[i] != 0) {
            return tp_error_set(error, TRIGPERF_E_LIMIT, "pass a field for each family",
                                "family %u counts %llu, which %u fields have no place for", i,
                                (unsigned long long)values[i], count);
        }
    }
    if (count > 0) {
        memcpy(fields, values, count * sizeof *fields);
    }
    return TRIGPERF_OK;
}

int32_t trigperf_dedup_stats_from_plain(trigperf_dedup_stats *stats, const uint64_t *fields,
                                        uint32_t count, trigperf_error **error) {
    int32_t status = check_fields(stats, fields, count, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint64_t values[TP_DOZEN_COUNTERS] = {0};
    if (count > 0) {
        memcpy(values, fields, count * sizeof *fields);
    }
    return tp_dozen_set(&stats->dozen, values, error);
}

int32_t trigperf_dedup_stats_encode(const trigperf_dedup_stats *stats, uint8_t *out,
                                    uint64_t capacity, uint64_t *length, trigperf_error **error) {
    uint8_t code[TP_DOZEN_CODE_WIDE];
    if (stats == NULL || out == NULL || length == NULL) {
        return missing("statistics and places for bytes and their number", error);
    }
    uint32_t bytes = tp_dozen_encode(&stats->dozen, code);
    if (bytes > capacity) {
        return tp_error_set(error, TRIGPERF_E_LIMIT, "TRIGPERF_DEDUP_ENCODED_MAX always suffices",
                            "%u bytes of room were expected, got %llu", bytes,
                            (unsigned long long)capacity);
    }
    memcpy(out, code, bytes);
    *length = bytes;
    return TRIGPERF_OK;
}

int32_t trigperf_dedup_stats_decode(trigperf_dedup_stats *stats, const uint8_t *bytes,
                                    uint64_t length, trigperf_error **error) {
    if (stats == NULL || bytes == NULL) {
        return missing("statistics and bytes", error);
    }
    return tp_dozen_decode(&stats->dozen, bytes, (size_t)length, error);
}

int32_t trigperf_dedup_stats_json(const trigperf_dedup_stats *stats, const trigperf_dedup *dedup,
                                  char **json, trigperf_error **error) {
    if (stats == NULL || dedup == NULL || json == NULL) {
        return missing("statistics, families and a place for the text", error);
    }
    tp_strbuf text = TP_STRBUF_INIT;
    tp_dedup_dozen_json(inner(dedup), &stats->dozen, &text);
    return hand_over(&text, json, error);
}
