/* What a table is made of, read from the catalogs. */
#ifndef TP_DB_LAYOUT_H
#define TP_DB_LAYOUT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "db/capture.h"
#include "db/relation.h"

typedef struct tp_column {
    const char *name;
    const char *type; /* as format_type writes it */
    uint32_t kind;    /* tp_key_kind */
    uint32_t rendering;
    bool is_virtual; /* a virtual generated column: triggers do not see its value */
} tp_column;

typedef struct tp_below {
    const char *quoted;
    char kind; /* pg_class.relkind */
    bool is_partition;
} tp_below;

typedef struct tp_layout {
    tp_column *columns;
    tp_capture_column *images; /* the same columns: how to compare them */
    uint32_t column_count;
    const char **identity; /* primary key, where rows can be paired by it; else none */
    uint32_t identity_count;
    tp_below *below; /* partitions and inheriting tables, at any depth */
    uint32_t below_count;
    PGresult *results[3]; /* that the strings stand in */
} tp_layout;

int32_t tp_layout_read(PGconn *connection, const tp_relation *relation, tp_layout *out,
                       trigperf_error **err);
void tp_layout_free(tp_layout *layout);

/* NULL when there is no such column. */
const tp_column *tp_layout_column(const tp_layout *layout, const char *name);

#endif
