/* What changes become when memory is short: level by level, and at random against hosts that cache.
 */
#include "effort.h"
#include "pipeline_bench.h"

#include <stdio.h>

#include "prng.h"

/* turned: templates have other numbers. */
static tp_cascade *grouped_cascade(bool turned) {
    tp_cascade *cascade = NULL;
    assert_int_equal(tp_cascade_new(&cascade, NULL), TRIGPERF_OK);
    if (turned) {
        assert_int_equal(tp_cascade_rule(cascade, "plain", NULL, 0, "item:{id}", 0, NULL), 0);
        assert_int_equal(
            tp_cascade_rule(cascade, "calls", NULL, TP_OP_DELETE, "gone:{id}", 0, NULL), 0);
    }
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "dash:{user_id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, 0, "call:{user_id}:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, "calls", NULL, TP_OP_DELETE, "gone:{id}", 0, NULL),
                     0);
    assert_int_equal(tp_cascade_rule(cascade, "plain", NULL, 0, "item:{id}", 0, NULL), 0);
    assert_int_equal(tp_cascade_rule(cascade, NULL, "item", 0, "list", 0, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "calls", 1, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_table(cascade, "plain", 2, names, 2, NULL, NULL), 0);
    assert_int_equal(tp_cascade_prepare(cascade, NULL), TRIGPERF_OK);
    return cascade;
}

static bench grouped(tp_pipeline_options options) {
    bench b = start(options);
    tp_cascade *cascade = grouped_cascade(false);
    assert_int_equal(tp_pipeline_set_cascade(b.pipeline, cascade, NULL), TRIGPERF_OK);
    tp_cascade_free(b.cascade);
    b.cascade = cascade;
    b.calls = tp_cascade_find(cascade, "calls");
    b.plain = tp_cascade_find(cascade, "plain");
    return b;
}

static tp_pipeline_counters counted(const bench *b) {
    tp_pipeline_counters counters;
    tp_pipeline_counters_get(b->pipeline, &counters);
    return counters;
}

/* Changes of distinct ids, until memory is as full as that. */
static int fill(bench *b, const char *user, uint64_t bytes) {
    int id = 0;
    while (counted(b).bytes < bytes) {
        char text_of[16];
        snprintf(text_of, sizeof text_of, "%d", id++);
        change(b, TP_OP_UPDATE, user, text_of);
    }
    return id;
}

static tp_pipeline_options small(uint64_t max_bytes) {
    tp_pipeline_options options = defaults();
    options.max_bytes = max_bytes;
    options.max_keys = 1000000;
    return options;
}

static void expect_entry(const tp_batch *batch, const char *expected) {
    char text_of[128];
    snprintf(text_of, sizeof text_of, "%d %s", (int)tp_batch_resync_level(batch, 0),
             tp_batch_resync_table(batch, 0));
    for (uint32_t i = 0; i < tp_batch_resync_template_count(batch, 0); i++) {
        strcat(strcat(text_of, " "), tp_batch_resync_template(batch, 0, i));
    }
    strcat(text_of, ":");
    for (uint32_t i = 0; i < tp_batch_resync_prefix_count(batch, 0); i++) {
        strcat(strcat(text_of, " "), tp_batch_resync_prefix(batch, 0, i));
    }
    assert_string_equal(text_of, expected);
}

/* ---- each level ---- */

static void test_a_users_burst_is_one_entry(void **state) {
    (void)state;
    bench b = grouped(small(20000));
    fill(&b, "7", 15000);
    uint64_t before = counted(&b).bytes;
    uint64_t call = tp_pipeline_generation(b.pipeline, "call:{user_id}:{id}");
    uint64_t dash = tp_pipeline_generation(b.pipeline, "dash:{user_id}");
    for (int i = 0; i < 5000; i++) {
        char id[16];
        snprintf(id, sizeof id, "new%d", i);
        assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "7", id, 70), 0);
        assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "8", id, 60), 0);
    }
    change(&b, TP_OP_UPDATE, "9", NULL); /* a NULL part yields no key, and no group */
    assert_in_range(counted(&b).bytes, before, before + 500);
    assert_int_equal(counted(&b).collapsed_group, 10001);
    assert_int_equal(counted(&b).collapsed, 10001);
    assert_true(tp_pipeline_generation(b.pipeline, "call:{user_id}:{id}") > call);
    assert_int_equal(tp_pipeline_generation(b.pipeline, "dash:{user_id}"), dash);
    pass(&b, 100);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    expect_entry(batch, "1 calls call:{user_id}:{id}: call:7: call:8:");
    assert_int_equal(tp_batch_lsn(batch), 0); /* one of them is not known */
    assert_int_equal(tp_batch_key_count(batch), 0);
    tp_pipeline_ack(b.pipeline, batch);
    batch = tp_pipeline_next(b.pipeline);
    bool told[2] = {false, false};
    for (uint32_t i = 0; i < tp_batch_key_count(batch); i++) {
        told[0] |= strcmp(tp_batch_key(batch, i, NULL), "dash:8") == 0;
        told[1] |= strcmp(tp_batch_key(batch, i, NULL), "dash:9") == 0;
    }
    assert_true(told[0] && told[1]);
    tp_pipeline_ack(b.pipeline, batch);
    assert_true(tp_pipeline_idle(b.pipeline));
    finish(&b);
}

