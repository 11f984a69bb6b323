/* Two choices: the place of a key has two halves, and each names a set. A new key goes to the set
 * with more room; where there is none, to the first, unless that has taken three keys more than
 * the second. That keeps all sets equally busy (Azar, Broder, Karlin, Upfal, "Balanced
 * allocations", 1994). Sixteen ways alone lose up to 2.5 points of the hit ratio when the keys in
 * use just fit; with two choices the table behaves like one queue. The price is one more cache line
 * looked at, at the same time as the first, or only when the first lacks the key, which most keys
 * are in.
 *
 * A writer locks both sets, in the order of their addresses, so a key is never in both. */
#include "core/cache_table.h"

#include <stdlib.h>

#include "base/pages.h"
#include "core/expiry.h"

#define LINE 64u
#define NEAR_BYTES (1u << 20) /* what lies in the second-level cache, or nearly */
#define TRIES 32

/* ---- memory ---- */

tp_cache_table *tp_cache_table_new(const tp_cache_world *world, const tp_wide_key *key,
                                   uint64_t sets) {
    if (sets > (SIZE_MAX - LINE) / sizeof(tp_cache_set)) {
        return NULL;
    }
    tp_cache_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    table->key = *key;
    table->world = *world;
    table->plain = world->policy == TP_CACHE_S3FIFO && world->keys == NULL;
    table->sets = sets;
    table->bytes = (size_t)sets * sizeof(tp_cache_set);
    table->far = table->bytes > NEAR_BYTES;
    table->memory = calloc(1, table->bytes + LINE);
    if (world->keys != NULL) {
        table->kept = calloc((size_t)sets * TP_SET_WAYS, sizeof *table->kept);
    }
    if (table->memory == NULL || (world->keys != NULL && table->kept == NULL)) {
        tp_cache_table_free(table);
        return NULL;
    }
    tp_pages_prefer_large(table->memory, table->bytes + LINE);
    uintptr_t start = ((uintptr_t)table->memory + LINE - 1) / LINE * LINE;
    table->set = (tp_cache_set *)start;
    return table;
}

void tp_cache_table_free(tp_cache_table *table) {
    if (table != NULL) {
        free(table->memory);
        free(table->kept);
        free(atomic_load(&table->rows));
        free(table);
    }
}

void tp_cache_table_discard(tp_cache_table *table) {
    size_t ways = (size_t)table->sets * TP_SET_WAYS;
    tp_pages_discard(table->memory, table->bytes + LINE);
    if (table->kept != NULL) {
        tp_pages_discard(table->kept, ways * sizeof *table->kept);
    }
}

bool tp_cache_table_want_rows(tp_cache_table *table) {
    if (atomic_load_explicit(&table->rows, memory_order_acquire) != NULL) {
        return true;
    }
    _Atomic uint64_t *none = NULL;
    _Atomic uint64_t *rows = calloc((size_t)table->sets * TP_SET_WAYS, sizeof *rows);
    if (rows != NULL && !atomic_compare_exchange_strong(&table->rows, &none, rows)) {
        free(rows);
        return true;
    }
    return rows != NULL;
}

uint64_t tp_cache_table_bytes(const tp_cache_table *table) {
    uint64_t ways = table->sets * TP_SET_WAYS;
    uint64_t bytes = sizeof *table + table->bytes + LINE;
    bytes += table->kept != NULL ? ways * sizeof *table->kept : 0;
    return bytes + (atomic_load(&table->rows) != NULL ? ways * sizeof(uint64_t) : 0);
}

/* ---- what else is known of a way ---- */

static size_t index_of(const tp_cache_table *table, const tp_cache_set *set, uint32_t way) {
    return (size_t)(set - table->set) * TP_SET_WAYS + way;
}

static bool row_is_fresh(const tp_cache_table *table, size_t index) {
    const _Atomic uint64_t *rows = atomic_load_explicit(&table->rows, memory_order_acquire);
    if (rows == NULL) {
        return false;
    }
    uint64_t bound = atomic_load_explicit(&rows[index], memory_order_acquire);
    uint32_t row = (uint32_t)(bound >> 40);
    return tp_bonds_row_stamp(table->world.bonds, row) == (bound & TP_BOND_STAMP);
}

