/* One table in use and, after a change of size or a warm start, one that is being replaced: what is
 * not found in the first is looked for in the second, and moves over when it is there. The second
 * goes set by set once it has been asked often enough in vain; its addresses stay until the end, so
 * that a reader needs to announce nothing. It is emptied before it is forgotten, because whoever
 * moves a verdict holds its lock.
 *
 * A validator's number, version and generation make a salt that is hashed with the key. So another
 * generation makes all its verdicts unreachable at once, and costs an entry nothing.
 *
 * What is plain goes by cache_quick.h and cache_many.h; here is everything else. */
#include "core/cache.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/cache_quick.h"
#include "core/cache_snapshot.h"

#define PATIENCE 4u /* questions for each way before a table that is replaced begins to go */

static void lock(tp_cache *cache) {
    while (atomic_flag_test_and_set_explicit(&cache->busy, memory_order_acquire)) {
        sched_yield();
    }
}

static void unlock(tp_cache *cache) {
    atomic_flag_clear_explicit(&cache->busy, memory_order_release);
}

/* ---- life ---- */

static uint64_t sets_for(uint64_t capacity) {
    return capacity / TP_SET_WAYS + (capacity % TP_SET_WAYS != 0 ? 1 : 0);
}

/* NULL when memory is short, or the capacity is more than a place can tell apart. */
static tp_cache_table *table_for(const tp_cache *cache, uint64_t capacity) {
    uint64_t sets = sets_for(capacity);
    return sets > UINT32_MAX ? NULL : tp_cache_table_new(&cache->world, &cache->options.key, sets);
}

static bool build(tp_cache *cache) {
    uint64_t capacity = cache->options.capacity;
    cache->world.policy = cache->options.policy;
    cache->world.bonds = cache->options.bonds;
    if (cache->options.exact) {
        cache->world.keys = tp_cache_keys_new();
    }
    if (!tp_lanes_init(&cache->lanes) || (cache->options.exact && cache->world.keys == NULL)) {
        return false;
    }
    tp_cache_table *table = capacity == 0 ? NULL : table_for(cache, capacity);
    atomic_store(&cache->table, table);
    return capacity == 0 || table != NULL;
}

/* Called while changes arrive, by one thread at a time: the cache stands for its identity. */
static void sweep_dead_groups(void *user) {
    tp_cache_call call = {0, 0, (uintptr_t)user};
    tp_cache_sweep(user, &call);
}

static void use_bonds(tp_cache *cache) {
    uint64_t capacity = cache->options.capacity;
    uint64_t every = capacity / 64 < 256 ? 256 : capacity / 64 > 16384 ? 16384 : capacity / 64;
    uint64_t rows = capacity > UINT32_MAX ? UINT32_MAX : capacity;
    tp_bonds_user user = {sweep_dead_groups, cache, (uint32_t)every, (uint32_t)rows};
    if (cache->options.bonds != NULL) {
        tp_bonds_use(cache->options.bonds, &user);
    }
}

int32_t tp_cache_new(const tp_cache_options *options, tp_cache **out, trigperf_error **err) {
    tp_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        return tp_error_nomem(err);
    }
    cache->options = *options;
    atomic_store(&cache->timed, options->ttl_ms != 0);
    if (!build(cache)) {
        tp_cache_free(cache);
        return tp_error_nomem(err);
    }
    use_bonds(cache);
    *out = cache;
    return TRIGPERF_OK;
}

void tp_cache_free(tp_cache *cache) {
    if (cache == NULL) {
        return;
    }
    tp_cache_table_free(atomic_load(&cache->table));
    tp_cache_table_free(atomic_load(&cache->previous));
    while (cache->retired != NULL) {
        tp_cache_table *next = cache->retired->next;
        tp_cache_table_free(cache->retired);
        cache->retired = next;
    }
    tp_cache_validators_free(&cache->validators);
    tp_cache_keys_free(cache->world.keys);
    tp_lanes_free(&cache->lanes);
    free(cache);
}

static void count(tp_cache *cache, const tp_cache_call *call, tp_lane_counter counter,
                  uint64_t number) {
    tp_lanes_count(&cache->lanes, call->thread, counter, number);
}

/* ---- validators ---- */

