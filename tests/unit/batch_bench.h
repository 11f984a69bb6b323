/* What the tests of batches share: two tables, and changes of them. */
#ifndef TESTS_UNIT_BATCH_BENCH_H
#define TESTS_UNIT_BATCH_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/batch.h"
#include "core/tuple.h"

static const char *const names[] = {"user_id", "id"};
static const tp_table calls = {"public.calls", 1, 2, names};
static const tp_table plain = {"plain", 2, 2, names};

/* A delta in a coalescer of its own. */
static tp_delta *make_delta(tp_coalescer *from, const tp_table *table, const char *user,
                            const char *id, tp_addition addition) {
    const tp_value values[] = {{user, user == NULL ? 0 : (uint32_t)strlen(user)},
                               {id, id == NULL ? 0 : (uint32_t)strlen(id)}};
    char tuple[256];
    uint32_t length = (uint32_t)tp_tuple_length(values, 2);
    tp_tuple_encode(values, 2, tuple);
    assert_true(tp_coalescer_reserve(from, 1, length));
    tp_delta *delta = tp_coalescer_add(from, table, tuple, length, 1);
    tp_delta_merge(delta, &addition);
    return delta;
}

#endif
