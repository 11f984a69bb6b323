/* Finding the table that a name means, as PostgreSQL would, and what it is. */
#ifndef TP_DB_RELATION_H
#define TP_DB_RELATION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct tp_relation {
    char oid[16];
    char *schema;
    char *table;
    char *quoted; /* schema.table as quote_ident writes it */
    char *owner;
    char kind;        /* pg_class.relkind */
    char persistence; /* pg_class.relpersistence */
    bool system;      /* a catalog of the server */
    bool has_parent;  /* a partition, or inherits from a table */
    bool owns_schema; /* its owner owns the schema trigperf, or is a superuser */
} tp_relation;

/* name as in SQL: unqualified, the session's search_path decides. E_NOT_FOUND when there is none,
 * E_INVALID when it is no name. */
int32_t tp_relation_find(PGconn *connection, const char *name, tp_relation *out,
                         trigperf_error **err);
void tp_relation_free(tp_relation *relation); /* leaves it empty */

/* E_UNSUPPORTED, with the reason and what to do, unless its changes can be captured. */
int32_t tp_relation_check(const tp_relation *relation, trigperf_error **err);

#endif
