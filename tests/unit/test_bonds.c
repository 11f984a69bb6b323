/* What verdicts are bound to, together with the cache that asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bonds.h"
#include "core/cache.h"
#include "oom.h"
#include "prng.h"

typedef struct world {
    tp_fence *fence;
    tp_bonds *bonds;
    tp_cache *cache;
    uint32_t sweeps;
} world;

static const tp_cache_call call = {0, 0, 1};

static void sweep(void *user) {
    world *w = user;
    w->sweeps++;
    tp_cache_sweep(w->cache, &call);
}

static void build(world *w, uint64_t capacity, uint32_t sweep_every) {
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    *w = (world){.fence = tp_fence_new(16, &key)};
    w->bonds = tp_bonds_new(&key, w->fence);
    tp_cache_options options = {.capacity = capacity, .bonds = w->bonds};
    tp_wide_key_seed(&options.key, 1);
    assert_int_equal(tp_cache_new(&options, &w->cache, NULL), TRIGPERF_OK);
    tp_bonds_use(w->bonds, &(tp_bonds_user){sweep, w, sweep_every, 1024});
}

static void tear(world *w) {
    tp_cache_free(w->cache);
    tp_bonds_free(w->bonds);
    tp_fence_free(w->fence);
}

static int32_t put_table(world *w, const char *key, uint32_t verdict, const char *table,
                         uint64_t token) {
    tp_cache_bond bond = {tp_bonds_table(w->bonds, table), TP_BOND_NO_ROW, token};
    return tp_cache_put(w->cache, &call, key, strlen(key), verdict, 0, &bond);
}

static int32_t put_row(world *w, const char *key, uint32_t verdict, const char *table,
                       const char *column, const char *value, uint64_t token) {
    tp_cache_bond bond = {tp_bonds_table(w->bonds, table), 0, token};
    assert_true(tp_bonds_row(w->bonds, bond.table, column, value, strlen(value), &bond.row));
    assert_true(tp_cache_want_rows(w->cache));
    return tp_cache_put(w->cache, &call, key, strlen(key), verdict, 0, &bond);
}

static int32_t get(world *w, const char *key) {
    return tp_cache_get(w->cache, &call, key, strlen(key), NULL);
}

static const char *const names[] = {"id", "user_id"};

static void change(world *w, const char *table, uint32_t op, const char *id, const char *user) {
    tp_table t = {table, 1, 2, names};
    tp_value values[2] = {{id, id == NULL ? 0 : (uint32_t)strlen(id)},
                          {user, user == NULL ? 0 : (uint32_t)strlen(user)}};
    tp_change c = {&t, op, values, 0};
    tp_bonds_change(w->bonds, &c);
}

static void test_a_change_ends_what_was_bound_to_the_table(void **state) {
    (void)state;
    world w;
    build(&w, 100, 1000);
    assert_int_equal(put_table(&w, "a", 1, "public.calls", 0), TRIGPERF_OK);
    assert_int_equal(put_table(&w, "b", 2, "public.users", 0), TRIGPERF_OK);
    assert_int_equal(get(&w, "a"), 1);
    change(&w, "public.other", TP_OP_UPDATE, "1", NULL);
    assert_int_equal(get(&w, "a"), 1);
    change(&w, "public.calls", TP_OP_UPDATE, "1", NULL);
    assert_int_equal(get(&w, "a"), -1);
    assert_int_equal(get(&w, "b"), 2);
    assert_int_equal(put_table(&w, "a", 3, "public.calls", 0), TRIGPERF_OK);
    assert_int_equal(get(&w, "a"), 3);
    tp_bonds_resync(w.bonds, "public.calls");
    assert_int_equal(get(&w, "a"), -1);
    assert_int_equal(get(&w, "b"), 2);
    tp_bonds_resync(w.bonds, NULL);
    assert_int_equal(get(&w, "b"), -1);
    tear(&w);
}

static void test_a_token_that_was_overtaken(void **state) {
    (void)state;
    world w;
    build(&w, 100, 1000);
    uint64_t before = tp_fence_begin(w.fence);
    assert_int_equal(put_table(&w, "a", 1, "public.calls", before), TRIGPERF_OK);
    change(&w, "public.other", TP_OP_UPDATE, "1", NULL);
    assert_int_equal(put_table(&w, "a", 2, "public.calls", before), TRIGPERF_OK);
    change(&w, "public.calls", TP_OP_INSERT, "1", NULL);
    assert_int_equal(put_table(&w, "a", 3, "public.calls", before), TRIGPERF_E_STALE);
    assert_int_equal(get(&w, "a"), -1);
    /* something arrived before anybody was bound to the table: it may have been of that table */
    assert_int_equal(put_table(&w, "c", 3, "public.new", before), TRIGPERF_E_STALE);
    assert_int_equal(put_table(&w, "a", 4, "public.calls", tp_fence_begin(w.fence)), TRIGPERF_OK);
    assert_int_equal(get(&w, "a"), 4);
    tear(&w);
}

