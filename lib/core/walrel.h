/* Relations as the write-ahead log describes them, matched with the tables that are wanted. */
#ifndef TP_CORE_WALREL_H
#define TP_CORE_WALREL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pgoutput.h"
#include "core/walspec.h"

typedef struct tp_walrels tp_walrels;

typedef struct tp_walrel {
    uint32_t relid;
    const tp_walspec *spec; /* NULL: not wanted */
    bool told;              /* for the owner: that it is not known was acted upon */
    bool keys_known;        /* every key is among its columns, and how its text becomes a key */
    bool identity_covers;   /* and part of the replica identity: old keys are sent */
    uint32_t column_count;
    uint32_t key_at[TP_WAL_KEYS_MAX]; /* column of each key */
    uint8_t forms[TP_WAL_KEYS_MAX];   /* tp_wal_form of each key */
    unsigned char *compared;          /* by column: whether its change counts */
    unsigned char *attributes;        /* as they came */
    uint32_t attribute_bytes;
    char identity;
} tp_walrel;

tp_walrels *tp_walrels_new(void); /* NULL when memory is short */
void tp_walrels_free(tp_walrels *rels);

/* The tables that are wanted, by rising relid (borrowed until the next call). What is known of
 * relations stays. */
void tp_walrels_use(tp_walrels *rels, const tp_walspec *specs, uint32_t count);
/* A Relation message. False when memory is short: it is not known then. *altered: it had been
 * described otherwise before. */
bool tp_walrels_take(tp_walrels *rels, const tp_pgo_message *message, bool *altered);
/* NULL when it was never described. */
tp_walrel *tp_walrels_find(tp_walrels *rels, uint32_t relid);
/* A new stream describes everything again. */
void tp_walrels_forget(tp_walrels *rels);

#endif
