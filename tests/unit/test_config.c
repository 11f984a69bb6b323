/* Configuration: setting, reading back, files, environment, descriptions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <trigperf/config.h>

#include "api/config.h"
#include "api/option_table.h"
#include "oom.h"

static trigperf_config *fresh(void) {
    trigperf_config *config = NULL;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    return config;
}

static void assert_value(const trigperf_config *config, const char *name, const char *expected) {
    char *value = NULL;
    assert_int_equal(trigperf_config_get(config, name, &value, NULL), TRIGPERF_OK);
    assert_string_equal(value, expected);
    trigperf_string_free(value);
}

static void assert_refused(trigperf_config *config, const char *name, const char *value,
                           const char *part) {
    trigperf_error *error = NULL;
    assert_int_equal(trigperf_config_set(config, name, value, &error), TRIGPERF_E_CONFIG);
    if (strstr(trigperf_error_message(error), part) == NULL) {
        fail_msg("\"%s\" does not mention \"%s\"", trigperf_error_message(error), part);
    }
    assert_true(strlen(trigperf_error_hint(error)) > 0);
    trigperf_error_free(error);
}

/* Every default must pass its own check. */
static void test_defaults(void **state) {
    (void)state;
    trigperf_config *config = fresh();
    for (uint32_t i = 0; i < TP_OPTION_COUNT; i++) {
        const tp_option *option = tp_option_at(i);
        assert_int_equal(trigperf_config_set(config, option->name, option->initial, NULL),
                         TRIGPERF_OK);
        assert_true(strlen(option->doc) > 0);
    }
    trigperf_config_free(config);
}

static void test_set_and_get(void **state) {
    (void)state;
    trigperf_config *config = fresh();
    assert_value(config, "batch.window_ms", "100");
    assert_int_equal(trigperf_config_set(config, "batch.window_ms", "250", NULL), TRIGPERF_OK);
    assert_value(config, "batch.window_ms", "250");
    assert_refused(config, "batch.window_ms", "-1", "-1");
    assert_refused(config, "batch.window_ms", "1.5", "whole number");
    assert_refused(config, "batch.window_ms", "", "whole number");
    assert_refused(config, "batch.window_ms", "99999999999999999999", "whole number");
    assert_refused(config, "batch.max_keys", "0", "1 to");
    assert_refused(config, "notifier.enabled", "perhaps", "on or off");
    assert_refused(config, "source", "kafka", "outbox wal notify none");
    assert_refused(config, "batch.windows", "1", "batch.window_ms");
    assert_value(config, "batch.window_ms", "250");
    assert_int_equal(tp_config_u32(config, TP_OPTION_BATCH_WINDOW_MS), 250);
    trigperf_config_free(config);
}

static char *write_file(const char *text) {
    char *path = strdup("/tmp/trigperf-config-XXXXXX");
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    fclose(file);
    return path;
}

static void test_file(void **state) {
    (void)state;
    trigperf_config *config = fresh();
    char *path =
        write_file("consumer = web\n[batch]\nwindow_ms = 7 ; comment\nmax_keys=9\n[rules]\n"
                   "public.calls = dashboard:{user_id} call:{id}\n"
                   "public.users on insert,delete = user:{id}\nscope call = agents\n");
    uint32_t count = 0;
    assert_int_equal(trigperf_config_load_file(config, path, NULL), TRIGPERF_OK);
    assert_value(config, "consumer", "web");
    assert_value(config, "batch.window_ms", "7");
    assert_value(config, "batch.max_keys", "9");
    const tp_engine_rule *rules = tp_config_rules(config, &count);
    assert_int_equal(count, 4);
    assert_string_equal(rules[0].table, "public.calls");
    assert_string_equal(rules[1].template_text, "call:{id}");
    assert_int_equal(rules[2].ops, TP_OP_INSERT | TP_OP_DELETE);
    assert_null(rules[3].table);
    assert_string_equal(rules[3].scope, "call");
    remove(path);
    free(path);
    trigperf_config_free(config);
}

static void assert_bad_file(const char *text, const char *part) {
    trigperf_config *config = fresh();
    trigperf_error *error = NULL;
    char *path = write_file(text);
    assert_int_equal(trigperf_config_load_file(config, path, &error), TRIGPERF_E_CONFIG);
    if (strstr(trigperf_error_message(error), part) == NULL) {
        fail_msg("\"%s\" does not mention \"%s\"", trigperf_error_message(error), part);
    }
    trigperf_error_free(error);
    remove(path);
    free(path);
    trigperf_config_free(config);
}

static void test_bad_files(void **state) {
    (void)state;
    trigperf_error *error = NULL;
    assert_bad_file("[batch]\nwindow_ms = soon\n", "line 2");
    assert_bad_file("[batch]\nwindow = 1\n", "batch.window_ms");
    assert_bad_file("this is no line\n", "line 1");
    assert_bad_file("[rules]\npublic.calls on fly = x:{y}\n", "fly");
    assert_bad_file("[rules]\npublic.calls = x:{y\n", "line 2");
    trigperf_config *config = fresh();
    assert_int_equal(trigperf_config_load_file(config, "/nowhere/at/all", &error),
                     TRIGPERF_E_NOT_FOUND);
    assert_non_null(strstr(trigperf_error_message(error), "/nowhere/at/all"));
    trigperf_error_free(error);
    trigperf_config_free(config);
}