static void test_rows(void **state) {
    (void)state;
    world w;
    build(&w, 100, 1000);
    uint64_t before = tp_fence_begin(w.fence);
    assert_int_equal(put_row(&w, "a", 1, "public.calls", "id", "7", before), TRIGPERF_OK);
    assert_int_equal(put_row(&w, "b", 2, "public.calls", "id", "8", before), TRIGPERF_OK);
    assert_int_equal(put_row(&w, "c", 3, "public.calls", "user_id", "7", 0), TRIGPERF_OK);
    change(&w, "public.calls", TP_OP_UPDATE, "9", "90");
    change(&w, "public.users", TP_OP_UPDATE, "7", "7");
    assert_int_equal(get(&w, "a"), 1);
    change(&w, "public.calls", TP_OP_UPDATE, "7", "90");
    assert_int_equal(get(&w, "a"), -1);
    assert_int_equal(get(&w, "b"), 2);
    assert_int_equal(get(&w, "c"), 3);
    assert_int_equal(put_row(&w, "a", 4, "public.calls", "id", "7", before), TRIGPERF_E_STALE);
    assert_int_equal(put_row(&w, "b", 5, "public.calls", "id", "8", 0), TRIGPERF_OK);
    change(&w, "public.calls", TP_OP_UPDATE, NULL, "7");
    assert_int_equal(get(&w, "b"), 5);
    assert_int_equal(get(&w, "c"), -1);
    change(&w, "public.calls", TP_OP_TRUNCATE, NULL, NULL);
    assert_int_equal(get(&w, "b"), -1);
    tear(&w);
}

/* The row is named by something that changes do not tell: any of them may be of that row. */
static void test_rows_by_a_key_that_is_not_captured(void **state) {
    (void)state;
    world w;
    build(&w, 100, 1000);
    put_row(&w, "a", 1, "public.calls", "email", "x@y", 0);
    put_row(&w, "b", 2, "public.calls", "id", "8", 0);
    change(&w, "public.calls", TP_OP_UPDATE, "1", "1");
    assert_int_equal(get(&w, "a"), -1);
    assert_int_equal(get(&w, "b"), -1);
    tear(&w);
}

static void test_many_keys_of_rows(void **state) {
    (void)state;
    world w;
    build(&w, 100, 1000);
    char column[8];
    for (int i = 0; i < 12; i++) {
        snprintf(column, sizeof column, "c%d", i);
        put_row(&w, column, 1, "public.calls", column, "1", 0);
        assert_int_equal(get(&w, column), 1);
    }
    change(&w, "public.calls", TP_OP_UPDATE, "1", "1");
    for (int i = 0; i < 12; i++) {
        snprintf(column, sizeof column, "c%d", i);
        assert_int_equal(get(&w, column), -1);
    }
    tear(&w);
}

