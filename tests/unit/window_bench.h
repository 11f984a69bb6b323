/* What the tests of cutting and releasing share: a window with its limiter, and changes for it. */
#ifndef TESTS_UNIT_WINDOW_BENCH_H
#define TESTS_UNIT_WINDOW_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cut.h"
#include "oom.h"

static const char *const names[] = {"id"};
static const tp_table calls = {"calls", 1, 1, names};

typedef struct fixture {
    tp_window *window;
    tp_limiter *limiter;
} fixture;

static fixture fresh(void) {
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    fixture f = {tp_window_new(&key), tp_limiter_new()};
    assert_non_null(f.window);
    assert_non_null(f.limiter);
    return f;
}

static void finish(fixture *f) {
    tp_window_free(f->window);
    tp_limiter_free(f->limiter);
}

/* A change of one id with the keys of a text, one letter each; upper case ones have an interval of
 * 100 ms. */
static void change(fixture *f, const char *id, const char *keys, uint64_t arrival) {
    const tp_value value = {id, (uint32_t)strlen(id)};
    tp_addition addition = {1, arrival, arrival, TP_OP_UPDATE};
    assert_int_equal(tp_window_stage(f->window, &calls, &value, NULL), TRIGPERF_OK);
    for (const char *at = keys; *at != '\0'; at++) {
        uint32_t interval = *at >= 'A' && *at <= 'Z' ? 100 : 0;
        tp_staged_key staged = {at, 1, interval, 0, arrival, 0};
        assert_true(tp_window_stage_key(f->window, &staged));
    }
    assert_true(tp_window_commit(f->window, &addition, TP_OP_UPDATE));
}

#endif
