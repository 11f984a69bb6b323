/* What is wanted of a table's changes in the write-ahead log. */
#ifndef TP_CORE_WALSPEC_H
#define TP_CORE_WALSPEC_H

#include <stdint.h>

#include "core/change.h"

#define TP_WAL_KEYS_MAX 32

/* How the server's output of a type becomes the text of a key; where a cast to text differs from
 * it. */
typedef enum tp_wal_form {
    TP_WAL_PLAIN,
    TP_WAL_BOOL,   /* t, f: true, false */
    TP_WAL_BLANKS, /* char(n): without the blanks that fill it */
    TP_WAL_INET,   /* inet: with its mask */
    TP_WAL_UNKNOWN /* nobody can say: the table is resynced instead */
} tp_wal_form;

/* All strings are borrowed. */
typedef struct tp_walspec {
    uint32_t relid; /* holds the rows */
    int32_t id;     /* captured_table.id: the table under whose name they are told */
    uint32_t key_count;
    const char *const *keys; /* columns */
    const uint32_t *types;   /* of each key */
    const uint8_t *forms;    /* tp_wal_form of each key while it has that type */
    uint32_t watch_count;    /* 0: every column */
    const char *const *watch;
    uint32_t max_keys; /* distinct tuples in a transaction, above which the table is resynced */
} tp_walspec;

#endif