static void test_too_many_groups_are_their_template(void **state) {
    (void)state;
    bench b = grouped(small(20000));
    fill(&b, "7", 15000);
    uint64_t gone = tp_pipeline_generation(b.pipeline, "gone:{id}");
    for (int i = 0; i < 11; i++) { /* max_groups is 10 */
        char id[16];
        snprintf(id, sizeof id, "new%d", i);
        change(&b, TP_OP_DELETE, "7", id);
        assert_int_equal(tp_pipeline_generation(b.pipeline, "gone:{id}"), gone + (i == 10));
    }
    assert_int_equal(counted(&b).collapsed_group, 11);
    pass(&b, 100);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    expect_entry(batch, "1 calls call:{user_id}:{id} gone:{id}: call:7: gone:");
    tp_pipeline_ack(b.pipeline, batch);
    finish(&b);
}

static void test_then_tables_then_everything(void **state) {
    (void)state;
    tp_pipeline_options options = small(20000);
    options.max_groups = 1000000;
    bench b = grouped(options);
    char id[16];
    int next = fill(&b, "7", 15000);
    while (counted(&b).collapsed_table == 0) {
        snprintf(id, sizeof id, "%d", next++);
        change(&b, TP_OP_DELETE, "7", id);
        assert_int_equal(counted(&b).collapsed_all, 0);
    }
    assert_true(counted(&b).collapsed_group > 10);
    assert_in_range(counted(&b).bytes, 18000, 19000);
    uint64_t group = counted(&b).collapsed_group;
    change(&b, TP_OP_DELETE, "7", "again"); /* joins what waits */
    assert_int_equal(counted(&b).collapsed_table, 2);
    for (int i = 0; counted(&b).bytes < options.max_bytes; i++) {
        snprintf(id, sizeof id, "own%d", i);
        key(&b, id);
    }
    change(&b, TP_OP_DELETE, "8", "again"); /* still: it takes no memory */
    assert_int_equal(counted(&b).collapsed_table, 3);
    assert_int_equal(counted(&b).collapsed_group, group);
    assert_int_equal(try_change(&b, b.plain, TP_OP_UPDATE, "7", "1", 0), TRIGPERF_OK);
    assert_int_equal(counted(&b).collapsed_all, 1);
    key(&b, "own0");
    assert_int_equal(counted(&b).collapsed_all, 1);
    pass(&b, 0);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    assert_int_equal(tp_batch_resync_count(batch), 1); /* it covers what waited */
    assert_int_equal(tp_batch_resync_level(batch, 0), TP_RESYNC_ALL);
    tp_pipeline_ack(b.pipeline, batch);
    finish(&b);
}

static void test_levels_can_be_left_out(void **state) {
    (void)state;
    tp_pipeline_options options = small(20000);
    options.group_percent = 100;
    options.table_percent = 25; /* of no account below group_percent */
    bench b = grouped(options);
    fill(&b, "7", 20000);
    change(&b, TP_OP_UPDATE, "7", "one more");
    assert_int_equal(counted(&b).collapsed_all, 1);
    finish(&b);
    options.group_percent = 50;
    b = grouped(options);
    fill(&b, "7", 10000);
    change(&b, TP_OP_UPDATE, "7", "one more");
    assert_int_equal(counted(&b).collapsed_table, 1);
    finish(&b);
    options.group_percent = 50;
    options.table_percent = 90;
    options.max_groups = 0;
    b = grouped(options);
    fill(&b, "7", 10000);
    change(&b, TP_OP_UPDATE, "8", "one more");
    pass(&b, 100);
    tp_batch *batch = tp_pipeline_next(b.pipeline);
    expect_entry(batch, "1 calls dash:{user_id} call:{user_id}:{id}: call: dash:");
    tp_pipeline_ack(b.pipeline, batch);
    finish(&b);
}