int32_t tp_cache_validator_set(tp_cache *cache, uint32_t number, uint64_t version, int64_t ttl_ms,
                               trigperf_error **err) {
    lock(cache);
    bool fine = tp_cache_validators_set(&cache->validators, number, version, ttl_ms);
    if (ttl_ms > 0) {
        atomic_store_explicit(&cache->timed, true, memory_order_relaxed);
    }
    unlock(cache);
    return fine ? TRIGPERF_OK : tp_error_nomem(err);
}

int32_t tp_cache_invalidate_validator(tp_cache *cache, uint32_t number, trigperf_error **err) {
    lock(cache);
    bool fine = tp_cache_validators_invalidate(&cache->validators, number);
    unlock(cache);
    return fine ? TRIGPERF_OK : tp_error_nomem(err);
}

/* ---- looking up ---- */

static uint64_t time_of(const tp_cache *cache, const tp_cache_call *call) {
    uint64_t start = cache->options.start_ms;
    return call->now_ms > start ? call->now_ms - start : 0;
}

/* Lets go of a table that has been replaced, and empty since. With the lock held. */
static void retire(tp_cache *cache, tp_cache_table *table) {
    atomic_store(&cache->previous, NULL);
    tp_cache_table_discard(table);
    table->next = cache->retired;
    cache->retired = table;
}

/* One set of a table that has been asked often enough. */
static void wear_out(tp_cache *cache, const tp_cache_call *call, tp_cache_table *table) {
    uint64_t asked = atomic_fetch_add_explicit(&table->probes, 1, memory_order_relaxed);
    if (asked < table->sets * TP_SET_WAYS * PATIENCE) {
        return;
    }
    uint64_t set = asked - table->sets * TP_SET_WAYS * PATIENCE;
    if (set < table->sets) {
        count(cache, call, TP_LANE_EVICTED, tp_cache_table_sweep(table, set, 0, true));
        atomic_fetch_add(&cache->swept, 1);
    }
    if (atomic_load(&cache->swept) < table->sets) {
        return;
    }
    lock(cache);
    if (atomic_load(&cache->previous) == table && atomic_load(&cache->swept) >= table->sets) {
        retire(cache, table);
    }
    unlock(cache);
}

static int32_t look_in_previous(tp_cache *cache, const tp_cache_call *call, tp_cache_table *table,
                                const tp_cache_probe *probe) {
    tp_cache_table *previous = atomic_load_explicit(&cache->previous, memory_order_acquire);
    if (previous == NULL || previous == table) {
        return -1;
    }
    tp_cache_probe there;
    uint64_t now_ms = time_of(cache, call);
    tp_cache_table_probe(previous, probe->salt, probe->bytes, probe->length, &there);
    tp_cache_probe_match(&there);
    int32_t verdict = tp_cache_table_look(previous, &there, now_ms);
    if (verdict >= 0) {
        tp_cache_table_move(previous, &there, table, probe, now_ms);
    } else {
        wear_out(cache, call, previous);
    }
    return verdict;
}

int32_t tp_cache_look(tp_cache *cache, const tp_cache_call *call, tp_cache_table *table,
                      tp_cache_probe *probe) {
    int32_t verdict = tp_cache_table_look(table, probe, time_of(cache, call));
    return verdict >= 0 ? verdict : look_in_previous(cache, call, table, probe);
}

int32_t tp_cache_get(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                     tp_cache_miss *miss) {
    tp_cache_miss here;
    tp_cache_miss *m = miss == NULL ? &here : miss;
    m->table = atomic_load_explicit(&cache->table, memory_order_acquire);
    if (m->table == NULL) {
        count(cache, call, TP_LANE_MISSES, 1);
        return -1;
    }
    tp_cache_table_probe(m->table, tp_cache_validators_salt(&cache->validators, call->validator),
                         key, length, &m->probe);
    m->ticket = atomic_load_explicit(tp_cache_ticket_of(cache, &m->probe), memory_order_acquire);
    tp_cache_probe_match(&m->probe);
    int32_t verdict = tp_cache_look(cache, call, m->table, &m->probe);
    count(cache, call, verdict >= 0 ? TP_LANE_HITS : TP_LANE_MISSES, 1);
    return verdict;
}

/* ---- putting ---- */

