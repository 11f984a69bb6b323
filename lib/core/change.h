/* The value types that all engines share: operations, key values, tables, changes. */
#ifndef TP_CORE_CHANGE_H
#define TP_CORE_CHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum tp_op { TP_OP_DELETE = 1, TP_OP_INSERT = 2, TP_OP_TRUNCATE = 4, TP_OP_UPDATE = 8 };
#define TP_OP_ALL 15u

/* "delete", "insert", "truncate", "update"; NULL for anything else. */
const char *tp_op_name(uint32_t op);
/* The op of a name (any case), or 0. */
uint32_t tp_op_parse(const char *name, size_t length);

/* Comma-separated names as bits; NULL or "" gives 0. E_INVALID names the one that is not known. */
int32_t tp_op_parse_list(const char *list, uint32_t *ops, trigperf_error **err);

/* A key value as text; data NULL means SQL NULL. Not NUL-terminated. */
typedef struct tp_value {
    const char *data;
    uint32_t length;
} tp_value;

/* A table and the names of its keys. Immutable; owned by a tp_cascade. */
typedef struct tp_table {
    const char *name; /* schema.table as quote_ident would write it */
    int32_t id;       /* captured_table.id; 0 for tables that only the host pushes */
    uint32_t key_count;
    const char *const *key_names;
} tp_table;

typedef struct tp_change {
    const tp_table *table;
    uint32_t op;            /* one of tp_op */
    const tp_value *values; /* table->key_count of them */
    uint64_t lsn;           /* 0 when unknown */
} tp_change;

#endif