/* ---- at random, against hosts that cache ---- */

#define USERS 6u
#define IDS 40u
#define KEYS_MAX 4096u

/* One key of a cache that holds all there are; forgotten keys are filled anew at once. */
typedef struct entry {
    char key[32];
    const char *template_text;
    bool stale;           /* in a host that forgets keys and prefixes */
    bool stale_by_number; /* in one that forgets keys, and mixes the generation into them */
} entry;

typedef struct shown {
    char table[8];
    char user[12];
    char id[12];
    uint32_t op;
    bool wanted; /* by a host that looks at changes */
} shown;

typedef struct world {
    bench b;
    uint64_t random;
    bool oom;
    entry entries[KEYS_MAX];
    uint32_t entry_count;
    shown *changes;
    uint32_t change_count;
    tp_batch *out[8];
    uint32_t out_count;
    uint32_t levels[4]; /* that were seen */
} world;

static uint32_t below(world *w, uint32_t limit) {
    return prng_below(&w->random, limit);
}

static entry *entry_of(world *w, const char *key_text, const char *template_text) {
    for (uint32_t i = 0; i < w->entry_count; i++) {
        if (strcmp(w->entries[i].key, key_text) == 0) {
            return &w->entries[i];
        }
    }
    assert_true(w->entry_count < KEYS_MAX);
    entry *added = &w->entries[w->entry_count++];
    *added = (entry){.template_text = template_text};
    snprintf(added->key, sizeof added->key, "%s", key_text);
    return added;
}

static void forget_prefix(world *w, const char *prefix) {
    for (uint32_t i = 0; i < w->entry_count; i++) {
        entry *e = &w->entries[i];
        e->stale = e->stale && strncmp(e->key, prefix, strlen(prefix)) != 0;
    }
}

static bool mentions(const tp_batch *batch, const shown *s) {
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        const char *table = tp_batch_resync_table(batch, i);
        if (strcmp(table, "*") == 0 || strcmp(table, s->table) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < tp_batch_change_count(batch); i++) {
        const char *user = tp_batch_change_value(batch, i, 0, NULL);
        const char *id = tp_batch_change_value(batch, i, 1, NULL);
        if (strcmp(tp_batch_change_table(batch, i), s->table) == 0 &&
            strcmp(user == NULL ? "" : user, s->user) == 0 &&
            strcmp(id == NULL ? "" : id, s->id) == 0 &&
            (tp_batch_change_ops(batch, i) & s->op) != 0) {
            return true;
        }
    }
    return false;
}

/* A host acts on a batch when it acknowledges it. */
static void act(world *w, const tp_batch *batch) {
    for (uint32_t i = 0; i < tp_batch_key_count(batch); i++) {
        entry *e = entry_of(w, tp_batch_key(batch, i, NULL), "own");
        e->stale = false;
        e->stale_by_number = false;
    }
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        w->levels[tp_batch_resync_level(batch, i)]++;
        if (tp_batch_resync_level(batch, i) == TP_RESYNC_ALL) {
            forget_prefix(w, "");
            for (uint32_t j = 0; j < w->entry_count; j++) { /* keys that no template makes */
                entry *e = &w->entries[j];
                e->stale_by_number &= strcmp(e->template_text, "own") != 0;
            }
        }
        for (uint32_t j = 0; j < tp_batch_resync_prefix_count(batch, i); j++) {
            forget_prefix(w, tp_batch_resync_prefix(batch, i, j));
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->change_count; i++) {
        if (!mentions(batch, &w->changes[i])) {
            w->changes[kept++] = w->changes[i];
        }
    }
    w->change_count = kept;
}

typedef struct changing {
    world *w;
    entry *keys[8];
    uint64_t generations[8];
    uint32_t count;
} changing;

static void change_key(changing *c, const char *template_text, const char *key_text) {
    c->keys[c->count] = entry_of(c->w, key_text, template_text);
    c->generations[c->count++] = tp_pipeline_generation(c->w->b.pipeline, template_text);
}

