/* What a table demands of its rows, as its catalogs say it. */
#ifndef TP_DB_DEFINITION_H
#define TP_DB_DEFINITION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "db/relation.h"

typedef struct tp_definition {
    tp_relation relation;
    PGresult *columns;     /* see enum tp_definition_column */
    PGresult *constraints; /* of the table and of the domains of its columns */
    PGresult *labels;      /* column number, label */
    PGresult *obstacles;   /* what else acts on rows: kind, name, "f" when it may change them */
    bool utf8;             /* the database holds UTF-8 */
    uint64_t fingerprint;  /* of all of it */
} tp_definition;

enum tp_definition_column {
    TP_DEFINITION_NUMBER,
    TP_DEFINITION_NAME,
    TP_DEFINITION_NOT_NULL,
    TP_DEFINITION_GENERATED,
    TP_DEFINITION_TYPE,      /* name of the type beneath all domains; "" outside pg_catalog */
    TP_DEFINITION_TYPE_KIND, /* pg_type.typtype of it */
    TP_DEFINITION_MODIFIER,
    TP_DEFINITION_SHOWN, /* the column's type as SQL */
    TP_DEFINITION_DETERMINISTIC,
    TP_DEFINITION_BYTEWISE /* its collation orders as bytes do */
};

enum tp_definition_constraint {
    TP_DEFINITION_CONSTRAINT, /* its name */
    TP_DEFINITION_KIND,       /* pg_constraint.contype, or 'n' for NOT NULL of a domain */
    TP_DEFINITION_OF_COLUMN,  /* number of the column whose domain has it; 0: the table's */
    TP_DEFINITION_DOMAIN,     /* name of the domain, or "" */
    TP_DEFINITION_EXPRESSION, /* or "" */
    TP_DEFINITION_FOREIGN,    /* what it depends on outside pg_catalog, or "" */
    TP_DEFINITION_ENFORCED
};

/* Reads it over an ordinary connection, which may be within a transaction: nothing is set, nothing
 * is written. E_NOT_FOUND, E_UNSUPPORTED (no table), E_STATE (the connection's settings). */
int32_t tp_definition_read(PGconn *connection, const char *table, tp_definition *out,
                           trigperf_error **err);
void tp_definition_free(tp_definition *definition); /* leaves it empty */

#endif
