/* What the tests of the pipeline share: two tables, three rules, a clock, and batches as one line
 * of text. */
#ifndef TESTS_UNIT_PIPELINE_BENCH_H
#define TESTS_UNIT_PIPELINE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/pipeline.h"
#include "oom.h"

static const char *const names[] = {"user_id", "id"};

typedef struct bench {
    tp_pipeline_options options;
    tp_cascade *cascade;
    tp_fence *fence;
    tp_pipeline *pipeline;
    const tp_table *calls;
    const tp_table *plain; /* no rules */
    uint64_t now;
} bench;

static inline tp_cascade *make_cascade(void) {
    tp_cascade *cascade = NULL;
    assert_int_equal(tp_cascade_new(&cascade, NULL), TRIGPERF_OK);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "dash:{user_id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "call:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, TP_OP_DELETE, "gone:{id}", 0, NULL),
                     0);
    assert_int_equal(tp_cascade_table(cascade, "calls", 1, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "plain", 2, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_prepare(cascade, NULL), TRIGPERF_OK);
    return cascade;
}

static inline tp_pipeline_options defaults(void) {
    tp_pipeline_options options = {.window_ms = 100,
                                   .fresh_ms = 100, /* tests of their own look at it */
                                   .max_keys = 50,
                                   .max_pending = 100,
                                   .max_bytes = 1 << 20,
                                   .group_percent = 75,
                                   .table_percent = 90,
                                   .max_groups = 10,
                                   .nack_delay_ms = 1000,
                                   .nack_delay_max_ms = 5000};
    tp_hash_key_seed(&options.hash_key, 1);
    return options;
}

static inline bench start(tp_pipeline_options options) {
    bench b = {.options = options, .cascade = make_cascade(), .now = 1000};
    b.fence = tp_fence_new(4096, &options.hash_key);
    assert_int_equal(tp_pipeline_new(&options, b.cascade, b.fence, &b.pipeline, NULL), 0);
    b.calls = tp_cascade_find(b.cascade, "calls");
    b.plain = tp_cascade_find(b.cascade, "plain");
    return b;
}

static inline void finish(bench *b) {
    tp_pipeline_free(b->pipeline);
    tp_cascade_free(b->cascade);
    tp_fence_free(b->fence);
}

static inline tp_value text(const char *bytes) {
    return (tp_value){bytes, bytes == NULL ? 0 : (uint32_t)strlen(bytes)};
}

static inline int32_t try_change(bench *b, const tp_table *table, uint32_t op, const char *user,
                                 const char *id, uint64_t lsn) {
    const tp_value values[] = {text(user), text(id)};
    const tp_change change = {table, op, values, lsn};
    return tp_pipeline_change(b->pipeline, b->now, &change, NULL);
}

static inline void change(bench *b, uint32_t op, const char *user, const char *id) {
    assert_int_equal(try_change(b, b->calls, op, user, id, 0), TRIGPERF_OK);
}

static inline void key(bench *b, const char *name) {
    assert_int_equal(tp_pipeline_key(b->pipeline, b->now, name, strlen(name), NULL), 0);
}

static inline void pass(bench *b, uint64_t ms) {
    b->now += ms;
    while (tp_pipeline_tick(b->pipeline, b->now)) {
        continue;
    }
}

static inline void checkpoint(bench *b, const char *position) {
    assert_int_equal(tp_pipeline_checkpoint(b->pipeline, position, 5, NULL), TRIGPERF_OK);
}

/* "reason: key key | table/ops/count table/ops/count | resync resync" */
static inline void describe(const tp_batch *batch, tp_strbuf *out) {
    static const char *const reasons[] = {"window", "size", "flush", "resync"};
    tp_strbuf_printf(out, "%s:", reasons[tp_batch_reason_of(batch)]);
    for (uint32_t i = 0; i < tp_batch_key_count(batch); i++) {
        tp_strbuf_printf(out, " %s", tp_batch_key(batch, i, NULL));
    }
    tp_strbuf_puts(out, " |");
    for (uint32_t i = 0; i < tp_batch_change_count(batch); i++) {
        tp_strbuf_printf(out, " %s/%u/%llu", tp_batch_change_table(batch, i),
                         tp_batch_change_ops(batch, i),
                         (unsigned long long)tp_batch_change_merged(batch, i));
    }
    tp_strbuf_puts(out, " |");
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        tp_strbuf_printf(out, " %s", tp_batch_resync_table(batch, i));
    }
}

static inline tp_batch *expect(bench *b, const char *expected) {
    tp_batch *batch = tp_pipeline_next(b->pipeline);
    assert_non_null(batch);
    tp_strbuf out = TP_STRBUF_INIT;
    describe(batch, &out);
    assert_string_equal(tp_strbuf_str(&out), expected);
    tp_strbuf_free(&out);
    return batch;
}

static inline void expect_ack(bench *b, const char *expected) {
    tp_pipeline_ack(b->pipeline, expect(b, expected));
}

static inline void expect_nothing(bench *b) {
    assert_false(tp_pipeline_has_next(b->pipeline));
    assert_null(tp_pipeline_next(b->pipeline));
}

#endif