/* UINT64_MAX: for ever. Shortened by a share that the key's place decides. */
static uint64_t ttl_of(tp_cache *cache, uint32_t number, int64_t ttl_ms, uint64_t place) {
    if (ttl_ms == 0) {
        ttl_ms = tp_cache_validators_ttl(&cache->validators, number);
    }
    uint64_t ttl = ttl_ms == 0 ? cache->options.ttl_ms : ttl_ms < 0 ? 0 : (uint64_t)ttl_ms;
    if (ttl == 0) {
        return UINT64_MAX;
    }
    if (!tp_cache_is_timed(cache)) {
        atomic_store_explicit(&cache->timed, true, memory_order_relaxed);
    }
    if (ttl >> 40 != 0) {
        return ttl;
    }
    uint64_t share = (place * UINT64_C(0x9E3779B97F4A7C15) >> 48) * cache->options.ttl_jitter;
    return ttl - (ttl * share / 100 >> 16);
}

static void count_put(tp_cache *cache, const tp_cache_call *call, const tp_cache_outcome *outcome) {
    uintptr_t thread = call->thread;
    tp_lane *lane = tp_lanes_of(&cache->lanes, thread);
    uint32_t expired = outcome->expired + (outcome->loss == TP_SET_DEAD ? 1u : 0u);
    if (outcome->added) {
        tp_lane_add(lane, thread, TP_LANE_INSERTED, 1);
    }
    if (outcome->loss == TP_SET_EVICTED) {
        tp_lane_add(lane, thread, TP_LANE_EVICTED, 1);
    }
    if (expired > 0) {
        tp_lane_add(lane, thread, TP_LANE_EXPIRED, expired);
    }
    if (outcome->removed > 0) {
        tp_lane_add(lane, thread, TP_LANE_REMOVED, outcome->removed);
    }
}

void tp_cache_fill(tp_cache *cache, const tp_cache_call *call, const tp_cache_miss *miss,
                   uint32_t verdict) {
    if (miss->table == NULL) {
        return;
    }
    tp_cache_ticket ticket = {tp_cache_ticket_of(cache, &miss->probe), miss->ticket};
    uint64_t ttl_ms = ttl_of(cache, call->validator, 0, miss->probe.place);
    tp_cache_outcome outcome = tp_cache_table_fill(miss->table, &miss->probe, verdict,
                                                   time_of(cache, call), ttl_ms, &ticket);
    count_put(cache, call, &outcome);
}

static bool remove_from(tp_cache_table *table, uint64_t salt, const char *key, size_t length) {
    tp_cache_probe probe;
    tp_cache_table_probe(table, salt, key, length, &probe);
    tp_cache_table_lock(&probe);
    bool found = tp_cache_table_remove(table, &probe) > 0;
    tp_cache_table_unlock(&probe, found);
    return found;
}

/* What is in the table that is being replaced must not come back. */
static bool remove_previous(tp_cache *cache, uint64_t salt, const char *key, size_t length) {
    tp_cache_table *previous = atomic_load(&cache->previous);
    return previous != NULL && remove_from(previous, salt, key, length);
}

int32_t tp_cache_put(tp_cache *cache, const tp_cache_call *call, const char *key, size_t length,
                     uint32_t verdict, int64_t ttl_ms, const tp_cache_bond *bond) {
    uint64_t salt = tp_cache_validators_salt(&cache->validators, call->validator);
    tp_cache_table *table = atomic_load_explicit(&cache->table, memory_order_acquire);
    if (table == NULL) {
        return TRIGPERF_OK;
    }
    tp_cache_probe probe;
    tp_cache_table_probe(table, salt, key, length, &probe);
    if (remove_previous(cache, salt, key, length)) {
        count(cache, call, TP_LANE_REMOVED, 1);
    }
    uint64_t ttl = ttl_of(cache, call->validator, ttl_ms, probe.place);
    tp_cache_outcome outcome =
        tp_cache_table_put(table, &probe, verdict, time_of(cache, call), ttl, bond);
    count_put(cache, call, &outcome);
    return outcome.stale ? TRIGPERF_E_STALE : outcome.refused ? TRIGPERF_E_NOMEM : TRIGPERF_OK;
}

/* ---- forgetting ---- */

bool tp_cache_invalidate(tp_cache *cache, const tp_cache_call *call, const char *key,
                         size_t length) {
    uint64_t salt = tp_cache_validators_salt(&cache->validators, call->validator);
    tp_cache_table *table = atomic_load(&cache->table);
    uint64_t found = 0;
    while (table != NULL) {
        tp_cache_probe probe;
        tp_cache_table_probe(table, salt, key, length, &probe);
        atomic_fetch_add(tp_cache_ticket_of(cache, &probe), 1);
        found += remove_previous(cache, salt, key, length) ? 1 : 0;
        found += remove_from(table, salt, key, length) ? 1 : 0;
        tp_cache_table *now = atomic_load(&cache->table);
        if (now == table) {
            break;
        }
        table = now;
    }
    count(cache, call, TP_LANE_REMOVED, found);
    return found > 0;
}