/* Side data follows verdicts that move between ways, and between tables when the size changes. */
static void test_rows_survive_moves(void **state) {
    (void)state;
    world w;
    build(&w, 64, 1000);
    char key[24];
    char id[24];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        snprintf(id, sizeof id, "%d", i);
        put_row(&w, key, (uint32_t)i, "public.calls", "id", id, 0);
        get(&w, key);
    }
    for (int i = 100; i < 160; i++) {
        snprintf(key, sizeof key, "k%d", i);
        tp_cache_put(w.cache, &call, key, strlen(key), 5, 0, NULL);
    }
    assert_int_equal(tp_cache_resize(w.cache, &call, 200, NULL), TRIGPERF_OK);
    int alive = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        snprintf(id, sizeof id, "%d", i);
        int32_t found = get(&w, key);
        assert_true(found == -1 || found == i);
        alive += found >= 0;
        change(&w, "public.calls", TP_OP_UPDATE, id, NULL);
        assert_int_equal(get(&w, key), -1);
    }
    assert_true(alive > 20);
    tear(&w);
}

/* Far more changes than there are groups: the dead are swept out, and nobody who is alive goes. */
static void test_groups_are_used_again(void **state) {
    (void)state;
    world w;
    build(&w, 1000, 300);
    put_table(&w, "steady", 9, "public.steady", 0);
    uint64_t seed = 1;
    for (uint32_t i = 0; i < 200000; i++) {
        char table[24];
        char key[24];
        snprintf(table, sizeof table, "public.t%u", prng_below(&seed, 5));
        snprintf(key, sizeof key, "k%u", i % 50);
        assert_int_equal(put_table(&w, key, i & 0xFFFF, table, 0), TRIGPERF_OK);
        assert_int_equal(get(&w, key), i & 0xFFFF);
        change(&w, table, TP_OP_UPDATE, "1", NULL);
        assert_int_equal(get(&w, key), -1);
        if (i % 1000 == 0) {
            assert_int_equal(get(&w, "steady"), 9);
        }
    }
    assert_true(w.sweeps > 300);
    assert_true(tp_bonds_bytes(w.bonds) < 10000);
    tear(&w);
}

static void test_doubt(void **state) {
    (void)state;
    world w;
    build(&w, 100, 1000);
    tp_bond *bond = tp_bonds_table(w.bonds, "public.calls");
    assert_ptr_equal(tp_bonds_table(w.bonds, "public.calls"), bond);
    assert_false(tp_bond_is_checked(bond));
    tp_bond_check(bond);
    assert_true(tp_bond_is_checked(bond));
    put_table(&w, "a", 1, "public.calls", 0);
    tp_bonds_doubt(w.bonds);
    assert_false(tp_bond_is_checked(bond));
    assert_int_equal(get(&w, "a"), -1);
    tear(&w);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        world w;
        build(&w, 100, 1000);
        oom_fail_at(n);
        tp_bond *bond = tp_bonds_table(w.bonds, "public.calls");
        uint32_t row = 0;
        bool fine = bond != NULL && tp_bonds_row(w.bonds, bond, "id", "1", 1, &row) &&
                    tp_cache_want_rows(w.cache);
        int32_t status = TRIGPERF_E_NOMEM;
        if (fine) {
            tp_cache_bond bound = {bond, row, 0};
            status = tp_cache_put(w.cache, &call, "a", 1, 1, 0, &bound);
        }
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(get(&w, "a"), failed ? -1 : 1);
        tear(&w);
        if (!failed) {
            break;
        }
    }
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_fence *fence = tp_fence_new(16, &key);
    for (unsigned n = 1; n <= 2; n++) {
        oom_fail_at(n);
        assert_null(tp_bonds_new(&key, fence));
        assert_true(oom_reset());
    }
    tp_fence_free(fence);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_ends_what_was_bound_to_the_table),
        cmocka_unit_test(test_a_token_that_was_overtaken),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_by_a_key_that_is_not_captured),
        cmocka_unit_test(test_many_keys_of_rows),
        cmocka_unit_test(test_rows_survive_moves),
        cmocka_unit_test(test_groups_are_used_again),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
