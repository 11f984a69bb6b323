/* Which records of a batch came before in it. One thread at a time. */
#ifndef TP_CORE_TRACKER_H
#define TP_CORE_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dedup.h"
#include "core/keybag.h"

typedef struct tp_tracker tp_tracker;

/* exact: whole keys instead of fingerprints. NULL when memory is short. Takes a reference. */
tp_tracker *tp_tracker_new(tp_dedup *dedup, bool exact);
void tp_tracker_free(tp_tracker *tracker);
/* Room for a batch of so many. False when memory is short. */
bool tp_tracker_reserve(tp_tracker *tracker, uint64_t records);
const tp_dedup *tp_tracker_dedup(const tp_tracker *tracker);

/* 1 when the record came before in this batch, else 0; TRIGPERF_E_NOMEM (nothing has changed). The
 * kind of a record is its family. */
int32_t tp_tracker_see(tp_tracker *tracker, const tp_record *record);
/* The same for many of a family, asking for memory ahead. Returns how many were judged: fewer than
 * count when memory ran short. */
uint32_t tp_tracker_see_many(tp_tracker *tracker, uint32_t family, const char *const *keys,
                             const uint64_t *lengths, uint32_t count, uint8_t *seen);

/* The batch so far; its number of batches is 1. */
const tp_dedup_counts *tp_tracker_counts(const tp_tracker *tracker);
uint64_t tp_tracker_bytes(const tp_tracker *tracker); /* for telling records apart */

/* The batch ends: its counts go to the totals and to two different dozens (each may be NULL), and
 * a new one begins. On E_LIMIT or E_NOMEM the batch goes on as if nothing had been asked. */
int32_t tp_tracker_end(tp_tracker *tracker, tp_dozen *records, tp_dozen *duplicates,
                       trigperf_error **err);
/* The batch is forgotten, and counted nowhere. */
void tp_tracker_abandon(tp_tracker *tracker);

#endif
