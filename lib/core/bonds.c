/* Groups. A verdict that is bound to a table carries the number of a group, 16 bits; a change of
 * the table kills the group, and the next verdict gets another one. Looking a verdict up asks
 * whether its group lives. Nobody walks through the cache, until so many groups are dead that the
 * dead verdicts are removed in one go and their numbers used again.
 *
 * Verdicts that are bound to a row share a group that only a resync kills. Beside each of them lies
 * the slot of its row in a table of arrival numbers, and the number that stood there: any other
 * number means that the row has changed. Rows may share a slot; then a change of the one also ends
 * verdicts of the other, never the reverse.
 *
 * Order is what makes it right. A change takes its number from the fence, then looks for the bond,
 * raises `changed`, and takes the group away; who puts a verdict takes the group first and looks at
 * `changed` afterwards. So either the group dies with the verdict in it, or the token is seen to be
 * older. A bond that is new starts with the fence's number as `changed`: what arrived before it
 * existed counts as a change of its table. */
#include "core/bonds.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"

#define GROUPS 65536u
#define CHUNK 256u
#define BOUND_KEYS 8u

/* States of a group beyond the public ones: all of them count as dead. */
enum { SWEPT = 3, FREE = 4 };

struct tp_bond {
    char *name;
    _Atomic uint32_t group[2]; /* of the table, of its rows; 0: nobody has put anything */
    _Atomic uint64_t changed;
    _Atomic uint64_t resynced;
    atomic_bool checked;
    char *keys[BOUND_KEYS]; /* of rows that were bound; under the lock */
    uint32_t key_count;
    bool any_key; /* more keys than that: every change counts for all rows */
};

typedef _Atomic uint8_t group_state;

struct tp_bonds {
    tp_hash_key key;
    tp_fence *fence;
    atomic_flag busy;
    _Atomic uint32_t tables;
    tp_map *map;
    _Atomic(group_state *) chunks[GROUPS / CHUNK];
    uint32_t issued; /* groups that were ever used, from 1 */
    uint32_t cursor;
    _Atomic uint32_t dead;
    tp_bonds_user user;
    uint32_t row_mask;
    _Atomic(_Atomic uint64_t *) rows;
};

/* ---- life ---- */

tp_bonds *tp_bonds_new(const tp_hash_key *key, tp_fence *fence) {
    tp_bonds *bonds = calloc(1, sizeof *bonds);
    if (bonds == NULL) {
        return NULL;
    }
    bonds->map = tp_map_new();
    if (bonds->map == NULL) {
        free(bonds);
        return NULL;
    }
    bonds->key = *key;
    bonds->fence = fence;
    bonds->issued = 1;
    return bonds;
}

static void bond_free(void *value) {
    tp_bond *bond = value;
    for (uint32_t i = 0; i < bond->key_count; i++) {
        free(bond->keys[i]);
    }
    free(bond->name);
    free(bond);
}

void tp_bonds_free(tp_bonds *bonds) {
    if (bonds == NULL) {
        return;
    }
    tp_map_free(bonds->map, bond_free);
    for (uint32_t i = 0; i < GROUPS / CHUNK; i++) {
        free(atomic_load(&bonds->chunks[i]));
    }
    free(atomic_load(&bonds->rows));
    free(bonds);
}

void tp_bonds_use(tp_bonds *bonds, const tp_bonds_user *user) {
    bonds->user = *user;
    bonds->row_mask = 1023;
    while (bonds->row_mask + 1 < user->rows && bonds->row_mask < (1u << 24) - 1) {
        bonds->row_mask = 2 * bonds->row_mask + 1;
    }
}

uint64_t tp_bonds_bytes(const tp_bonds *bonds) {
    uint64_t bytes = sizeof *bonds;
    for (uint32_t i = 0; i < GROUPS / CHUNK; i++) {
        bytes += atomic_load(&bonds->chunks[i]) != NULL ? CHUNK : 0;
    }
    bytes += atomic_load(&bonds->rows) != NULL ? (bonds->row_mask + 1) * sizeof(uint64_t) : 0;
    return bytes + atomic_load(&bonds->tables) * sizeof(tp_bond);
}

static void lock(tp_bonds *bonds) {
    while (atomic_flag_test_and_set_explicit(&bonds->busy, memory_order_acquire)) {
        sched_yield();
    }
}

static void unlock(tp_bonds *bonds) {
    atomic_flag_clear_explicit(&bonds->busy, memory_order_release);
}

/* ---- tables ---- */

/* With the lock held. */
static tp_bond *bond_new(tp_bonds *bonds, const char *name) {
    uint64_t arrivals = tp_fence_begin(bonds->fence);
    tp_bond *bond = calloc(1, sizeof *bond);
    char *copy = tp_text_copy(name);
    if (bond != NULL && copy != NULL) {
        bond->name = copy;
        atomic_init(&bond->changed, arrivals);
        atomic_init(&bond->resynced, arrivals);
        if (tp_map_put_str(bonds->map, name, bond, NULL)) {
            atomic_fetch_add(&bonds->tables, 1);
            return bond;
        }
    }
    free(copy);
    free(bond);
    return NULL;
}

