/* Random work against a model that knows only what was asked for and what was acknowledged:
 * nothing is lost, no key comes twice within its interval, no position passes what is undelivered,
 * whatever the order of acks and nacks, and while allocations fail. */
#include "effort.h"
#include "pipeline_bench.h"

#include <stdio.h>

#include "prng.h"

#define STEPS 1500
#define USERS 4u
#define IDS 30u
#define OUT_MAX 256u
#define SMALL_MEMORY 12000u /* too little to remember every key's last delivery */

/* What one arrival asks for: that a key is named, that a change is shown, or that a table is
 * resynced. */
enum kind { ASK_KEY, ASK_CHANGE, ASK_RESYNC };

typedef struct ask {
    enum kind kind;
    uint64_t arrival;
    char text[24]; /* key, "user.id" of a change, table */
    uint32_t op;
    bool done;
    bool dropped; /* only in a batch that was dropped: done for us at the next rewind */
} ask;

/* When a batch was made, and which arrivals before. Whether the arrival that closed a window is in
 * the batches that this made, only they can tell: it is if any of them shows it. */
typedef struct made {
    uint64_t time;
    uint64_t covers;
    uint64_t first; /* batches made by the same call */
    uint64_t last;
    uint64_t arrival; /* 0: made by no arrival */
    uint32_t ask;     /* its first one */
} made;

typedef struct last_time {
    char key[24];
    uint64_t time;
} last_time;

typedef struct model {
    bench b;
    uint64_t random;
    bool oom;
    ask *asks;
    uint32_t ask_count;
    made *batches; /* by number */
    uint64_t batch_count;
    uint64_t pulled; /* highest number */
    tp_batch *out[OUT_MAX];
    uint32_t out_count;
    last_time times[256];
    uint32_t time_count;
    uint64_t stored; /* the largest position given out */
} model;

static uint32_t below(model *m, uint32_t limit) {
    return prng_below(&m->random, limit);
}

/* ---- the rules, once more ---- */

static tp_cascade *model_cascade(void) {
    tp_cascade *cascade = NULL;
    assert_int_equal(tp_cascade_new(&cascade, NULL), TRIGPERF_OK);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "dash:{user_id}", 700, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "call:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, TP_OP_DELETE, "gone:{id}", 300, NULL),
                     0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "log:{user_id}:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "calls", 1, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_prepare(cascade, NULL), TRIGPERF_OK);
    return cascade;
}

static uint32_t interval_of(const model *m, const char *key) {
    return strncmp(key, "dash", 4) == 0   ? 700
           : strncmp(key, "gone", 4) == 0 ? 300
                                          : m->b.options.key_interval_ms;
}

static void must(model *m, enum kind kind, uint32_t op, const char *text) {
    ask *a = &m->asks[m->ask_count++];
    *a = (ask){.kind = kind, .arrival = tp_pipeline_arrived(m->b.pipeline), .op = op};
    snprintf(a->text, sizeof a->text, "%s", text);
}

static void must_key(model *m, const char *prefix, uint32_t number) {
    char key[24];
    snprintf(key, sizeof key, "%s:%u", prefix, number);
    must(m, ASK_KEY, 0, key);
}

/* ---- batches as they come to be ---- */

static bool shows(const tp_batch *batch, const char *text, uint32_t op) {
    for (uint32_t i = 0; i < tp_batch_change_count(batch); i++) {
        char change[64];
        const char *user = tp_batch_change_value(batch, i, 0, NULL);
        const char *id = tp_batch_change_value(batch, i, 1, NULL);
        snprintf(change, sizeof change, "%s.%s", user == NULL ? "" : user, id == NULL ? "" : id);
        if (strcmp(change, text) == 0 && (tp_batch_change_ops(batch, i) & op) != 0) {
            return true;
        }
    }
    return false;
}

static bool names_key(const tp_batch *batch, const char *key) {
    for (uint32_t i = 0; i < tp_batch_key_count(batch); i++) {
        if (strcmp(tp_batch_key(batch, i, NULL), key) == 0) {
            return true;
        }
    }
    return false;
}

static bool resyncs(const tp_batch *batch, const char *table, tp_resync_level least) {
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        const char *name = tp_batch_resync_table(batch, i);
        bool names_it = strcmp(name, "*") == 0 || strcmp(name, table) == 0;
        if (names_it && tp_batch_resync_level(batch, i) >= least) {
            return true;
        }
    }
    return false;
}

