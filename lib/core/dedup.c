/* Totals are atomic counters to which a batch is added when it ends: a few additions a batch,
 * whatever the number of its records, so that threads do not meet on them. Records are added before
 * duplicates, and read after them: a reader never finds more duplicates than records. */
#include "core/dedup.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

struct tp_dedup {
    tp_hash_key key;
    atomic_uint references;
    uint32_t family_count;
    char names[TP_DEDUP_FAMILIES][TP_DEDUP_NAME_MAX + 1];
    atomic_uint_fast64_t batches;
    atomic_uint_fast64_t records[TP_DEDUP_FAMILIES];
    atomic_uint_fast64_t duplicates[TP_DEDUP_FAMILIES];
};

static int32_t check_name(const char *const *names, uint32_t at, trigperf_error **err) {
    size_t length = names[at] == NULL ? 0 : strlen(names[at]);
    if (length == 0 || length > TP_DEDUP_NAME_MAX) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "name each kind of record in a word",
                            "family %u: a name of 1 to %u bytes was expected, got %zu", at,
                            TP_DEDUP_NAME_MAX, length);
    }
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(names[i], names[at]) == 0) {
            return tp_error_set(err, TRIGPERF_E_INVALID, "give each family a name of its own",
                                "family %u: its name \"%s\" is that of family %u", at, names[at],
                                i);
        }
    }
    return TRIGPERF_OK;
}

static int32_t check_names(const char *const *names, uint32_t count, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    if (names == NULL || count == 0 || count > TP_DEDUP_FAMILIES) {
        status = tp_error_set(err, TRIGPERF_E_INVALID, "group what is counted in more families",
                              "1 to %u families were expected, got %u", TP_DEDUP_FAMILIES,
                              names == NULL ? 0 : count);
    }
    for (uint32_t i = 0; i < count && status == TRIGPERF_OK; i++) {
        status = check_name(names, i, err);
    }
    return status;
}

int32_t tp_dedup_new(const tp_hash_key *key, const char *const *names, uint32_t count,
                     tp_dedup **out, trigperf_error **err) {
    int32_t status = check_names(names, count, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_dedup *dedup = calloc(1, sizeof *dedup);
    if (dedup == NULL) {
        return tp_error_nomem(err);
    }
    dedup->key = *key;
    dedup->family_count = count;
    atomic_init(&dedup->references, 1);
    atomic_init(&dedup->batches, 0);
    for (uint32_t i = 0; i < TP_DEDUP_FAMILIES; i++) {
        atomic_init(&dedup->records[i], 0);
        atomic_init(&dedup->duplicates[i], 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy(dedup->names[i], names[i], strlen(names[i]) + 1);
    }
    *out = dedup;
    return TRIGPERF_OK;
}

tp_dedup *tp_dedup_ref(tp_dedup *dedup) {
    atomic_fetch_add_explicit(&dedup->references, 1, memory_order_relaxed);
    return dedup;
}

void tp_dedup_unref(tp_dedup *dedup) {
    if (dedup != NULL &&
        atomic_fetch_sub_explicit(&dedup->references, 1, memory_order_acq_rel) == 1) {
        free(dedup);
    }
}

const tp_hash_key *tp_dedup_hash_key(const tp_dedup *dedup) {
    return &dedup->key;
}

uint32_t tp_dedup_family_count(const tp_dedup *dedup) {
    return dedup->family_count;
}

const char *tp_dedup_family_name(const tp_dedup *dedup, uint32_t family) {
    return family < dedup->family_count ? dedup->names[family] : NULL;
}

uint32_t tp_dedup_family_find(const tp_dedup *dedup, const char *name) {
    for (uint32_t i = 0; i < dedup->family_count; i++) {
        if (strcmp(dedup->names[i], name) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* ---- totals ---- */

void tp_dedup_count(tp_dedup *dedup, const tp_dedup_counts *more) {
    atomic_fetch_add_explicit(&dedup->batches, more->batches, memory_order_relaxed);
    for (uint32_t i = 0; i < dedup->family_count; i++) {
        if (more->records[i] > 0) {
            atomic_fetch_add_explicit(&dedup->records[i], more->records[i], memory_order_relaxed);
            atomic_fetch_add_explicit(&dedup->duplicates[i], more->duplicates[i],
                                      memory_order_release);
        }
    }
}

void tp_dedup_totals(const tp_dedup *dedup, tp_dedup_counts *out) {
    memset(out, 0, sizeof *out);
    out->batches = atomic_load_explicit(&dedup->batches, memory_order_relaxed);
    for (uint32_t i = 0; i < dedup->family_count; i++) {
        out->duplicates[i] = atomic_load_explicit(&dedup->duplicates[i], memory_order_acquire);
        out->records[i] = atomic_load_explicit(&dedup->records[i], memory_order_relaxed);
    }
}

/* ---- text ---- */

static void put_counts(tp_strbuf *out, uint64_t records, uint64_t duplicates) {
    tp_json_uint(out, "records", records);
    tp_json_uint(out, "duplicates", duplicates);
    tp_json_double(out, "ratio", records == 0 ? 0 : (double)duplicates / (double)records);
}

static uint64_t sum(const uint64_t *counters) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < TP_DEDUP_FAMILIES; i++) {
        total += counters[i];
    }
    return total;
}

void tp_dedup_json(const tp_dedup *dedup, const tp_dedup_counts *counts, tp_strbuf *out) {
    tp_json_open(out, NULL, '{');
    tp_json_uint(out, "batches", counts->batches);
    put_counts(out, sum(counts->records), sum(counts->duplicates));
    tp_json_open(out, "families", '{');
    for (uint32_t i = 0; i < dedup->family_count; i++) {
        tp_json_open(out, dedup->names[i], '{');
        put_counts(out, counts->records[i], counts->duplicates[i]);
        tp_json_close(out, '}');
    }
    tp_json_close(out, '}');
    tp_json_close(out, '}');
}

void tp_dedup_dozen_json(const tp_dedup *dedup, const tp_dozen *dozen, tp_strbuf *out) {
    tp_json_open(out, NULL, '{');
    for (uint32_t i = 0; i < dedup->family_count; i++) {
        tp_json_uint(out, dedup->names[i], tp_dozen_get(dozen, i));
    }
    tp_json_close(out, '}');
}