tp_bond *tp_bonds_find(tp_bonds *bonds, const char *name) {
    lock(bonds);
    tp_bond *bond = tp_map_get_str(bonds->map, name);
    unlock(bonds);
    return bond;
}

tp_bond *tp_bonds_table(tp_bonds *bonds, const char *name) {
    lock(bonds);
    tp_bond *bond = tp_map_get_str(bonds->map, name);
    if (bond == NULL) {
        bond = bond_new(bonds, name);
    }
    unlock(bonds);
    return bond;
}

bool tp_bond_is_checked(const tp_bond *bond) {
    return atomic_load(&bond->checked);
}

void tp_bond_check(tp_bond *bond) {
    atomic_store(&bond->checked, true);
}

/* ---- groups ---- */

tp_group_state tp_bonds_group(const tp_bonds *bonds, uint32_t group) {
    const group_state *chunk =
        bonds == NULL ? NULL
                      : atomic_load_explicit(&bonds->chunks[group / CHUNK], memory_order_acquire);
    uint32_t state =
        chunk == NULL ? 0 : atomic_load_explicit(&chunk[group % CHUNK], memory_order_acquire);
    return state == TP_GROUP_TABLE || state == TP_GROUP_ROWS ? (tp_group_state)state
                                                             : TP_GROUP_DEAD;
}

static group_state *state_of(tp_bonds *bonds, uint32_t group) {
    group_state *chunk = atomic_load_explicit(&bonds->chunks[group / CHUNK], memory_order_relaxed);
    return &chunk[group % CHUNK];
}

/* With the lock held: one that is free; 0 when there is none, or memory is short. */
static uint32_t take_group(tp_bonds *bonds) {
    for (; bonds->cursor < bonds->issued; bonds->cursor++) {
        if (bonds->cursor > 0 && atomic_load(state_of(bonds, bonds->cursor)) == FREE) {
            return bonds->cursor++;
        }
    }
    if (bonds->issued == GROUPS) {
        return 0;
    }
    _Atomic(group_state *) *chunk = &bonds->chunks[bonds->issued / CHUNK];
    if (atomic_load(chunk) == NULL) {
        atomic_store(chunk, (group_state *)calloc(CHUNK, sizeof(group_state)));
    }
    return atomic_load(chunk) == NULL ? 0 : bonds->issued++;
}

uint32_t tp_bond_group(tp_bonds *bonds, tp_bond *bond, bool rows) {
    uint32_t group = atomic_load(&bond->group[rows]);
    if (group != 0) {
        return group;
    }
    lock(bonds);
    group = atomic_load(&bond->group[rows]);
    if (group == 0) {
        group = take_group(bonds);
        if (group != 0) {
            atomic_store(state_of(bonds, group), rows ? TP_GROUP_ROWS : TP_GROUP_TABLE);
            atomic_store(&bond->group[rows], group);
        }
    }
    unlock(bonds);
    return group;
}

static void kill_group(tp_bonds *bonds, tp_bond *bond, bool rows) {
    uint32_t group = atomic_exchange(&bond->group[rows], 0);
    if (group != 0) {
        atomic_store(state_of(bonds, group), TP_GROUP_DEAD);
        atomic_fetch_add(&bonds->dead, 1);
    }
}

/* Numbers of groups that are dead now are free after the sweep; those that die meanwhile wait. */
static void sweep_if_due(tp_bonds *bonds) {
    if (bonds->user.sweep == NULL || atomic_load(&bonds->dead) < bonds->user.sweep_every) {
        return;
    }
    lock(bonds);
    uint32_t issued = bonds->issued;
    for (uint32_t group = 1; group < issued; group++) {
        uint8_t expected = TP_GROUP_DEAD;
        atomic_compare_exchange_strong(state_of(bonds, group), &expected, SWEPT);
    }
    atomic_store(&bonds->dead, 0);
    unlock(bonds);
    bonds->user.sweep(bonds->user.user);
    lock(bonds);
    for (uint32_t group = 1; group < issued; group++) {
        uint8_t expected = SWEPT;
        atomic_compare_exchange_strong(state_of(bonds, group), &expected, FREE);
    }
    bonds->cursor = 0;
    unlock(bonds);
}

/* ---- rows ---- */

static uint32_t slot_of(const tp_bonds *bonds, const char *table, const char *key,
                        const char *value, size_t length) {
    uint64_t parts[3] = {tp_hash64(&bonds->key, table, strlen(table)),
                         tp_hash64(&bonds->key, key, strlen(key)),
                         tp_hash64(&bonds->key, value, length)};
    return (uint32_t)tp_hash64(&bonds->key, parts, sizeof parts) & bonds->row_mask;
}

/* With the lock held. What has arrived before a key was bound may have changed any row. False when
 * memory is short. */