static bool has_prefix(const tp_batch *batch, const char *key) {
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        for (uint32_t j = 0; j < tp_batch_resync_prefix_count(batch, i); j++) {
            const char *prefix = tp_batch_resync_prefix(batch, i, j);
            if (strncmp(key, prefix, strlen(prefix)) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Notes the batches that the last call made; ask is the first one of an arrival, or NO_ASK. */
#define NO_ASK UINT32_MAX

static void note_batches(model *m, uint32_t ask_at) {
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(m->b.pipeline, &counters);
    uint64_t arrived = tp_pipeline_arrived(m->b.pipeline);
    made note = {m->b.now, arrived, m->batch_count + 1, counters.batches, 0, ask_at};
    if (ask_at != NO_ASK) {
        note.covers--;
        note.arrival = arrived;
    }
    while (m->batch_count < counters.batches) {
        m->batches[++m->batch_count] = note;
    }
}

static void check_interval(model *m, const char *key, const made *when, bool forced) {
    uint32_t i = 0;
    while (i < m->time_count && strcmp(m->times[i].key, key) != 0) {
        i++;
    }
    if (i == m->time_count) {
        assert_true(m->time_count < 256);
        snprintf(m->times[m->time_count++].key, sizeof m->times[i].key, "%s", key);
    } else if (!forced && m->b.options.max_bytes > SMALL_MEMORY) {
        assert_true(when->time >= m->times[i].time + interval_of(m, key));
    }
    m->times[i].time = when->time;
}

static void check_batch(model *m, const tp_batch *batch) {
    const made *when = &m->batches[tp_batch_number(batch)];
    uint32_t limit = m->b.options.max_keys > 4 ? m->b.options.max_keys : 4;
    assert_true(tp_batch_key_count(batch) <= limit);
    for (uint32_t i = 0; i < tp_batch_key_count(batch); i++) {
        const char *key = tp_batch_key(batch, i, NULL);
        assert_true(i == 0 || strcmp(tp_batch_key(batch, i - 1, NULL), key) < 0);
        if (tp_batch_attempt(batch) == 1) {
            check_interval(m, key, when, tp_batch_reason_of(batch) == TP_BATCH_FLUSH);
        }
    }
}

static bool answers(const tp_batch *batch, const ask *a);

static void learn_covers(model *m, const tp_batch *batch) {
    const made note = m->batches[tp_batch_number(batch)];
    if (note.arrival != 0 && answers(batch, &m->asks[note.ask])) {
        for (uint64_t i = note.first; i <= note.last; i++) {
            uint64_t *covers = &m->batches[i].covers;
            *covers = note.arrival > *covers ? note.arrival : *covers;
        }
    }
    if (tp_batch_attempt(batch) == 1 && resyncs(batch, "", TP_RESYNC_ALL)) {
        m->batches[tp_batch_number(batch)].covers = tp_pipeline_arrived(m->b.pipeline);
    }
}

static void pull(model *m) {
    tp_batch *batch = m->out_count < OUT_MAX ? tp_pipeline_next(m->b.pipeline) : NULL;
    if (batch != NULL) {
        check_batch(m, batch);
        learn_covers(m, batch);
        m->pulled = tp_batch_number(batch) > m->pulled ? tp_batch_number(batch) : m->pulled;
        m->out[m->out_count++] = batch;
    }
}

/* ---- answers ---- */

static bool answers(const tp_batch *batch, const ask *a) {
    switch (a->kind) {
    case ASK_KEY:
        return names_key(batch, a->text) || has_prefix(batch, a->text) ||
               resyncs(batch, "*", TP_RESYNC_ALL);
    case ASK_CHANGE:
        return shows(batch, a->text, a->op) || resyncs(batch, "calls", TP_RESYNC_GROUP);
    default:
        return resyncs(batch, a->text, TP_RESYNC_TABLE);
    }
}

static void settle(model *m, const tp_batch *batch, bool dropped) {
    uint64_t covers = m->batches[tp_batch_number(batch)].covers;
    for (uint32_t i = 0; i < m->ask_count; i++) {
        ask *a = &m->asks[i];
        if (a->arrival <= covers && answers(batch, a)) {
            *(dropped ? &a->dropped : &a->done) = true;
        }
    }
}

enum answer { ANSWER_ACK, ANSWER_NACK, ANSWER_DROP };

static void answer(model *m, enum answer how) {
    if (m->out_count == 0) {
        return;
    }
    uint32_t i = below(m, m->out_count);
    tp_batch *batch = m->out[i];
    if (m->batches[tp_batch_number(batch)].last > m->pulled) {
        return; /* what it covers is not known yet */
    }
    m->out[i] = m->out[--m->out_count];
    if (how == ANSWER_NACK) {
        tp_pipeline_nack(m->b.pipeline, m->b.now, batch);
        return;
    }
    settle(m, batch, how == ANSWER_DROP);
    if (how == ANSWER_ACK) {
        tp_pipeline_ack(m->b.pipeline, batch);
    } else {
        tp_pipeline_drop(m->b.pipeline, batch);
    }
}

static void check_position(model *m) {
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < m->ask_count; i++) {
        if (!m->asks[i].done && m->asks[i].arrival < oldest) {
            oldest = m->asks[i].arrival;
        }
    }
    assert_true(tp_pipeline_low_water(m->b.pipeline) <= oldest);
    const char *position = tp_pipeline_position(m->b.pipeline);
    if (position != NULL) {
        uint64_t at = strtoull(position, NULL, 10);
        assert_true(at < oldest);
        assert_true(at >= m->stored);
        m->stored = at;
    }
}

/* ---- work ---- */

static void do_change(model *m) {
    static const uint32_t ops[] = {TP_OP_INSERT, TP_OP_UPDATE, TP_OP_UPDATE, TP_OP_DELETE};
    uint32_t user = below(m, USERS + 1);
    uint32_t id = below(m, IDS + 1);
    uint32_t op = ops[below(m, 4)];
    char user_text[12];
    char id_text[12];
    char both[24];
    snprintf(user_text, sizeof user_text, "%u", user);
    snprintf(id_text, sizeof id_text, "%u", id);
    bool has_user = user < USERS;
    bool has_id = id < IDS;
    if (try_change(&m->b, m->b.calls, op, has_user ? user_text : NULL, has_id ? id_text : NULL,
                   0) != TRIGPERF_OK) {
        note_batches(m, NO_ASK);
        return;
    }
    uint32_t first = m->ask_count;
    snprintf(both, sizeof both, "%s.%s", has_user ? user_text : "", has_id ? id_text : "");
    must(m, ASK_CHANGE, op, both);
    if (has_user) {
        must_key(m, "dash", user);
    }
    if (has_id) {
        must_key(m, "call", id);
    }
    if (has_id && op == TP_OP_DELETE) {
        must_key(m, "gone", id);
    }
    if (has_user && has_id) {
        snprintf(both, sizeof both, "log:%s:%s", user_text, id_text);
        must(m, ASK_KEY, 0, both);
    }
    note_batches(m, first);
}

static void do_key(model *m) {
    char key_text[24];
    snprintf(key_text, sizeof key_text, "own:%u", below(m, 10));
    if (tp_pipeline_key(m->b.pipeline, m->b.now, key_text, strlen(key_text), NULL) == TRIGPERF_OK) {
        must(m, ASK_KEY, 0, key_text);
        note_batches(m, m->ask_count - 1);
    } else {
        note_batches(m, NO_ASK);
    }
}

static void do_resync(model *m) {
    uint32_t kind = below(m, 3);
    if (kind == 0) {
        if (try_change(&m->b, m->b.calls, TP_OP_TRUNCATE, NULL, NULL, 0) == TRIGPERF_OK) {
            must(m, ASK_RESYNC, 0, "calls");
        }
    } else {
        tp_pipeline_resync(m->b.pipeline, m->b.now, kind == 1 ? NULL : m->b.calls, 0, 0);
        must(m, ASK_RESYNC, 0, kind == 1 ? "*" : "calls");
    }
    note_batches(m, NO_ASK);
}

static void do_time(model *m) {
    m->b.now += below(m, 4) == 0 ? below(m, 1000) : below(m, 50);
    while (tp_pipeline_tick(m->b.pipeline, m->b.now)) {
        continue;
    }
    note_batches(m, NO_ASK);
    assert_true(tp_pipeline_deadline(m->b.pipeline) > m->b.now);
}

static void do_checkpoint(model *m) {
    char text_of[24];
    snprintf(text_of, sizeof text_of, "%llu",
             (unsigned long long)tp_pipeline_arrived(m->b.pipeline));
    tp_pipeline_checkpoint(m->b.pipeline, text_of, 0, NULL);
}

/* What was handed out and not acknowledged will be replayed: for this model that settles it, also
 * where it is not known yet whether the closing arrival is in. */
static void do_rewind(model *m) {
    for (uint32_t i = 0; i < m->out_count; i++) {
        made *when = &m->batches[tp_batch_number(m->out[i])];
        when->covers = when->arrival > when->covers ? when->arrival : when->covers;
        settle(m, m->out[i], false);
    }
    for (uint32_t i = 0; i < m->ask_count; i++) {
        m->asks[i].done = m->asks[i].done || m->asks[i].dropped;
    }
    tp_pipeline_rewind(m->b.pipeline);
}

static void do_rules(model *m) {
    oom_reset();
    tp_cascade *fresh = model_cascade();
    assert_int_equal(tp_pipeline_set_cascade(m->b.pipeline, fresh, NULL), TRIGPERF_OK);
    tp_cascade_free(m->b.cascade);
    m->b.cascade = fresh;
    m->b.calls = tp_cascade_find(fresh, "calls");
}

static void do_flush(model *m) {
    tp_pipeline_flush(m->b.pipeline, m->b.now);
    note_batches(m, NO_ASK);
}

static void work(model *m) {
    uint32_t what = below(m, 100);
    if (what < 45) {
        do_change(m);
    } else if (what < 50) {
        do_key(m);
    } else if (what < 51) {
        do_resync(m);
    } else if (what < 65) {
        do_time(m);
    } else if (what < 66 && below(m, 10) == 0) {
        do_rewind(m);
    } else if (what < 67 && below(m, 4) == 0) {
        do_rules(m);
    } else if (what < 70) {
        do_checkpoint(m);
    } else if (what < 71) {
        do_flush(m);
    } else if (what < 85) {
        pull(m);
    } else {
        uint32_t how = below(m, 40);
        answer(m, how == 0 ? ANSWER_DROP : how < 10 ? ANSWER_NACK : ANSWER_ACK);
    }
}

static void step(model *m) {
    if (m->oom && below(m, 10) == 0) {
        oom_fail_at(1 + below(m, 6));
    }
    work(m);
    oom_reset();
    check_position(m);
}

/* Without flushing: what the limiter holds must come by itself. */
static void finish_model(model *m) {
    m->oom = false;
    do_rewind(m);
    for (int i = 0; i < 200 && !tp_pipeline_idle(m->b.pipeline); i++) {
        do_checkpoint(m);
        m->b.now += 200;
        while (tp_pipeline_tick(m->b.pipeline, m->b.now)) {
            continue;
        }
        note_batches(m, NO_ASK);
        while (tp_pipeline_has_next(m->b.pipeline)) {
            pull(m);
            answer(m, ANSWER_ACK);
        }
        while (m->out_count > 0) {
            answer(m, ANSWER_ACK);
        }
        check_position(m);
    }
    assert_true(tp_pipeline_idle(m->b.pipeline));
    for (uint32_t i = 0; i < m->ask_count; i++) {
        assert_true(m->asks[i].done);
    }
    do_checkpoint(m);
    check_position(m);
    assert_int_equal(m->stored, tp_pipeline_arrived(m->b.pipeline));
}

static void run(uint64_t seed, bool oom) {
    static const uint32_t intervals[] = {0, 0, 200, 1500};
    static const uint32_t fresh[] = {0, 5, 100};
    model m = {.random = seed, .oom = oom};
    tp_pipeline_options options = defaults();
    options.fresh_ms = fresh[below(&m, 3)];
    options.max_keys = 1 + below(&m, 20);
    options.max_pending = 1 + below(&m, 6);
    options.key_interval_ms = intervals[below(&m, 4)];
    options.max_bytes = below(&m, 3) == 0 ? SMALL_MEMORY : 1 << 24;
    options.group_percent = 25 + below(&m, 76);
    options.table_percent = 25 + below(&m, 76);
    options.max_groups = below(&m, 20);
    options.nack_delay_ms = below(&m, 200);
    m.b = start(options);
    do_rules(&m);
    m.asks = calloc(STEPS * 6, sizeof *m.asks);
    m.batches = calloc(STEPS * 40, sizeof *m.batches);
    for (int i = 0; i < STEPS; i++) {
        step(&m);
    }
    finish_model(&m);
    free(m.asks);
    free(m.batches);
    finish(&m.b);
}

static void test_random_work(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= EFFORT_ROUNDS(60); seed++) {
        run(seed, false);
    }
}

static void test_random_work_while_allocations_fail(void **state) {
    (void)state;
    for (uint64_t seed = 1001; seed <= 1000 + EFFORT_ROUNDS(60); seed++) {
        run(seed, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_work),
        cmocka_unit_test(test_random_work_while_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