static bool is_fresh(const tp_cache_table *table, const tp_cache_set *set, uint32_t way,
                     uint32_t terms, uint64_t now_ms) {
    uint32_t since = atomic_load_explicit(&set->since, memory_order_acquire);
    if (tp_expiry_passed(terms & 0xFFFF, since, now_ms)) {
        return false;
    }
    if (terms >> 16 == 0) {
        return true;
    }
    tp_group_state state = tp_bonds_group(table->world.bonds, terms >> 16);
    return state == TP_GROUP_TABLE ||
           (state == TP_GROUP_ROWS && row_is_fresh(table, index_of(table, set, way)));
}

uint64_t tp_cache_table_left(const tp_cache_table *table, const tp_cache_set *set, uint32_t way,
                             uint32_t terms, uint64_t now_ms) {
    uint32_t since = atomic_load_explicit(&set->since, memory_order_relaxed);
    uint64_t time = tp_expiry_time(terms & 0xFFFF, since);
    if (!is_fresh(table, set, way, terms, now_ms)) {
        return 0;
    }
    return time == UINT64_MAX ? UINT64_MAX : time - now_ms;
}

static bool is_key(const tp_cache_table *table, const tp_cache_set *set, uint32_t way,
                   const tp_cache_probe *probe) {
    if (table->kept == NULL) {
        return true;
    }
    const tp_kept_key *kept =
        atomic_load_explicit(&table->kept[index_of(table, set, way)], memory_order_acquire);
    return kept != NULL && tp_kept_key_is(kept, probe->salt, probe->bytes, probe->length);
}

/* ---- without a lock ---- */

static uint32_t find_in(const tp_cache_table *table, const tp_cache_set *set,
                        const tp_cache_probe *probe, uint32_t candidates, tp_cache_entry *entry) {
    for (;;) {
        uint32_t way = tp_set_find(set, probe->mark, candidates, entry);
        if (way == TP_SET_NOWHERE || is_key(table, set, way, probe)) {
            return way;
        }
        candidates &= ~((UINT32_C(2) << way) - 1);
    }
}

static void touch(const tp_cache_table *table, tp_cache_set *set, uint32_t way) {
    if (table->world.policy == TP_CACHE_LRU) {
        tp_set_touch_lru(set, way);
    } else {
        tp_set_touch(set, way);
    }
}

/* A key whose tag matches: whether it is the key, and if so its verdict or -1. *sure is false when
 * the set was being changed. */
static bool look_at(const tp_cache_table *table, const tp_cache_probe *probe, tp_cache_set *set,
                    uint32_t way, uint32_t version, uint64_t now_ms, int32_t *verdict, bool *sure) {
    tp_cache_entry entry;
    if (!tp_set_is(set, way, probe->mark, &entry) || !is_key(table, set, way, probe)) {
        return false;
    }
    bool fresh = entry.terms == 0 || is_fresh(table, set, way, entry.terms, now_ms);
    *sure = (version & 1) == 0 && tp_set_version(set) == version;
    *verdict = fresh ? (int32_t)entry.verdict : -1;
    if (*sure && fresh) {
        touch(table, set, way);
    }
    return true;
}

int32_t tp_cache_table_look(const tp_cache_table *table, tp_cache_probe *probe, uint64_t now_ms) {
    for (int tries = 0; tries < TRIES && !tp_cache_probe_absent(probe); tries++) {
        bool sure = true;
        for (uint32_t ways = probe->ways; ways != 0 && sure; ways &= ways - 1) {
            uint32_t bit = (uint32_t)__builtin_ctz(ways);
            int32_t verdict;
            if (look_at(table, probe, probe->set[bit >> 4], bit & 15, probe->version[bit >> 4],
                        now_ms, &verdict, &sure) &&
                sure) {
                return verdict;
            }
        }
        if (sure) {
            break;
        }
        tp_cache_probe_match(probe);
    }
    return -1;
}

/* ---- with locks ---- */

void tp_cache_table_lock(const tp_cache_probe *probe) {
    bool ordered = probe->set[0] <= probe->set[1];
    tp_set_lock(probe->set[ordered ? 0 : 1]);
    if (probe->set[0] != probe->set[1]) {
        tp_set_lock(probe->set[ordered ? 1 : 0]);
    }
}

void tp_cache_table_unlock(const tp_cache_probe *probe, bool changed) {
    tp_set_unlock(probe->set[0], changed);
    if (probe->set[0] != probe->set[1]) {
        tp_set_unlock(probe->set[1], changed);
    }
}