static bool want_key(tp_bonds *bonds, tp_bond *bond, const char *key) {
    for (uint32_t i = 0; i < bond->key_count; i++) {
        if (strcmp(bond->keys[i], key) == 0) {
            return true;
        }
    }
    atomic_store(&bond->resynced, tp_fence_begin(bonds->fence));
    bond->any_key = bond->any_key || bond->key_count == BOUND_KEYS;
    if (bond->any_key) {
        return true;
    }
    char *copy = tp_text_copy(key);
    if (copy != NULL) {
        bond->keys[bond->key_count++] = copy;
    }
    return copy != NULL;
}

static bool want_rows(tp_bonds *bonds) {
    if (atomic_load(&bonds->rows) == NULL) {
        atomic_store(&bonds->rows, (_Atomic uint64_t *)calloc((size_t)bonds->row_mask + 1,
                                                              sizeof(_Atomic uint64_t)));
    }
    return atomic_load(&bonds->rows) != NULL;
}

bool tp_bonds_row(tp_bonds *bonds, tp_bond *bond, const char *key, const char *value, size_t length,
                  uint32_t *row) {
    lock(bonds);
    bool fine = want_rows(bonds) && want_key(bonds, bond, key);
    unlock(bonds);
    *row = slot_of(bonds, bond->name, key, value, length);
    return fine;
}

static uint64_t row_number(const tp_bonds *bonds, uint32_t row) {
    const _Atomic uint64_t *rows = atomic_load_explicit(&bonds->rows, memory_order_acquire);
    return rows == NULL ? 0 : atomic_load(&rows[row]);
}

uint64_t tp_bonds_row_stamp(const tp_bonds *bonds, uint32_t row) {
    return row_number(bonds, row) & TP_BOND_STAMP;
}

bool tp_bond_changed(const tp_bonds *bonds, const tp_bond *bond, uint32_t row, uint64_t token) {
    if (row == TP_BOND_NO_ROW) {
        return atomic_load(&bond->changed) > token;
    }
    return atomic_load(&bond->resynced) > token || row_number(bonds, row) > token;
}

/* ---- changes ---- */

static void resync_bond(tp_bonds *bonds, tp_bond *bond, uint64_t arrival) {
    atomic_store(&bond->changed, arrival);
    atomic_store(&bond->resynced, arrival);
    kill_group(bonds, bond, false);
    kill_group(bonds, bond, true);
}

/* The value of a bound key; false when the change does not tell it. */
static bool value_of(const tp_change *change, const char *key, tp_value *value) {
    for (uint32_t i = 0; i < change->table->key_count; i++) {
        if (strcmp(change->table->key_names[i], key) == 0) {
            *value = change->values[i];
            return true;
        }
    }
    return false;
}

/* With the lock held. False: it cannot be said which rows have changed. */
static bool change_rows(tp_bonds *bonds, const tp_bond *bond, const tp_change *change,
                        uint64_t arrival) {
    _Atomic uint64_t *rows = atomic_load(&bonds->rows);
    for (uint32_t i = 0; i < bond->key_count; i++) {
        tp_value value;
        if (!value_of(change, bond->keys[i], &value)) {
            return false;
        }
        if (value.data != NULL) {
            atomic_store(&rows[slot_of(bonds, bond->name, bond->keys[i], value.data, value.length)],
                         arrival);
        }
    }
    return !bond->any_key;
}

void tp_bonds_change(tp_bonds *bonds, const tp_change *change) {
    if (bonds == NULL) {
        return;
    }
    uint64_t arrival = tp_fence_arrive(bonds->fence);
    if (atomic_load(&bonds->tables) == 0) {
        return;
    }
    lock(bonds);
    tp_bond *bond = tp_map_get_str(bonds->map, change->table->name);
    if (bond != NULL) {
        atomic_store(&bond->changed, arrival);
        kill_group(bonds, bond, false);
        if (change->op == TP_OP_TRUNCATE || !change_rows(bonds, bond, change, arrival)) {
            resync_bond(bonds, bond, arrival);
        }
    }
    unlock(bonds);
    sweep_if_due(bonds);
}

void tp_bonds_resync(tp_bonds *bonds, const char *table) {
    if (bonds == NULL) {
        return;
    }
    uint64_t arrival = tp_fence_arrive(bonds->fence);
    lock(bonds);
    if (table != NULL) {
        tp_bond *bond = tp_map_get_str(bonds->map, table);
        if (bond != NULL) {
            resync_bond(bonds, bond, arrival);
        }
    } else {
        void *cursor = NULL;
        for (void *bond = NULL; tp_map_next(bonds->map, &cursor, NULL, &bond);) {
            resync_bond(bonds, bond, arrival);
        }
    }
    unlock(bonds);
    sweep_if_due(bonds);
}

void tp_bonds_doubt(tp_bonds *bonds) {
    if (bonds == NULL) {
        return;
    }
    lock(bonds);
    void *cursor = NULL;
    for (void *bond = NULL; tp_map_next(bonds->map, &cursor, NULL, &bond);) {
        atomic_store(&((tp_bond *)bond)->checked, false);
    }
    unlock(bonds);
    tp_bonds_resync(bonds, NULL);
}