/* The keys that the rules say, made by other means. */
static void keys_of(changing *c, const shown *s) {
    char key_text[32];
    bool calls = strcmp(s->table, "calls") == 0;
    if (calls && s->user[0] != '\0') {
        snprintf(key_text, sizeof key_text, "dash:%s", s->user);
        change_key(c, "dash:{user_id}", key_text);
    }
    if (calls && s->user[0] != '\0' && s->id[0] != '\0') {
        snprintf(key_text, sizeof key_text, "call:%s:%s", s->user, s->id);
        change_key(c, "call:{user_id}:{id}", key_text);
    }
    if (calls && s->op == TP_OP_DELETE && s->id[0] != '\0') {
        snprintf(key_text, sizeof key_text, "gone:%s", s->id);
        change_key(c, "gone:{id}", key_text);
    }
    if (!calls && s->id[0] != '\0') {
        snprintf(key_text, sizeof key_text, "item:%s", s->id);
        change_key(c, "item:{id}", key_text);
    }
    if (!calls) {
        change_key(c, "list", "list");
    }
}

static void change_once(world *w) {
    bench *b = &w->b;
    shown s = {.op = below(w, 3) == 0 ? TP_OP_DELETE : TP_OP_UPDATE, .wanted = true};
    snprintf(s.table, sizeof s.table, "%s", below(w, 4) == 0 ? "plain" : "calls");
    uint32_t user = below(w, USERS + 1);
    uint32_t id = below(w, IDS + 1);
    if (user < USERS) {
        snprintf(s.user, sizeof s.user, "%u", user);
    }
    if (id < IDS) {
        snprintf(s.id, sizeof s.id, "%u", id * id);
    }
    changing c = {.w = w};
    keys_of(&c, &s);
    uint64_t token = tp_fence_begin(b->fence);
    const tp_table *table = strcmp(s.table, "calls") == 0 ? b->calls : b->plain;
    if (try_change(b, table, s.op, user < USERS ? s.user : NULL, id < IDS ? s.id : NULL,
                   below(w, 100)) != TRIGPERF_OK) {
        assert_true(w->oom);
        return;
    }
    tp_pipeline_settle(b->pipeline);
    w->changes[w->change_count++] = s;
    for (uint32_t i = 0; i < c.count; i++) {
        entry *e = c.keys[i];
        assert_false(tp_fence_check(b->fence, token, e->key, strlen(e->key)));
        e->stale = true;
        e->stale_by_number =
            tp_pipeline_generation(b->pipeline, e->template_text) == c.generations[i];
    }
}

/* Generations that were raised for other reasons are no harm. */
static void key_once(world *w) {
    char key_text[32];
    snprintf(key_text, sizeof key_text, "own:%u", below(w, 50));
    bench *b = &w->b;
    if (tp_pipeline_key(b->pipeline, b->now, key_text, strlen(key_text), NULL) == TRIGPERF_OK) {
        entry *e = entry_of(w, key_text, "own");
        e->stale = true;
        e->stale_by_number = true;
    }
}

static void rules_once(world *w) {
    oom_reset();
    tp_cascade *fresh = grouped_cascade(below(w, 2) == 0);
    assert_int_equal(tp_pipeline_set_cascade(w->b.pipeline, fresh, NULL), TRIGPERF_OK);
    tp_cascade_free(w->b.cascade);
    w->b.cascade = fresh;
    w->b.calls = tp_cascade_find(fresh, "calls");
    w->b.plain = tp_cascade_find(fresh, "plain");
}

static void pull_once(world *w) {
    tp_batch *batch = w->out_count < 8 ? tp_pipeline_next(w->b.pipeline) : NULL;
    if (batch != NULL) {
        w->out[w->out_count++] = batch;
    }
}

static void answer_once(world *w) {
    if (w->out_count == 0) {
        return;
    }
    uint32_t i = below(w, w->out_count);
    tp_batch *batch = w->out[i];
    w->out[i] = w->out[--w->out_count];
    if (below(w, 5) == 0) {
        tp_pipeline_nack(w->b.pipeline, w->b.now, batch);
    } else {
        act(w, batch);
        tp_pipeline_ack(w->b.pipeline, batch);
    }
}

/* What waits is bounded by max_bytes; batches that it becomes take up to twice as much, since
 * arrays grow in steps. */
static void check_bound(world *w) {
    assert_true(counted(&w->b).bytes < 2 * w->b.options.max_bytes + 2000);
}

/* speed: how often, in percent, the host takes a turn that it could take. */
static void live(world *w, uint32_t speed) {
    uint32_t what = below(w, 100);
    if (what < 60) {
        change_once(w);
    } else if (what < 62) {
        key_once(w);
    } else if (what < 63 && below(w, 4) == 0) {
        rules_once(w);
    } else if (what < 80) {
        w->b.now += below(w, 30);
        while (tp_pipeline_tick(w->b.pipeline, w->b.now)) {
            continue;
        }
    } else if (below(w, 100) < speed) {
        (below(w, 2) == 0 ? pull_once : answer_once)(w);
    }
}

