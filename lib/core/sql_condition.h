/* From the text of a CHECK, as the server writes it, to a predicate: an allow-list. */
#ifndef TP_CORE_SQL_CONDITION_H
#define TP_CORE_SQL_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/predicate.h"

#define TP_CONDITION_COLUMNS_MAX 16u
#define TP_CONDITION_BYTES_MAX 65536u

/* What an expression may refer to. */
typedef struct tp_condition_column {
    const char *name;
    tp_operand_kind kind; /* INTEGER, NUMERIC, TEXT or OPAQUE */
    uint32_t width;       /* of INTEGER, in bytes */
    bool equality;        /* TEXT: its collation is deterministic */
    bool order;           /* TEXT: its collation is that of the bytes */
} tp_condition_column;

typedef struct tp_condition {
    tp_predicate *predicate; /* its column n is columns[n] of the table */
    uint32_t root;
    uint32_t columns[TP_CONDITION_COLUMNS_MAX];
    uint32_t column_count;
} tp_condition;

/* columns are those of the table; when is_domain, there is one, and VALUE means it. E_UNSUPPORTED
 * when anything in the text is not on the list: the message names it. */
int32_t tp_sql_condition_parse(const char *text, size_t length, const tp_condition_column *columns,
                               uint32_t column_count, bool is_domain, tp_condition *out,
                               trigperf_error **err);
void tp_condition_free(tp_condition *condition); /* leaves it empty */

#endif
