/* What one transaction of the write-ahead log changed: distinct key tuples, in bounded memory. */
#ifndef TP_CORE_WALTX_H
#define TP_CORE_WALTX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "core/change.h"
#include "core/walspec.h"

typedef struct tp_waltx tp_waltx;

/* What is known of it as a whole; everything may be set by whoever reads the log. */
typedef struct tp_waltx_facts {
    uint32_t xid;
    uint64_t lsn;     /* of the commit */
    uint64_t end_lsn; /* where the commit's record ends */
    uint64_t mark;    /* number of our own mark that it carries, 0: none */
    bool registry;    /* it changed attached tables or rules */
    bool everything;  /* anything may have changed */
} tp_waltx_facts;

/* key must outlive it. NULL when memory is short. */
tp_waltx *tp_waltx_new(const tp_hash_key *key, uint32_t xid);
void tp_waltx_free(tp_waltx *tx);
/* Empties it for another transaction, whose xid is still to be set, and keeps its memory. False: it
 * is too large to be kept for that. */
bool tp_waltx_renew(tp_waltx *tx);
tp_waltx_facts *tp_waltx_facts_of(tp_waltx *tx);
uint64_t tp_waltx_bytes(const tp_waltx *tx);

/* A change, by a subtransaction (0: by none). When memory is short, everything may have changed;
 * when there are too many tuples of a table, anything of it. */
void tp_waltx_add(tp_waltx *tx, uint32_t subxid, const tp_walspec *spec, uint32_t op,
                  const tp_value *values);
/* Anything of a table may have changed. */
void tp_waltx_resync(tp_waltx *tx, int32_t table);
void tp_waltx_truncate(tp_waltx *tx, int32_t table);
/* What a subtransaction did is undone. (That something may have changed stays.) */
void tp_waltx_abort(tp_waltx *tx, uint32_t subxid);

/* Tables about which more than tuples is known: the i-th, false past the last. */
typedef struct tp_waltx_table {
    int32_t table;
    bool resync;
    bool truncated;
} tp_waltx_table;
bool tp_waltx_table_at(const tp_waltx *tx, uint32_t i, tp_waltx_table *out);

/* Walks the tuples, except those of tables to be resynced; a cursor of zeroes begins. */
typedef struct tp_waltx_cursor {
    uint32_t part;
    const void *at;
} tp_waltx_cursor;
typedef struct tp_waltx_change {
    int32_t table;
    uint32_t ops;      /* bits of tp_op */
    const char *tuple; /* as core/tuple.h writes it */
} tp_waltx_change;
bool tp_waltx_next(const tp_waltx *tx, tp_waltx_cursor *cursor, tp_waltx_change *out);

/* For whoever keeps lists of them. */
tp_waltx **tp_waltx_link(tp_waltx *tx);

#endif
