/* The database's registry in memory: attached tables, where their keys stand in an outbox row, and
 * the rules. Loading it puts a new cascade into use.
 *
 * Rules are checked before they are stored, but rows can be edited by hand. One that cannot be
 * understood is logged and left out; nobody knows its keys then, so every change of the tables that
 * it may concern is told as a resync of the table: coarse, but not short. */
#ifndef TP_PG_REGISTRY_H
#define TP_PG_REGISTRY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "core/engine.h"

#define TP_REGISTRY_KEYS_MAX 32
#define TP_REGISTRY_COLUMNS_MAX 3 /* of the outbox, with keys: i, u, t */

/* Statements whose results tp_registry_new() takes. */
#define TP_REGISTRY_TABLES_SQL                                                                     \
    "SELECT id, pg_catalog.format('%I.%I', schema_name, table_name), key_names, key_slots "        \
    "FROM trigperf.captured_table ORDER BY id"
#define TP_REGISTRY_RULES_SQL                                                                      \
    "SELECT CASE WHEN t.id IS NOT NULL"                                                            \
    " THEN pg_catalog.format('%I.%I', t.schema_name, t.table_name) END,"                           \
    " r.scope, pg_catalog.array_to_string(r.ops, ','), r.template,"                                \
    " COALESCE(r.min_interval_ms, 0), r.id "                                                       \
    "FROM trigperf.cascade_rule r "                                                                \
    "LEFT JOIN trigperf.captured_table t ON t.id OPERATOR(pg_catalog.=) r.table_id "               \
    "ORDER BY r.id"

typedef struct tp_registry tp_registry;

/* Where a key stands in an outbox row. */
typedef struct tp_registry_slot {
    uint32_t column; /* index into the selected outbox columns */
    uint32_t place;  /* among the table's keys in that column, from 0 */
    uint32_t keys;   /* of the table in that column */
} tp_registry_slot;

typedef struct tp_registry_table {
    int32_t id;
    const tp_table *table;
    bool coarse;                                  /* a rule that may concern it was left out */
    tp_registry_slot slots[TP_REGISTRY_KEYS_MAX]; /* one for each key */
} tp_registry_table;

/* Builds the registry and puts its rules into use in engine. */
int32_t tp_registry_new(const PGresult *tables, const PGresult *rules, const char *version,
                        tp_engine *engine, const tp_log *log, tp_registry **out,
                        trigperf_error **err);
void tp_registry_free(tp_registry *registry);

const char *tp_registry_version(const tp_registry *registry);
/* Comma-separated outbox columns that any table uses, "" when none: to be selected in this order.
 */
const char *tp_registry_columns(const tp_registry *registry);
uint32_t tp_registry_column_count(const tp_registry *registry);
/* Rules that were left out. */
uint32_t tp_registry_refused(const tp_registry *registry);
const tp_registry_table *tp_registry_find(const tp_registry *registry, int32_t id);

#endif