static uint64_t sweep_table(tp_cache_table *table, uint64_t now_ms, bool all) {
    uint64_t gone = 0;
    for (uint64_t i = 0; table != NULL && i < table->sets; i++) {
        gone += tp_cache_table_sweep(table, i, now_ms, all);
    }
    return gone;
}

static uint64_t sweep_tables(tp_cache *cache, uint64_t now_ms, bool all) {
    lock(cache);
    uint64_t gone = sweep_table(atomic_load(&cache->previous), now_ms, all);
    gone += sweep_table(atomic_load(&cache->table), now_ms, all);
    unlock(cache);
    return gone;
}

void tp_cache_sweep(tp_cache *cache, const tp_cache_call *call) {
    count(cache, call, TP_LANE_EXPIRED, sweep_tables(cache, time_of(cache, call), false));
}

void tp_cache_clear(tp_cache *cache, const tp_cache_call *call) {
    for (uint32_t i = 0; i < TP_CACHE_TICKETS; i++) {
        atomic_fetch_add(&cache->tickets[i], 1);
    }
    count(cache, call, TP_LANE_REMOVED, sweep_tables(cache, 0, true));
}

/* ---- another size ---- */

bool tp_cache_want_rows(tp_cache *cache) {
    lock(cache);
    tp_cache_table *table = atomic_load(&cache->table);
    bool fine = table == NULL || tp_cache_table_want_rows(table);
    unlock(cache);
    return fine;
}

/* With the lock held. */
static void empty_and_retire(tp_cache *cache, const tp_cache_call *call, tp_cache_table *table) {
    if (table != NULL) {
        count(cache, call, TP_LANE_EVICTED, sweep_table(table, 0, true));
        retire(cache, table);
    }
}

/* With the lock held: `fresh`, or nothing, in place of the table, which becomes the previous one.
 * Never the other way round: who removes a verdict looks at `previous` first. */
static void replace(tp_cache *cache, const tp_cache_call *call, tp_cache_table *fresh) {
    tp_cache_table *table = atomic_load(&cache->table);
    empty_and_retire(cache, call, atomic_load(&cache->previous));
    atomic_store(&cache->swept, 0);
    if (fresh == NULL) {
        atomic_store(&cache->table, NULL);
        empty_and_retire(cache, call, table);
    } else {
        atomic_store(&cache->previous, table);
        atomic_store(&cache->table, fresh);
    }
}

int32_t tp_cache_resize(tp_cache *cache, const tp_cache_call *call, uint64_t capacity,
                        trigperf_error **err) {
    lock(cache);
    tp_cache_table *fresh = capacity == 0 ? NULL : table_for(cache, capacity);
    bool fine = capacity == 0 || fresh != NULL;
    if (fine) {
        replace(cache, call, fresh);
    }
    unlock(cache);
    return fine ? TRIGPERF_OK : tp_error_nomem(err);
}

/* ---- warm starts ---- */

void tp_cache_save(tp_cache *cache, const tp_cache_call *call, uint64_t wall_ms, tp_strbuf *out) {
    tp_snapshot_validator *list = NULL;
    uint32_t count = 0;
    lock(cache);
    tp_cache_table *table = atomic_load(&cache->table);
    out->failed = !tp_cache_validators_list(&cache->validators, &list, &count) || out->failed;
    if (table != NULL && !out->failed) {
        tp_snapshot_begin(out, table, wall_ms, list, count);
        tp_snapshot_sets(out, table, time_of(cache, call));
        tp_snapshot_end(out);
    }
    unlock(cache);
    free(list);
}

/* With the lock held. */
static int32_t take_generations(tp_cache *cache, const tp_snapshot *snapshot,
                                trigperf_error **err) {
    bool fine = true;
    for (uint32_t i = 0; i < snapshot->validator_count && fine; i++) {
        tp_snapshot_validator saved = tp_snapshot_validator_at(snapshot, i);
        fine = tp_cache_validators_take(&cache->validators, &saved);
    }
    return fine ? TRIGPERF_OK : tp_error_nomem(err);
}

