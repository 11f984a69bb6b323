/* pg_snapshot values as positions of a reader: what is visible in a snapshot has been read. */
#ifndef TP_CORE_SNAPSHOT_H
#define TP_CORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

typedef struct tp_snapshot {
    uint64_t xmin;
    uint64_t xmax;
    uint64_t *xip; /* ascending, each xmin <= x < xmax */
    uint32_t xip_count;
} tp_snapshot;

/* Parses PostgreSQL's text form "xmin:xmax:xip,xip". Anything else is TRIGPERF_E_INVALID. */
int32_t tp_snapshot_parse(const char *text, tp_snapshot *out, trigperf_error **err);
void tp_snapshot_free(tp_snapshot *snapshot);
void tp_snapshot_format(const tp_snapshot *snapshot, tp_strbuf *out);
bool tp_snapshot_equal(const tp_snapshot *a, const tp_snapshot *b);

/* pg_visible_in_snapshot: committed or aborted before the snapshot was taken. */
bool tp_snapshot_visible(const tp_snapshot *snapshot, uint64_t xid);

/* Everything visible in b is visible in a. */
bool tp_snapshot_covers(const tp_snapshot *a, const tp_snapshot *b);

/* The position after a page of rows. `from` is the old position, `target` the snapshot that the
 * page was read under. The page has two halves: rows of transactions that ran at `from` (its xip),
 * and rows of later ones (xid >= from->xmax), each in ascending order of whole transactions.
 * A half that was cut short by the page size ends at its last whole transaction (old_last,
 * new_last); 0 says that the half is complete. */
#define TP_SNAPSHOT_NOTHING 1 /* as old_last or new_last: nothing of that half was read */
int32_t tp_snapshot_advance(const tp_snapshot *from, const tp_snapshot *target, uint64_t old_last,
                            uint64_t new_last, tp_snapshot *out, trigperf_error **err);

#endif
