/* The registry in memory: rules that cannot be understood are left out, and what they may concern
 * is told coarsely. Results of the server are made by libpq's own functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oom.h"
#include "pg/outbox_row.h"
#include "pg/registry.h"

typedef struct fixture {
    tp_engine *engine;
    tp_log log;
    char said[4096];
} fixture;

static void on_log(void *user, int32_t level, const char *message) {
    fixture *f = user;
    size_t used = strlen(f->said);
    if (level == TP_LOG_ERROR) {
        snprintf(f->said + used, sizeof f->said - used, "%s\n", message);
    }
}

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    tp_pipeline_options options = {.window_ms = 10,
                                   .max_keys = 50,
                                   .max_pending = 100,
                                   .max_bytes = 1 << 20,
                                   .nack_delay_ms = 10,
                                   .nack_delay_max_ms = 100};
    assert_non_null(f);
    f->log = (tp_log){on_log, f, TP_LOG_DEBUG};
    assert_int_equal(tp_engine_new(&options, NULL, 0, &f->engine, NULL), TRIGPERF_OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    tp_engine_unref(f->engine);
    free(f);
    return 0;
}

/* Cells row by row; NULL is SQL NULL. */
static PGresult *result_of(int columns, int rows, const char *const *cells) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc attributes[8] = {{0}};
    char name[] = "c";
    for (int i = 0; i < columns; i++) {
        attributes[i].name = name;
    }
    assert_true(PQsetResultAttrs(result, columns, attributes));
    for (int i = 0; i < rows * columns; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s", cells[i] == NULL ? "" : cells[i]);
        assert_true(PQsetvalue(result, i / columns, i % columns, cells[i] == NULL ? NULL : text,
                               cells[i] == NULL ? -1 : (int)strlen(text)));
    }
    return result;
}

static PGresult *two_tables(void) {
    static const char *const cells[] = {"3", "public.calls", "{id,user_id}", "{i1,i2}",
                                        "8", "public.users", "{id}",         "{i1}"};
    return result_of(4, 2, cells);
}

#define RULE_COLUMNS 6
#define TABLE_RULE(table, text, id) table, NULL, "", text, "0", id
#define SCOPE_RULE(scope, text, id) NULL, scope, "", text, "0", id

static tp_registry *load(fixture *f, const char *const *cells, int count) {
    PGresult *tables = two_tables();
    PGresult *rules = result_of(RULE_COLUMNS, count / RULE_COLUMNS, cells);
    tp_registry *registry = NULL;
    assert_int_equal(tp_registry_new(tables, rules, "7", f->engine, &f->log, &registry, NULL),
                     TRIGPERF_OK);
    PQclear(tables);
    PQclear(rules);
    return registry;
}

#define LOAD(f, cells) load(f, cells, (int)(sizeof(cells) / sizeof *(cells)))

static uint32_t apply_columns(fixture *f, const tp_registry *registry, int32_t id, char op,
                              const char *const *columns) {
    tp_outbox_row row = {100, id, op, columns};
    return tp_outbox_row_apply(&row, registry, f->engine, 1, 0, &f->log);
}

static void apply(fixture *f, const tp_registry *registry, int32_t id, char op) {
    const char *columns[] = {id == 3 ? "{5,6}" : "{5}"};
    assert_int_equal(apply_columns(f, registry, id, op, columns), 1);
}

/* The next batch: its first key, or the table that it resyncs. */
static void assert_batch(fixture *f, const char *key, const char *resync) {
    tp_pipeline *pipeline = tp_engine_lock(f->engine);
    tp_batch *batch = NULL;
    tp_pipeline_flush(pipeline, 1000);
    batch = tp_pipeline_next(pipeline);
    tp_engine_unlock(f->engine);
    assert_non_null(batch);
    assert_int_equal(tp_batch_key_count(batch), key == NULL ? 0 : 1);
    assert_int_equal(tp_batch_resync_count(batch), resync == NULL ? 0 : 1);
    if (key != NULL) {
        assert_string_equal(tp_batch_key(batch, 0, NULL), key);
    } else {
        assert_string_equal(tp_batch_resync_table(batch, 0), resync);
    }
    tp_engine_ack(f->engine, batch);
}

