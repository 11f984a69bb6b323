/* What advice is made from: triggers, their functions' bodies, tables, statistics. */
#ifndef TP_DB_ADVICE_FACTS_H
#define TP_DB_ADVICE_FACTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "core/trigger_body.h"

enum { TP_EVENT_INSERT = 4, TP_EVENT_DELETE = 8, TP_EVENT_UPDATE = 16, TP_EVENT_TRUNCATE = 32 };
enum { TP_MIX_INSERT, TP_MIX_UPDATE, TP_MIX_DELETE, TP_MIX_KINDS };

/* Statements of one kind, as pg_stat_statements counted them. */
typedef struct tp_statement_mix {
    double calls;
    double rows;
} tp_statement_mix;

typedef struct tp_advice_table {
    const char *oid;
    const char *schema;
    const char *name;
    const char *quoted;
    char kind;
    double inserted;
    double updated;
    double deleted;
    double hot;
    double scans; /* of the table and its indexes */
    uint32_t checks;
    bool related; /* has parents or children */
    bool generated;
    const char *key; /* first column of the primary key, "" without one */
    tp_statement_mix mix[TP_MIX_KINDS];
} tp_advice_table;

typedef struct tp_advice_trigger {
    tp_advice_table *table;
    const char *name;
    const char *quoted;
    uint32_t type;               /* pg_trigger.tgtype */
    char enabled;                /* O, R or A */
    const char *of_columns;      /* quoted, in a list; "" without */
    const char *of_column_array; /* names, as text of an array */
    const char *definition;
    bool has_when;
    const char *old_table; /* "" without */
    const char *new_table;
    const char *arguments; /* bytea as text */
    bool constraint;
    const char *function_oid;
    const char *function_schema;
    const char *function_name;
    const char *function; /* quoted, qualified unless in pg_catalog */
    const char *source;   /* "" unless it is PL/pgSQL or SQL */
    const char *language;
    bool definer;
    const char *path; /* search_path of the function; NULL: not set */
    double calls;     /* negative: not measured */
    double total_ms;
    const char *comment; /* NULL: none */
    bool of_extension;
    uint32_t shared_by;
    const char *owner;
    const char *function_definition; /* "" unless it is PL/pgSQL */
    tp_trigger_body body;
    const char *notifies_by; /* what it calls that sends NOTIFY, quoted; NULL: nothing, or itself */
} tp_advice_trigger;

typedef struct tp_advice_facts {
    tp_advice_table *tables;
    uint32_t table_count;
    tp_advice_trigger *triggers;
    uint32_t trigger_count;
    tp_map *by_name; /* "schema\0name" to table */
    tp_map *by_oid;
    PGresult *results[4];
    bool statements; /* pg_stat_statements was read */
    bool failed;     /* memory was short while looking for a table */
    double commits;  /* of the database since its statistics were reset */
} tp_advice_facts;

/* Inside a transaction; leaves search_path = pg_catalog for the rest of it. */
int32_t tp_advice_facts_read(PGconn *connection, tp_advice_facts *out, trigperf_error **err);
void tp_advice_facts_free(tp_advice_facts *facts);

/* A table by names of a body; without a schema, the function's own path decides. NULL: unknown. */
tp_advice_table *tp_advice_find_table(tp_advice_facts *facts, const tp_advice_trigger *trigger,
                                      uint32_t schema, uint32_t name);

static inline bool tp_advice_by_row(const tp_advice_trigger *trigger) {
    return (trigger->type & 1u) != 0;
}

static inline bool tp_advice_after(const tp_advice_trigger *trigger) {
    return (trigger->type & (2u | 64u)) == 0;
}

static inline bool tp_advice_before(const tp_advice_trigger *trigger) {
    return (trigger->type & 2u) != 0;
}

/* It acts on rows that an UPDATE left as they were, which must not be kept from it. */
static inline bool tp_advice_suppresses(const tp_advice_trigger *trigger) {
    return strcmp(trigger->function, "suppress_redundant_updates_trigger") == 0;
}

#endif