/* from is 0 or 1, the set to begin with. */
static bool find_from(const tp_cache_table *table, const tp_cache_probe *probe, int from,
                      tp_cache_set **set, uint32_t *way, tp_cache_entry *entry) {
    uint32_t tag = (uint32_t)probe->mark & 0xFFFF;
    for (int side = from; side < 2; side++) {
        *set = probe->set[side];
        *way = find_in(table, *set, probe, tp_set_match(*set, tag), entry);
        if (*way != TP_SET_NOWHERE) {
            return true;
        }
    }
    return false;
}

typedef struct mover {
    tp_cache_table *table;
    uint64_t now_ms;
} mover;

static bool dead(void *user, const tp_cache_set *set, uint32_t way, uint32_t terms) {
    const mover *m = user;
    return !is_fresh(m->table, set, way, terms, m->now_ms);
}

/* What lies beside the sets follows its entry. */
static void move(void *user, const tp_cache_set *set, uint32_t from, uint32_t to) {
    tp_cache_table *table = ((const mover *)user)->table;
    size_t source = index_of(table, set, from);
    _Atomic uint64_t *rows = atomic_load_explicit(&table->rows, memory_order_relaxed);
    if (rows != NULL && to != TP_SET_NOWHERE) {
        uint64_t row = atomic_load_explicit(&rows[source], memory_order_relaxed);
        atomic_store_explicit(&rows[index_of(table, set, to)], row, memory_order_release);
    }
    if (table->kept == NULL) {
        return;
    }
    tp_kept_key *kept = atomic_exchange_explicit(&table->kept[source], NULL, memory_order_acq_rel);
    if (to == TP_SET_NOWHERE) {
        tp_cache_keys_release(table->world.keys, kept);
    } else {
        atomic_store_explicit(&table->kept[index_of(table, set, to)], kept, memory_order_release);
    }
}

static bool has_aside(const tp_cache_table *table) {
    return table->kept != NULL || atomic_load_explicit(&table->rows, memory_order_relaxed) != NULL;
}

static void remove_way(tp_cache_table *table, tp_cache_set *set, uint32_t way) {
    mover m = {table, 0};
    if (has_aside(table)) {
        move(&m, set, way, TP_SET_NOWHERE);
    }
    tp_set_clear(set, way);
}

uint32_t tp_cache_table_remove(tp_cache_table *table, const tp_cache_probe *probe) {
    uint32_t gone = 0;
    for (int side = 0; side < 2; side++) {
        tp_cache_entry entry;
        tp_cache_set *set;
        uint32_t way;
        if (find_from(table, probe, side, &set, &way, &entry)) {
            remove_way(table, set, way);
            gone++;
        }
    }
    return gone;
}

static uint32_t sweep_set(tp_cache_table *table, tp_cache_set *set, uint64_t now_ms, bool all) {
    uint32_t gone = 0;
    for (uint32_t way = 0; way < TP_SET_WAYS; way++) {
        tp_cache_entry entry;
        tp_set_read(set, way, &entry);
        if (entry.mark != 0 &&
            (all || (entry.terms != 0 && !is_fresh(table, set, way, entry.terms, now_ms)))) {
            remove_way(table, set, way);
            gone++;
        }
    }
    return gone;
}

uint32_t tp_cache_table_sweep(tp_cache_table *table, uint64_t number, uint64_t now_ms, bool all) {
    tp_cache_set *set = &table->set[number];
    tp_set_lock(set);
    uint32_t gone = sweep_set(table, set, now_ms, all);
    tp_set_unlock(set, gone > 0);
    return gone;
}

/* The set for a new key; empty receives the ways of it that have room. */
static size_t choose(const tp_cache_table *table, const tp_cache_probe *probe, uint32_t *empty) {
    uint32_t room[2] = {tp_set_match(probe->set[0], 0), tp_set_match(probe->set[1], 0)};
    uint32_t one = tp_set_state(probe->set[0]);
    uint32_t two = tp_set_state(probe->set[1]);
    int32_t lean = table->world.policy == TP_CACHE_LRU ? 0 : TP_CACHE_LEAN;
    size_t side = tp_cache_probe_side(one, two, lean);
    if ((room[0] | room[1]) != 0) {
        side = __builtin_popcount(room[1]) > __builtin_popcount(room[0]) ? 1 : 0;
    }
    *empty = room[side];
    return side;
}