static void test_environment(void **state) {
    (void)state;
    trigperf_config *config = fresh();
    trigperf_error *error = NULL;
    setenv("TRIGPERF_BATCH_WINDOW_MS", "33", 1);
    setenv("TRIGPERF_PG_BINDIR", "/somewhere", 1);
    assert_int_equal(trigperf_config_load_env(config, NULL), TRIGPERF_OK);
    assert_value(config, "batch.window_ms", "33");
    setenv("TRIGPERF_BATCH_WINDOW_MS", "x", 1);
    assert_int_equal(trigperf_config_load_env(config, &error), TRIGPERF_E_CONFIG);
    assert_non_null(strstr(trigperf_error_message(error), "TRIGPERF_BATCH_WINDOW_MS"));
    trigperf_error_free(error);
    unsetenv("TRIGPERF_BATCH_WINDOW_MS");
    unsetenv("TRIGPERF_PG_BINDIR");
    trigperf_config_free(config);
}

static void test_rules(void **state) {
    (void)state;
    trigperf_config *config = fresh();
    assert_int_equal(trigperf_config_rule(config, "t", "s", NULL, "x", 0, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_config_rule(config, NULL, NULL, NULL, "x", 0, NULL),
                     TRIGPERF_E_INVALID);
    assert_true(trigperf_config_rule(config, "t", NULL, NULL, "x:{", 0, NULL) < 0);
    assert_int_equal(trigperf_config_rule(config, "t", NULL, "insert, update", "x:{a}", 5, NULL),
                     TRIGPERF_OK);
    trigperf_config_free(config);
}

/* The file that describe("ini") writes must load. */
static void test_describe(void **state) {
    (void)state;
    static const char *const formats[] = {"json", "markdown", "ini", "text"};
    for (size_t i = 0; i < 4; i++) {
        char *text = NULL;
        assert_int_equal(trigperf_config_describe(formats[i], &text, NULL), TRIGPERF_OK);
        for (uint32_t o = 0; o < TP_OPTION_COUNT && i != 2; o++) {
            assert_non_null(strstr(text, tp_option_at(o)->name));
        }
        if (i == 2) {
            trigperf_config *config = fresh();
            char *path = write_file(text);
            assert_int_equal(trigperf_config_load_file(config, path, NULL), TRIGPERF_OK);
            remove(path);
            free(path);
            trigperf_config_free(config);
        }
        trigperf_string_free(text);
    }
    char *text = NULL;
    assert_int_equal(trigperf_config_describe("yaml", &text, NULL), TRIGPERF_E_INVALID);
    assert_null(text);
}

static void test_alerts_of_files(void **state) {
    (void)state;
    trigperf_config *config = fresh();
    trigperf_error *error = NULL;
    uint32_t count = 0;
    char *path = write_file("[alerts]\nslow = measure=mean series=x_seconds warn=0.1\n"
                            "errors = measure=fed critical=5\nslow = measure=fed warn=2\n");
    assert_int_equal(trigperf_config_load_file(config, path, NULL), TRIGPERF_OK);
    const tp_config_alert *alerts = tp_config_alerts(config, &count);
    assert_int_equal(count, 2);
    assert_string_equal(alerts[0].name, "slow");
    assert_string_equal(alerts[0].definition, "measure=fed warn=2");
    assert_string_equal(alerts[1].name, "errors");
    remove(path);
    free(path);
    path = write_file("[alerts]\nslow = measure=mean\n");
    assert_int_equal(trigperf_config_load_file(config, path, &error), TRIGPERF_E_CONFIG);
    assert_non_null(strstr(trigperf_error_message(error), "line 2: alert rule \"slow\""));
    trigperf_error_free(error);
    remove(path);
    free(path);
    trigperf_config_free(config);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        trigperf_config *config = NULL;
        trigperf_config *copy = NULL;
        oom_fail_at(n);
        int32_t status = trigperf_config_new(&config, NULL);
        if (status == TRIGPERF_OK) {
            status = trigperf_config_set(config, "consumer", "web", NULL);
        }
        if (status == TRIGPERF_OK) {
            status = trigperf_config_rule(config, "t", NULL, "insert", "x:{a}", 0, NULL);
        }
        if (status == TRIGPERF_OK) {
            status = trigperf_config_alert(config, "r", "measure=fed warn=1", NULL);
        }
        if (status == TRIGPERF_OK) {
            status = tp_config_copy(config, &copy, NULL);
        }
        bool failed = oom_reset();
        trigperf_config_free(copy);
        trigperf_config_free(config);
        if (!failed) {
            assert_int_equal(status, TRIGPERF_OK);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_set_and_get),
        cmocka_unit_test(test_file),         cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_environment),  cmocka_unit_test(test_rules),
        cmocka_unit_test(test_describe),     cmocka_unit_test(test_alerts_of_files),
        cmocka_unit_test(test_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
