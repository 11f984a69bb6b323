/* Named families of records, and how many of each were seen twice: over all batches and threads. */
#ifndef TP_CORE_DEDUP_H
#define TP_CORE_DEDUP_H

#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "core/dozen.h"

#define TP_DEDUP_FAMILIES TP_DOZEN_COUNTERS
#define TP_DEDUP_NAME_MAX 63u

typedef struct tp_dedup tp_dedup;

/* What one batch, or all of them, had. */
typedef struct tp_dedup_counts {
    uint64_t batches;
    uint64_t records[TP_DEDUP_FAMILIES];    /* duplicates among them */
    uint64_t duplicates[TP_DEDUP_FAMILIES]; /* records that had come before in their batch */
} tp_dedup_counts;

/* Names are copied. E_INVALID when there are none, too many, or one is empty, too long or twice. */
int32_t tp_dedup_new(const tp_hash_key *key, const char *const *names, uint32_t count,
                     tp_dedup **out, trigperf_error **err);
/* References: trackers keep it alive. Any thread, like all below. */
tp_dedup *tp_dedup_ref(tp_dedup *dedup);
void tp_dedup_unref(tp_dedup *dedup);

const tp_hash_key *tp_dedup_hash_key(const tp_dedup *dedup);
uint32_t tp_dedup_family_count(const tp_dedup *dedup);
const char *tp_dedup_family_name(const tp_dedup *dedup, uint32_t family); /* NULL beyond the last */
uint32_t tp_dedup_family_find(const tp_dedup *dedup, const char *name);   /* UINT32_MAX: none */

void tp_dedup_count(tp_dedup *dedup, const tp_dedup_counts *more);
/* A sum of whole batches when no batch ends meanwhile; in any case never more duplicates than
 * records. */
void tp_dedup_totals(const tp_dedup *dedup, tp_dedup_counts *out);

void tp_dedup_json(const tp_dedup *dedup, const tp_dedup_counts *counts, tp_strbuf *out);
/* An object of family names and counters. */
void tp_dedup_dozen_json(const tp_dedup *dedup, const tp_dozen *dozen, tp_strbuf *out);

#endif