/* The point of reference of both sets moves on, now that something is to be timed by it. */
static uint32_t advance(tp_cache_table *table, const tp_cache_probe *probe, uint64_t now_ms) {
    uint32_t expired = 0;
    uint32_t now = tp_expiry_since(now_ms);
    for (int side = 0; side < 2; side++) {
        tp_cache_set *set = probe->set[side];
        if (now > atomic_load_explicit(&set->since, memory_order_relaxed)) {
            expired += sweep_set(table, set, now_ms, false);
            atomic_store_explicit(&set->since, now, memory_order_release);
        }
    }
    return expired;
}

static uint32_t expiry_in(const tp_cache_set *set, uint64_t now_ms, uint64_t ttl_ms) {
    uint32_t since = atomic_load_explicit(&set->since, memory_order_relaxed);
    return ttl_ms == UINT64_MAX ? TP_EXPIRY_NEVER : tp_expiry_encode(since, now_ms, ttl_ms);
}

/* The group of a bond; 0 when the verdict must not be kept. */
static uint32_t bind(tp_cache_table *table, const tp_cache_bond *bond, uint64_t *row,
                     tp_cache_outcome *outcome) {
    tp_bonds *bonds = table->world.bonds;
    bool rows = bond->row != TP_BOND_NO_ROW;
    if (rows) {
        *row = (uint64_t)bond->row << 40 | tp_bonds_row_stamp(bonds, bond->row);
    }
    uint32_t group = tp_bond_group(bonds, bond->table, rows);
    outcome->refused = group == 0;
    outcome->stale =
        bond->token != 0 && tp_bond_changed(bonds, bond->table, bond->row, bond->token);
    return outcome->stale ? 0 : group;
}

static void write_aside(tp_cache_table *table, tp_cache_set *set, uint32_t way, uint64_t row,
                        tp_kept_key *kept) {
    size_t index = index_of(table, set, way);
    _Atomic uint64_t *rows = atomic_load_explicit(&table->rows, memory_order_relaxed);
    if (rows != NULL) {
        atomic_store_explicit(&rows[index], row, memory_order_release);
    }
    if (kept != NULL) {
        atomic_store_explicit(&table->kept[index], kept, memory_order_release);
    }
}

/* When, for how long, and bound to which row. */
typedef struct tp_cache_moment {
    uint64_t now_ms;
    uint64_t ttl_ms;
    uint64_t row;
} tp_cache_moment;

/* With that set locked. Ghosts of the other may be of another moment: they are hints. */
static void add_to(tp_cache_table *table, const tp_cache_probe *probe, tp_cache_set *set,
                   uint32_t empty, tp_cache_entry *entry, const tp_cache_moment *moment,
                   tp_cache_outcome *outcome) {
    tp_kept_key *kept = NULL;
    if (table->world.keys != NULL) {
        kept = tp_cache_keys_keep(table->world.keys, probe->salt, probe->bytes, probe->length);
        if (kept == NULL) {
            outcome->refused = true;
            return;
        }
    }
    mover m = {table, moment->now_ms};
    tp_set_owner owner = {dead, has_aside(table) ? move : NULL, &m};
    uint32_t tag = (uint32_t)entry->mark & 0xFFFF;
    bool known = table->world.policy == TP_CACHE_S3FIFO &&
                 (tp_set_has_ghost(probe->set[0], tag) || tp_set_has_ghost(probe->set[1], tag));
    uint32_t way;
    entry->terms |= expiry_in(set, moment->now_ms, moment->ttl_ms);
    outcome->loss = tp_set_insert(set, table->world.policy, entry, known, empty, &owner, &way);
    outcome->added = true;
    if (kept != NULL || atomic_load_explicit(&table->rows, memory_order_relaxed) != NULL) {
        write_aside(table, set, way, moment->row, kept);
    }
}

static void add(tp_cache_table *table, const tp_cache_probe *probe, tp_cache_entry *entry,
                const tp_cache_moment *moment, tp_cache_outcome *outcome) {
    uint32_t empty;
    size_t side = choose(table, probe, &empty);
    add_to(table, probe, probe->set[side], empty, entry, moment, outcome);
}

