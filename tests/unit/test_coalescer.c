/* Changes merged by table and key values, against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "core/coalescer.h"
#include "core/tuple.h"
#include "oom.h"
#include "prng.h"

static const char *const names[] = {"id"};
static const tp_table tables[] = {{"a", 1, 1, names}, {"b", 2, 1, names}};

typedef struct tuple {
    char bytes[32];
    uint32_t length;
    uint64_t hash;
} tuple;

static tuple make(uint32_t id) {
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    char text[16];
    tuple made;
    const tp_value value = {text, (uint32_t)snprintf(text, sizeof text, "%u", id)};
    made.length = (uint32_t)tp_tuple_length(&value, 1);
    tp_tuple_encode(&value, 1, made.bytes);
    made.hash = tp_hash64(&key, made.bytes, made.length);
    return made;
}

static tp_delta *find(tp_coalescer *c, uint32_t table, uint32_t id) {
    tuple t = make(id);
    return tp_coalescer_find(c, &tables[table], t.bytes, t.length, t.hash);
}

static void take(tp_coalescer *c, uint32_t table, uint32_t id, tp_addition addition) {
    tuple t = make(id);
    tp_delta *delta = find(c, table, id);
    if (delta == NULL) {
        assert_true(tp_coalescer_reserve(c, 1, t.length));
        delta = tp_coalescer_add(c, &tables[table], t.bytes, t.length, t.hash);
    }
    tp_delta_merge(delta, &addition);
}

/* The same in one step, with the hints that may come before. */
static void take_at_once(tp_coalescer *c, uint32_t table, uint32_t id, tp_addition addition) {
    tuple t = make(id);
    tp_coalescer_foresee(c, &tables[table], t.hash);
    tp_coalescer_approach(c, &tables[table], t.length, t.hash);
    assert_true(tp_coalescer_reserve(c, 1, t.length));
    tp_delta *delta = tp_coalescer_take(c, &tables[table], t.bytes, t.length, t.hash, &addition);
    assert_ptr_equal(delta, find(c, table, id));
}

static void test_merges(void **state) {
    (void)state;
    tp_coalescer c = {0};
    take(&c, 0, 7, (tp_addition){1, 11, 100, TP_OP_INSERT});
    take(&c, 0, 7, (tp_addition){2, 12, 90, TP_OP_UPDATE});
    take(&c, 1, 7, (tp_addition){1, 13, 0, TP_OP_DELETE});
    assert_int_equal(c.count, 2);
    tp_delta *delta = find(&c, 0, 7);
    assert_int_equal(delta->count, 3);
    assert_int_equal(delta->arrival, 11);
    assert_int_equal(delta->lsn, 100);
    assert_int_equal(delta->ops, TP_OP_INSERT | TP_OP_UPDATE);
    assert_ptr_equal(delta->table, &tables[0]);
    assert_string_equal(tp_tuple_value(delta->tuple, 0).data, "7");
    assert_int_equal(find(&c, 1, 7)->count, 1);
    assert_null(find(&c, 0, 8));
    tp_coalescer_free(&c);
}

static void test_unknown_position_stays_unknown(void **state) {
    (void)state;
    tp_coalescer c = {0};
    take(&c, 0, 7, (tp_addition){1, 1, 100, TP_OP_INSERT});
    take(&c, 0, 7, (tp_addition){1, 2, TP_LSN_UNKNOWN, TP_OP_INSERT});
    take(&c, 0, 7, (tp_addition){1, 3, 200, TP_OP_INSERT});
    assert_int_equal(find(&c, 0, 7)->lsn, TP_LSN_UNKNOWN);
    tp_coalescer_free(&c);
}

#define IDS 500u

static void test_against_a_list(void **state) {
    (void)state;
    tp_coalescer c = {0};
    uint64_t random = 5;
    uint64_t counts[2][IDS] = {{0}};
    for (int round = 0; round < 50; round++) {
        uint32_t order[2 * IDS];
        uint32_t distinct = 0;
        memset(counts, 0, sizeof counts);
        uint32_t events = prng_below(&random, 2000);
        for (uint32_t i = 0; i < events; i++) {
            uint32_t table = prng_below(&random, 2);
            uint32_t id = prng_below(&random, IDS);
            if (counts[table][id]++ == 0) {
                order[distinct++] = table * IDS + id;
            }
            tp_addition addition = {1, i, 0, TP_OP_UPDATE};
            if (prng_below(&random, 2) == 0) {
                take(&c, table, id, addition);
            } else {
                take_at_once(&c, table, id, addition);
            }
        }
        assert_int_equal(c.count, distinct);
        uint32_t at = 0;
        for (tp_delta *d = NULL; (d = tp_coalescer_next(&c, d)) != NULL; at++) {
            uint32_t id = (uint32_t)atoi(tp_tuple_value(d->tuple, 0).data);
            uint32_t table = d->table == &tables[1];
            assert_int_equal(table * IDS + id, order[at]);
            assert_int_equal(d->count, counts[table][id]);
        }
        assert_int_equal(at, distinct);
        tp_coalescer_clear(&c);
        assert_null(tp_coalescer_next(&c, NULL));
        assert_int_equal(tp_coalescer_bytes(&c), 0);
    }
    tp_coalescer_free(&c);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_coalescer c = {0};
    uint32_t failures = 0;
    for (uint32_t id = 0; id < 200; id++) {
        for (unsigned n = 1;; n++) {
            tuple t = make(id);
            oom_fail_at(n);
            bool fine = tp_coalescer_reserve(&c, 1, t.length);
            bool failed = oom_reset();
            assert_int_equal(fine, !failed);
            if (!failed) {
                break;
            }
            failures++;
            assert_int_equal(c.count, id);
        }
        take(&c, 0, id, (tp_addition){1, 1, 0, TP_OP_UPDATE});
    }
    for (uint32_t id = 0; id < 200; id++) {
        assert_non_null(find(&c, 0, id));
    }
    assert_true(failures > 5);
    tp_coalescer_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges),
        cmocka_unit_test(test_unknown_position_stays_unknown),
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