static void test_good_rules(void **state) {
    fixture *f = *state;
    static const char *const cells[] = {TABLE_RULE("public.calls", "call:{id}", "1"),
                                        TABLE_RULE("public.users", "user:{id}", "2")};
    tp_registry *registry = LOAD(f, cells);
    assert_int_equal(tp_registry_refused(registry), 0);
    assert_string_equal(tp_registry_columns(registry), "i");
    assert_string_equal(f->said, "");
    apply(f, registry, 3, 'U');
    assert_batch(f, "call:5", NULL);
    tp_registry_free(registry);
}

/* Three keys in two columns, in an order of their own. */
static tp_registry *load_mixed(fixture *f, const char *slots, int32_t expected) {
    const char *const table[] = {"4", "public.mixed", "{name,id,user_id}", slots};
    static const char *const rule[] = {TABLE_RULE("public.mixed", "{name}/{id}/{user_id}", "1")};
    PGresult *tables = result_of(4, 1, table);
    PGresult *rules = result_of(RULE_COLUMNS, 1, rule);
    tp_registry *registry = NULL;
    assert_int_equal(tp_registry_new(tables, rules, "7", f->engine, &f->log, &registry, NULL),
                     expected);
    PQclear(tables);
    PQclear(rules);
    return registry;
}

static void assert_keys(fixture *f, const char *const *keys, uint32_t count) {
    tp_pipeline *pipeline = tp_engine_lock(f->engine);
    tp_pipeline_flush(pipeline, 1000);
    tp_batch *batch = tp_pipeline_next(pipeline);
    tp_engine_unlock(f->engine);
    assert_non_null(batch);
    assert_int_equal(tp_batch_key_count(batch), count);
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(tp_batch_key(batch, i, NULL), keys[i]);
    }
    tp_engine_ack(f->engine, batch);
}

static void test_tuples_stand_key_by_key(void **state) {
    fixture *f = *state;
    tp_registry *registry = load_mixed(f, "{t1,i1,i2}", TRIGPERF_OK);
    assert_string_equal(tp_registry_columns(registry), "t,i");
    static const char *const one[] = {"{\"a,b\"}", "{1,7}"};
    static const char *const one_key[] = {"a,b/1/7"};
    assert_int_equal(apply_columns(f, registry, 4, 'U', one), 1);
    assert_keys(f, one_key, 1);
    static const char *const three[] = {"{x,\"y\\\"\",z}", "{1,2,3,7,8,9}"};
    static const char *const three_keys[] = {"x/1/7", "y\"/2/8", "z/3/9"};
    assert_int_equal(apply_columns(f, registry, 4, 'D', three), 3);
    assert_keys(f, three_keys, 3);
    tp_registry_free(registry);
}

