/* Definitions that may have changed: marks, tokens, and what marks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/definitions.h"
#include "core/engine.h"
#include "oom.h"

static void test_marks(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    tp_definitions *definitions = tp_definitions_new(&key);
    const tp_table table = {.name = "public.t"};
    uint64_t token = tp_definitions_begin(definitions);
    assert_true(token != 0);
    assert_true(tp_definitions_check(definitions, token, "public.t"));
    tp_definitions_mark(definitions, &table);
    assert_false(tp_definitions_check(definitions, token, "public.t"));
    assert_true(tp_definitions_check(definitions, token, "public.other"));
    token = tp_definitions_begin(definitions);
    assert_true(tp_definitions_check(definitions, token, "public.t"));
    tp_definitions_mark(definitions, NULL);
    assert_false(tp_definitions_check(definitions, token, "public.t"));
    assert_false(tp_definitions_check(definitions, token, "public.other"));
    tp_definitions_mark(NULL, NULL);
    tp_definitions_free(definitions);
    tp_definitions_free(NULL);
}

/* Changes of rows are no news, a TRUNCATE neither; a resync is. */
static void test_what_marks_them(void **state) {
    (void)state;
    tp_engine *engine = NULL;
    tp_pipeline_options options = {
        .window_ms = 10, .max_keys = 10, .max_pending = 10, .max_bytes = 1000000};
    tp_hash_key_seed(&options.hash_key, 1);
    assert_int_equal(tp_engine_new(&options, NULL, 0, &engine, NULL), TRIGPERF_OK);
    tp_definitions *definitions = tp_engine_definitions(engine);
    uint64_t token = tp_definitions_begin(definitions);
    const char *name = "id";
    tp_value value = {"1", 1};
    assert_int_equal(tp_engine_push(engine, 1, "public.t", TP_OP_UPDATE, &name, &value, 1, NULL),
                     TRIGPERF_OK);
    assert_int_equal(tp_engine_push(engine, 1, "public.t", TP_OP_TRUNCATE, &name, &value, 1, NULL),
                     TRIGPERF_OK);
    assert_true(tp_definitions_check(definitions, token, "public.t"));
    tp_pipeline *pipeline = tp_engine_lock(engine);
    tp_pipeline_resync(pipeline, 2, tp_cascade_find(tp_engine_cascade(engine), "public.t"), 0, 0);
    assert_false(tp_definitions_check(definitions, token, "public.t"));
    assert_true(tp_definitions_check(definitions, token, "public.u"));
    tp_pipeline_resync(pipeline, 2, NULL, 0, 0);
    assert_false(tp_definitions_check(definitions, token, "public.u"));
    tp_engine_unlock(engine);
    tp_engine_unref(engine);
}

static void test_out_of_memory(void **state) {
    (void)state;
    tp_hash_key key;
    tp_hash_key_seed(&key, 1);
    for (unsigned n = 1; n <= 2; n++) {
        oom_fail_at(n);
        assert_null(tp_definitions_new(&key));
        assert_true(oom_reset());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_what_marks_them),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
