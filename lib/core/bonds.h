/* What verdicts depend on besides their key: tables, and rows of tables. A change that arrives ends
 * all verdicts that were bound to it, in O(1), wherever they are. */
#ifndef TP_CORE_BONDS_H
#define TP_CORE_BONDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "core/change.h"
#include "core/fence.h"

typedef struct tp_bonds tp_bonds;
typedef struct tp_bond tp_bond; /* a table; lives as long as the bonds */

/* The fence numbers what arrives, and outlives the bonds. NULL when memory is short. */
tp_bonds *tp_bonds_new(const tp_hash_key *key, tp_fence *fence);
void tp_bonds_free(tp_bonds *bonds);

/* The cache that verdicts are in. sweep is called, while changes arrive, when so many groups are
 * dead: it removes all verdicts of dead groups, so that the groups can be used again. rows: how
 * many to tell apart, about. */
typedef struct tp_bonds_user {
    void (*sweep)(void *user);
    void *user;
    uint32_t sweep_every;
    uint32_t rows;
} tp_bonds_user;
void tp_bonds_use(tp_bonds *bonds, const tp_bonds_user *user); /* before anything else */

/* Any thread from here on, unless said otherwise. The table of a name, or
 * NULL. */
tp_bond *tp_bonds_find(tp_bonds *bonds, const char *name);
/* Made when it is new; NULL when memory is short. */
tp_bond *tp_bonds_table(tp_bonds *bonds, const char *name);
/* Whether somebody has vouched that changes of the table will arrive. */
bool tp_bond_is_checked(const tp_bond *bond);
void tp_bond_check(tp_bond *bond);

/* The row of a table by one of its keys; false when memory is short. */
bool tp_bonds_row(tp_bonds *bonds, tp_bond *bond, const char *key, const char *value, size_t length,
                  uint32_t *row);

#define TP_BOND_NO_ROW UINT32_MAX
#define TP_BOND_STAMP ((UINT64_C(1) << 40) - 1)
/* What a verdict that is bound to a row remembers of it, at most TP_BOND_STAMP. */
uint64_t tp_bonds_row_stamp(const tp_bonds *bonds, uint32_t row);

/* The group for verdicts that are put now, not 0; rows: bound to a row of the table. 0: no group is
 * to be had. With the lock of the verdict's set held, after tp_bonds_row_stamp(). */
uint32_t tp_bond_group(tp_bonds *bonds, tp_bond *bond, bool rows);
/* Whether the table, or the row, has changed since a fence token. After tp_bond_group(). */
bool tp_bond_changed(const tp_bonds *bonds, const tp_bond *bond, uint32_t row, uint64_t token);

typedef enum tp_group_state { TP_GROUP_DEAD, TP_GROUP_TABLE, TP_GROUP_ROWS } tp_group_state;
tp_group_state tp_bonds_group(const tp_bonds *bonds, uint32_t group);

/* A change has arrived. These three: one thread at a time; no effect when bonds is NULL. */
void tp_bonds_change(tp_bonds *bonds, const tp_change *change);
/* A resync of a table, or of everything (NULL). */
void tp_bonds_resync(tp_bonds *bonds, const char *table);
/* The same of everything, and nobody vouches for any table any more. */
void tp_bonds_doubt(tp_bonds *bonds);

uint64_t tp_bonds_bytes(const tp_bonds *bonds);

#endif
