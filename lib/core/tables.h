/* Copies of tables that outlive the cascade they came from: one for each distinct declaration, so
 * that two changes are of the same table when their copies are the same pointer. */
#ifndef TP_CORE_TABLES_H
#define TP_CORE_TABLES_H

#include "core/change.h"

typedef struct tp_tables tp_tables;

tp_tables *tp_tables_new(void); /* NULL when memory is short */
void tp_tables_free(tp_tables *tables);

/* The copy of a table; NULL when memory is short. */
const tp_table *tp_tables_copy(tp_tables *tables, const tp_table *table);
/* The tables seen so far may be freed and their addresses used again. Copies stay. */
void tp_tables_forget_originals(tp_tables *tables);
/* Nothing refers to the copies any more: they go (unless memory is short). */
void tp_tables_clear(tp_tables *tables);

#endif
