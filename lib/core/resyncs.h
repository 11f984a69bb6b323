/* Resyncs that wait: of groups and tables until the window ends, of everything until the next turn.
 */
#ifndef TP_CORE_RESYNCS_H
#define TP_CORE_RESYNCS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/cascade.h"
#include "core/coalescer.h"
#include "core/groups.h"

typedef struct tp_resyncs tp_resyncs;

typedef struct tp_resync_mark {
    uint64_t arrival;
    uint64_t lsn; /* TP_LSN_UNKNOWN */
    uint64_t tag;
} tp_resync_mark;

/* For groups (core/groups.h): the hash, and how many of a template. NULL when memory is short. */
tp_resyncs *tp_resyncs_new(const tp_hash_key *key, uint32_t max_groups);
void tp_resyncs_free(tp_resyncs *resyncs);

/* A table of the cascade; when memory is short, everything. No more than a note of the mark while
 * everything is asked for already. */
void tp_resyncs_add(tp_resyncs *resyncs, const tp_cascade *cascade, const tp_table *table,
                    const tp_resync_mark *mark);
/* Groups of keys are to be told: those that are in tp_resyncs_groups() by now. */
void tp_resyncs_add_groups(tp_resyncs *resyncs, const tp_resync_mark *mark);
tp_groups *tp_resyncs_groups(tp_resyncs *resyncs);
/* Everything; swallows what was asked for tables and groups. */
void tp_resyncs_add_all(tp_resyncs *resyncs, const tp_resync_mark *mark);
/* A TRUNCATE, to be shown beside the resync. False when memory is short. */
bool tp_resyncs_add_truncate(tp_resyncs *resyncs, const tp_table *table,
                             const tp_addition *addition);
/* The rules have changed: the templates of a table may be others now. */
void tp_resyncs_rules_changed(tp_resyncs *resyncs);

bool tp_resyncs_has_tables(const tp_resyncs *resyncs); /* or groups */
/* Whether the resync of a table of the cascade, or of everything, waits. */
bool tp_resyncs_covers(const tp_resyncs *resyncs, const tp_table *table);
bool tp_resyncs_has_all(const tp_resyncs *resyncs);
uint64_t tp_resyncs_arrival(const tp_resyncs *resyncs); /* the oldest; UINT64_MAX when none */
uint64_t tp_resyncs_bytes(const tp_resyncs *resyncs);

/* Makes a sealed batch of what waits, and forgets it. NULL when memory is short: it still waits. */
tp_batch *tp_resyncs_take(tp_resyncs *resyncs, const tp_cascade *cascade, const char *position);

#endif