static void drain(world *w) {
    for (int i = 0; i < 500 && !tp_pipeline_idle(w->b.pipeline); i++) {
        pass(&w->b, 500);
        while (tp_pipeline_has_next(w->b.pipeline)) {
            pull_once(w);
            answer_once(w);
        }
        answer_once(w);
    }
    assert_true(tp_pipeline_idle(w->b.pipeline));
    assert_int_equal(tp_pipeline_low_water(w->b.pipeline), tp_pipeline_arrived(w->b.pipeline) + 1);
    for (uint32_t i = 0; i < w->entry_count; i++) {
        assert_false(w->entries[i].stale);
        assert_false(w->entries[i].stale_by_number);
    }
    assert_int_equal(w->change_count, 0);
}

#define STEPS 3000

static void run(uint64_t seed, bool oom, uint32_t levels[4]) {
    world *w = calloc(1, sizeof *w);
    w->random = seed;
    w->oom = oom;
    w->changes = calloc(STEPS, sizeof *w->changes);
    tp_pipeline_options options = defaults();
    options.max_bytes = 4000 + below(w, 20000);
    options.group_percent = 25 + below(w, 76);
    options.table_percent = options.group_percent + below(w, 101 - options.group_percent);
    options.max_groups = below(w, 30);
    options.max_keys = 1 + below(w, 100);
    options.max_pending = 1 + below(w, 4);
    options.key_interval_ms = below(w, 3) == 0 ? 300 : 0;
    options.nack_delay_ms = below(w, 100);
    w->b = grouped(options);
    for (int round = 0; round < 3; round++) {
        uint32_t speed = below(w, 3) == 0 ? 0 : below(w, 30); /* a host that sleeps, or is slow */
        for (int i = 0; i < STEPS / 3; i++) {
            if (oom && below(w, 8) == 0) {
                oom_fail_at(1 + below(w, 6));
            }
            live(w, speed);
            oom_reset();
            check_bound(w);
        }
        drain(w);
    }
    for (int i = 0; i < 4; i++) {
        levels[i] += w->levels[i];
    }
    finish(&w->b);
    free(w->changes);
    free(w);
}

static void run_many(uint64_t first, bool oom) {
    uint32_t levels[4] = {0, 0, 0, 0};
    for (uint64_t seed = first; seed < first + EFFORT_ROUNDS(100); seed++) {
        run(seed, oom, levels);
    }
    assert_true(levels[TP_RESYNC_GROUP] > 10); /* else nothing was tried */
    assert_true(levels[TP_RESYNC_TABLE] > 10);
    assert_true(levels[TP_RESYNC_ALL] > 10);
}

static void test_nothing_stays_stale(void **state) {
    (void)state;
    run_many(1, false);
}

static void test_nothing_stays_stale_while_allocations_fail(void **state) {
    (void)state;
    run_many(1001, true);
}

/* Whichever allocation fails: the change is told, as groups or as more. */
static void test_failing_allocations(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_pipeline_options options = small(20000);
        bench b = grouped(options);
        fill(&b, "7", 15000);
        oom_fail_at(n);
        assert_int_equal(try_change(&b, b.calls, TP_OP_UPDATE, "8", "longer than others", 0), 0);
        bool failed = oom_reset();
        tp_pipeline_counters c = counted(&b);
        assert_int_equal(c.collapsed, 1);
        assert_int_equal(c.collapsed_group + c.collapsed_table + c.collapsed_all, 1);
        assert_true(c.collapsed_group == 1 || failed);
        pass(&b, 100);
        tp_batch *batch = tp_pipeline_next(b.pipeline);
        assert_int_equal(tp_batch_reason_of(batch), TP_BATCH_RESYNC);
        assert_true(tp_batch_resync_level(batch, 0) > TP_RESYNC_GROUP || c.collapsed_group == 1);
        tp_pipeline_ack(b.pipeline, batch);
        finish(&b);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_users_burst_is_one_entry),
        cmocka_unit_test(test_too_many_groups_are_their_template),
        cmocka_unit_test(test_then_tables_then_everything),
        cmocka_unit_test(test_levels_can_be_left_out),
        cmocka_unit_test(test_nothing_stays_stale),
        cmocka_unit_test(test_nothing_stays_stale_while_allocations_fail),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