/* Where a key is twice, only the first that is found can be brought up to date. */
static void remove_second(tp_cache_table *table, const tp_cache_probe *probe,
                          const tp_cache_set *first) {
    tp_cache_entry entry;
    tp_cache_set *set;
    uint32_t way;
    if (first == probe->set[0] && probe->set[0] != probe->set[1] &&
        find_from(table, probe, 1, &set, &way, &entry)) {
        remove_way(table, set, way);
    }
}

tp_cache_outcome tp_cache_table_put(tp_cache_table *table, const tp_cache_probe *probe,
                                    uint32_t verdict, uint64_t now_ms, uint64_t ttl_ms,
                                    const tp_cache_bond *bond) {
    tp_cache_outcome outcome = {0};
    tp_cache_entry entry = {probe->mark, verdict, 0};
    tp_cache_entry former;
    tp_cache_set *set;
    uint32_t way;
    uint64_t row = 0;
    tp_cache_table_lock(probe);
    outcome.expired = ttl_ms == UINT64_MAX ? 0 : advance(table, probe, now_ms);
    uint32_t group = bond == NULL ? 0 : bind(table, bond, &row, &outcome);
    bool found = find_from(table, probe, 0, &set, &way, &former);
    entry.terms = group << 16;
    if (outcome.stale || outcome.refused) {
        outcome.removed = tp_cache_table_remove(table, probe);
    } else if (found) {
        remove_second(table, probe, set);
        entry.terms |= expiry_in(set, now_ms, ttl_ms);
        tp_set_write(set, way, &entry);
        write_aside(table, set, way, row, NULL);
        touch(table, set, way);
    } else {
        add(table, probe, &entry, &(tp_cache_moment){now_ms, ttl_ms, row}, &outcome);
    }
    tp_cache_table_unlock(probe, true);
    return outcome;
}

tp_cache_outcome tp_cache_table_fill(tp_cache_table *table, const tp_cache_probe *probe,
                                     uint32_t verdict, uint64_t now_ms, uint64_t ttl_ms,
                                     const tp_cache_ticket *ticket) {
    tp_cache_outcome outcome = {0};
    tp_cache_entry entry = {probe->mark, verdict, 0};
    tp_cache_entry other;
    tp_cache_set *set;
    uint32_t way;
    tp_cache_table_lock(probe);
    outcome.expired = ttl_ms == UINT64_MAX ? 0 : advance(table, probe, now_ms);
    bool found = find_from(table, probe, 0, &set, &way, &other);
    if (found && tp_cache_table_left(table, set, way, other.terms, now_ms) == 0) {
        outcome.expired += tp_cache_table_remove(table, probe);
        found = false;
    }
    bool add_it =
        !found && atomic_load_explicit(ticket->place, memory_order_acquire) == ticket->number;
    if (add_it) {
        add(table, probe, &entry, &(tp_cache_moment){now_ms, ttl_ms, 0}, &outcome);
    }
    tp_cache_table_unlock(probe, add_it || outcome.expired > 0);
    return outcome;
}

bool tp_cache_table_move(tp_cache_table *from, const tp_cache_probe *source, tp_cache_table *to,
                         const tp_cache_probe *target, uint64_t now_ms) {
    tp_cache_entry entry;
    tp_cache_set *set;
    uint32_t way;
    tp_cache_outcome outcome = {0};
    tp_cache_table_lock(source);
    bool found = find_from(from, source, 0, &set, &way, &entry);
    _Atomic uint64_t *rows = atomic_load_explicit(&from->rows, memory_order_acquire);
    uint64_t row = found && rows != NULL ? atomic_load(&rows[index_of(from, set, way)]) : 0;
    uint64_t left = found ? tp_cache_table_left(from, set, way, entry.terms, now_ms) : 0;
    if (left > 0 && (rows == NULL || tp_cache_table_want_rows(to))) {
        tp_cache_set *there;
        uint32_t at;
        tp_cache_entry other;
        tp_cache_entry moved = {target->mark, entry.verdict, entry.terms & 0xFFFF0000u};
        tp_cache_table_lock(target);
        outcome.expired = left == UINT64_MAX ? 0 : advance(to, target, now_ms);
        if (!find_from(to, target, 0, &there, &at, &other)) {
            add(to, target, &moved, &(tp_cache_moment){now_ms, left, row}, &outcome);
        }
        tp_cache_table_unlock(target, true);
    }
    if (found) {
        tp_cache_table_remove(from, source);
    }
    tp_cache_table_unlock(source, found);
    return outcome.added;
}