static void test_arrays_that_do_not_fit_are_told_coarsely(void **state) {
    fixture *f = *state;
    tp_registry *registry = load_mixed(f, "{t1,i1,i2}", TRIGPERF_OK);
    static const char *const bad[][2] = {
        {"{x}", "{1,2,3}"}, {"{x,y}", "{1,2}"}, {"{x}", NULL}, {NULL, "{1,2}"}, {"{x}", "{1,2"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        apply_columns(f, registry, 4, 'U', bad[i]);
        assert_batch(f, NULL, "public.mixed");
    }
    tp_registry_free(registry);
}

static void test_slots_of_another_version(void **state) {
    fixture *f = *state;
    static const char *const bad[] = {"{t1,i1,i1}", "{t1,i2,i1}", "{t1,i1,x1}",
                                      "{t,i1,i2}",  "{t1,i1}",    "{t1,i1,\"\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        load_mixed(f, bad[i], TRIGPERF_E_VERSION);
    }
}

static void test_bad_table_rule(void **state) {
    fixture *f = *state;
    static const char *const cells[] = {TABLE_RULE("public.calls", "call:{id}", "1"),
                                        TABLE_RULE("public.calls", "call:{idd}", "7"),
                                        TABLE_RULE("public.users", "user:{id}", "9")};
    tp_registry *registry = LOAD(f, cells);
    assert_int_equal(tp_registry_refused(registry), 1);
    assert_non_null(strstr(f->said, "rule 7 of table public.calls, 'call:{idd}', is left out"));
    assert_non_null(strstr(f->said, "trigperf rules remove"));
    assert_true(tp_registry_find(registry, 3)->coarse);
    assert_false(tp_registry_find(registry, 8)->coarse);
    const char ops[] = {'I', 'U', 'D', 'T', 'B', 'E'};
    for (size_t i = 0; i < sizeof ops; i++) {
        apply(f, registry, 3, ops[i]);
        assert_batch(f, NULL, "public.calls");
    }
    apply(f, registry, 8, 'U');
    assert_batch(f, "user:5", NULL);
    tp_registry_free(registry);
}

static void test_every_kind_of_bad_rule(void **state) {
    fixture *f = *state;
    static const char *const texts[] = {"call:{", "call:}", "", "{nothing}", "{}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *const cells[] = {TABLE_RULE("public.calls", texts[i], "4")};
        tp_registry *registry = load(f, cells, RULE_COLUMNS);
        assert_int_equal(tp_registry_refused(registry), 1);
        tp_registry_free(registry);
    }
    static const char *const bad_ops[] = {"public.calls", NULL, "insert,upset",
                                          "call:{id}",    "0",  "5"};
    tp_registry *registry = LOAD(f, bad_ops);
    assert_int_equal(tp_registry_refused(registry), 1);
    assert_non_null(strstr(f->said, "upset"));
    tp_registry_free(registry);
}

static void test_bad_scope_rule(void **state) {
    fixture *f = *state;
    static const char *const cells[] = {TABLE_RULE("public.calls", "call:{id}", "1"),
                                        SCOPE_RULE("call", "report:{", "6")};
    tp_registry *registry = LOAD(f, cells);
    assert_int_equal(tp_registry_refused(registry), 1);
    assert_non_null(strstr(f->said, "rule 6 of scope call"));
    assert_true(tp_registry_find(registry, 3)->coarse);
    assert_true(tp_registry_find(registry, 8)->coarse);
    tp_registry_free(registry);
}

static void test_circle(void **state) {
    fixture *f = *state;
    static const char *const cells[] = {TABLE_RULE("public.calls", "call:{id}", "1"),
                                        SCOPE_RULE("call", "report:{id}", "2"),
                                        SCOPE_RULE("report", "call:{id}", "3")};
    tp_registry *registry = LOAD(f, cells);
    assert_int_equal(tp_registry_refused(registry), 1);
    assert_non_null(strstr(f->said, "no scope rule is used"));
    apply(f, registry, 3, 'I');
    assert_batch(f, NULL, "public.calls");
    tp_registry_free(registry);
}

static void test_out_of_memory(void **state) {
    fixture *f = *state;
    static const char *const cells[] = {
        TABLE_RULE("public.calls", "call:{id}", "1"), TABLE_RULE("public.calls", "call:{x}", "2"),
        SCOPE_RULE("call", "report:{id}", "3"), SCOPE_RULE("report", "call:{id}", "4")};
    PGresult *tables = two_tables();
    PGresult *rules = result_of(RULE_COLUMNS, 4, cells);
    for (unsigned n = 1;; n++) {
        tp_registry *registry = NULL;
        oom_fail_at(n);
        int32_t status = tp_registry_new(tables, rules, "7", f->engine, &f->log, &registry, NULL);
        bool failed = oom_reset();
        if (status == TRIGPERF_OK) {
            assert_true(tp_registry_refused(registry) > 0);
            assert_true(tp_registry_find(registry, 3)->coarse);
            tp_registry_free(registry);
        }
        if (!failed) {
            assert_int_equal(status, TRIGPERF_OK);
            assert_true(n > 10);
            break;
        }
    }
    PQclear(tables);
    PQclear(rules);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tuples_stand_key_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arrays_that_do_not_fit_are_told_coarsely, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_slots_of_another_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_table_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_kind_of_bad_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_scope_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(test_circle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