/* With the lock held. */
static int32_t load_hashed(tp_cache *cache, const tp_cache_call *call, const tp_snapshot *snapshot,
                           uint64_t elapsed_ms, uint64_t *entries, trigperf_error **err) {
    const tp_cache_table *table = atomic_load(&cache->table);
    tp_cache_table *saved = NULL;
    if (cache->world.keys != NULL) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "save it with cache.exact = on",
                            "a snapshot of whole keys was expected, this one has hashed ones");
    }
    if (snapshot->sets > 65536 && snapshot->sets / 4 > table->sets) {
        return tp_error_set(err, TRIGPERF_E_LIMIT, "raise cache.capacity",
                            "a snapshot of at most four times the capacity was expected, this one "
                            "is of %llu verdicts",
                            (unsigned long long)(snapshot->sets * TP_SET_WAYS));
    }
    int32_t status = tp_snapshot_table(snapshot, &cache->world, time_of(cache, call), elapsed_ms,
                                       &saved, entries, err);
    if (status == TRIGPERF_OK) {
        empty_and_retire(cache, call, atomic_load(&cache->previous));
        atomic_store(&cache->swept, 0);
        atomic_store(&cache->previous, saved);
    }
    return status;
}

int32_t tp_cache_load(tp_cache *cache, const tp_cache_call *call, uint64_t wall_ms,
                      const void *bytes, size_t length, uint64_t *entries, trigperf_error **err) {
    tp_snapshot snapshot;
    uint64_t taken = 0;
    int32_t status = tp_snapshot_read(bytes, length, &snapshot, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint64_t elapsed_ms = wall_ms > snapshot.wall_ms ? wall_ms - snapshot.wall_ms : 0;
    lock(cache);
    tp_cache_table *table = atomic_load(&cache->table);
    atomic_store(&cache->timed, true);
    status = table == NULL ? TRIGPERF_OK : take_generations(cache, &snapshot, err);
    if (status == TRIGPERF_OK && table != NULL && snapshot.sets != 0) {
        status = load_hashed(cache, call, &snapshot, elapsed_ms, &taken, err);
    } else if (status == TRIGPERF_OK && table != NULL) {
        status = tp_snapshot_put(&snapshot, table, time_of(cache, call), elapsed_ms, &taken, err);
    }
    unlock(cache);
    if (status == TRIGPERF_OK) {
        *entries = taken;
    }
    return status;
}

/* ---- figures ---- */

static uint64_t bytes_of(const tp_cache *cache) {
    const tp_cache_table *table = atomic_load(&cache->table);
    const tp_cache_table *previous = atomic_load(&cache->previous);
    uint64_t bytes = sizeof *cache + tp_lanes_bytes();
    bytes += table != NULL ? tp_cache_table_bytes(table) : 0;
    bytes += previous != NULL ? tp_cache_table_bytes(previous) : 0;
    bytes += tp_cache_validators_bytes(&cache->validators);
    bytes += cache->world.keys != NULL ? tp_cache_keys_bytes(cache->world.keys) : 0;
    return bytes + (cache->options.bonds != NULL ? tp_bonds_bytes(cache->options.bonds) : 0);
}

static uint64_t entries_of(const tp_cache_table *table) {
    uint64_t entries = 0;
    for (uint64_t i = 0; table != NULL && i < table->sets; i++) {
        uint32_t empty = tp_set_match(&table->set[i], 0);
        entries += TP_SET_WAYS - (uint32_t)__builtin_popcount(empty);
    }
    return entries;
}

void tp_cache_figures_get(const tp_cache *cache, tp_cache_figures *figures) {
    const tp_lanes *lanes = &cache->lanes;
    const tp_cache_table *table = atomic_load(&cache->table);
    figures->capacity = table == NULL ? 0 : table->sets * TP_SET_WAYS;
    figures->bytes = bytes_of(cache);
    figures->hits = tp_lanes_sum(lanes, TP_LANE_HITS);
    figures->misses = tp_lanes_sum(lanes, TP_LANE_MISSES);
    uint64_t replaced = tp_lanes_sum(lanes, TP_LANE_REPLACED);
    figures->evictions = tp_lanes_sum(lanes, TP_LANE_EVICTED) + replaced;
    figures->expirations = tp_lanes_sum(lanes, TP_LANE_EXPIRED);
    figures->invalidations = tp_lanes_sum(lanes, TP_LANE_REMOVED);
    figures->insertions = tp_lanes_sum(lanes, TP_LANE_INSERTED) + replaced;
    figures->entries = entries_of(table) + entries_of(atomic_load(&cache->previous));
}
