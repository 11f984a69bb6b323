/* Counting on top of a set: fingerprints, or whole keys for hosts that want no probability at all.
 * Many records at once are taken in groups, whose memory is asked for before the first of them is
 * looked up, so that one waits for memory once a group instead of once a record. */
#include "core/tracker.h"

#include <stdlib.h>
#include <string.h>

#include "core/fingerprints.h"

#define GROUP 16u
#define FAMILY_MIX UINT64_C(0x9E3779B97F4A7C15)

struct tp_tracker {
    tp_dedup *dedup;
    tp_fingerprints *prints; /* NULL: exact */
    tp_keybag bag;
    tp_dedup_counts counts;
};

static void begin(tp_tracker *tracker) {
    tracker->counts = (tp_dedup_counts){.batches = 1};
}

tp_tracker *tp_tracker_new(tp_dedup *dedup, bool exact) {
    tp_tracker *tracker = calloc(1, sizeof *tracker);
    if (tracker == NULL) {
        return NULL;
    }
    tracker->prints = exact ? NULL : tp_fingerprints_new();
    if (!exact && tracker->prints == NULL) {
        free(tracker);
        return NULL;
    }
    tracker->dedup = tp_dedup_ref(dedup);
    tp_keybag_init(&tracker->bag, tp_dedup_hash_key(dedup));
    begin(tracker);
    return tracker;
}

void tp_tracker_free(tp_tracker *tracker) {
    if (tracker != NULL) {
        tp_dedup_unref(tracker->dedup);
        tp_fingerprints_free(tracker->prints);
        tp_keybag_free(&tracker->bag);
        free(tracker);
    }
}

bool tp_tracker_reserve(tp_tracker *tracker, uint64_t records) {
    return tracker->prints != NULL ? tp_fingerprints_reserve(tracker->prints, records)
                                   : tp_keybag_reserve(&tracker->bag, records);
}

const tp_dedup *tp_tracker_dedup(const tp_tracker *tracker) {
    return tracker->dedup;
}

/* ---- records ---- */

/* Equal keys of two families are two records. */
static tp_hash128 print_of(const tp_tracker *tracker, const tp_record *record) {
    tp_hash128 hash = tp_hash128_of(&tracker->bag.key, record->bytes, record->length);
    hash.high += record->kind * FAMILY_MIX;
    return hash;
}

static int32_t count(tp_tracker *tracker, uint32_t family, int32_t added) {
    if (added < 0) {
        return added;
    }
    tracker->counts.records[family]++;
    tracker->counts.duplicates[family] += added == 0 ? 1 : 0;
    return added == 0 ? 1 : 0;
}

int32_t tp_tracker_see(tp_tracker *tracker, const tp_record *record) {
    int32_t added;
    if (tracker->prints != NULL) {
        added = tp_fingerprints_add(tracker->prints, print_of(tracker, record));
    } else {
        added = tp_keybag_add(&tracker->bag, record, tp_keybag_hash(&tracker->bag, record));
    }
    return count(tracker, record->kind, added);
}

static uint32_t see_prints(tp_tracker *tracker, const tp_record *records, uint32_t n,
                           uint8_t *seen) {
    tp_hash128 hashes[GROUP];
    for (uint32_t i = 0; i < n; i++) {
        hashes[i] = print_of(tracker, &records[i]);
        tp_fingerprints_foresee(tracker->prints, hashes[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        int32_t added = tp_fingerprints_add(tracker->prints, hashes[i]);
        int32_t before = count(tracker, records[i].kind, added);
        if (before < 0) {
            return i;
        }
        seen[i] = (uint8_t)before;
    }
    return n;
}

static uint32_t see_keys(tp_tracker *tracker, const tp_record *records, uint32_t n, uint8_t *seen) {
    uint64_t hashes[GROUP];
    for (uint32_t i = 0; i < n; i++) {
        hashes[i] = tp_keybag_hash(&tracker->bag, &records[i]);
        tp_keybag_foresee(&tracker->bag, hashes[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        tp_keybag_approach(&tracker->bag, hashes[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        int32_t added = tp_keybag_add(&tracker->bag, &records[i], hashes[i]);
        int32_t before = count(tracker, records[i].kind, added);
        if (before < 0) {
            return i;
        }
        seen[i] = (uint8_t)before;
    }
    return n;
}

uint32_t tp_tracker_see_many(tp_tracker *tracker, uint32_t family, const char *const *keys,
                             const uint64_t *lengths, uint32_t count, uint8_t *seen) {
    uint32_t done = 0;
    while (done < count) {
        tp_record group[GROUP];
        uint32_t n = count - done < GROUP ? count - done : GROUP;
        for (uint32_t i = 0; i < n; i++) {
            group[i] = (tp_record){keys[done + i], (uint32_t)lengths[done + i], family};
        }
        uint32_t judged = tracker->prints != NULL ? see_prints(tracker, group, n, seen + done)
                                                  : see_keys(tracker, group, n, seen + done);
        done += judged;
        if (judged < n) {
            break;
        }
    }
    return done;
}

/* ---- batches ---- */

const tp_dedup_counts *tp_tracker_counts(const tp_tracker *tracker) {
    return &tracker->counts;
}

uint64_t tp_tracker_bytes(const tp_tracker *tracker) {
    return tracker->prints != NULL ? tp_fingerprints_bytes(tracker->prints)
                                   : tp_keybag_bytes(&tracker->bag);
}

void tp_tracker_abandon(tp_tracker *tracker) {
    if (tracker->prints != NULL) {
        tp_fingerprints_clear(tracker->prints);
    }
    tp_keybag_clear(&tracker->bag);
    begin(tracker);
}

int32_t tp_tracker_end(tp_tracker *tracker, tp_dozen *records, tp_dozen *duplicates,
                       trigperf_error **err) {
    const tp_dedup_counts *counts = &tracker->counts;
    int32_t status = TRIGPERF_OK;
    if (records != NULL) {
        status = tp_dozen_prepare(records, counts->records, err);
    }
    if (status == TRIGPERF_OK && duplicates != NULL) {
        status = tp_dozen_prepare(duplicates, counts->duplicates, err);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (records != NULL) {
        tp_dozen_commit(records, counts->records);
    }
    if (duplicates != NULL) {
        tp_dozen_commit(duplicates, counts->duplicates);
    }
    tp_dedup_count(tracker->dedup, counts);
    tp_tracker_abandon(tracker);
    return TRIGPERF_OK;
}
