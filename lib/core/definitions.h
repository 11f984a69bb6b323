/* Whether a table's definition may have changed since one looked: lock-free, any thread. */
#ifndef TP_CORE_DEFINITIONS_H
#define TP_CORE_DEFINITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "core/change.h"

typedef struct tp_definitions tp_definitions;

tp_definitions *tp_definitions_new(const tp_hash_key *key); /* NULL when memory is short */
void tp_definitions_free(tp_definitions *definitions);

/* A resync has come: of a table, or of everything (NULL). */
void tp_definitions_mark(tp_definitions *definitions, const tp_table *table);

/* A token, to be taken before the definition is read; never 0. */
uint64_t tp_definitions_begin(tp_definitions *definitions);
/* False: the definition of the table may have changed since. */
bool tp_definitions_check(const tp_definitions *definitions, uint64_t token, const char *table);

#endif
