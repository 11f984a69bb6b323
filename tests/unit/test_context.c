/* The context without a database: pushing, batches, acknowledging, the fence, the loop, the thread,
 * fork. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <trigperf.h>

#include "oom.h"

static trigperf_context *offline(const char *const *settings) {
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    trigperf_error *error = NULL;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "source", "none", NULL), TRIGPERF_OK);
    for (; settings != NULL && *settings != NULL; settings += 2) {
        assert_int_equal(trigperf_config_set(config, settings[0], settings[1], NULL), TRIGPERF_OK);
    }
    assert_int_equal(
        trigperf_config_rule(config, "public.calls", NULL, NULL, "dashboard:{user_id}", 0, NULL),
        TRIGPERF_OK);
    assert_int_equal(trigperf_config_rule(config, "public.calls", NULL, NULL, "call:{id}", 0, NULL),
                     TRIGPERF_OK);
    if (trigperf_context_new(config, &context, &error) != TRIGPERF_OK) {
        fail_msg("%s", trigperf_error_message(error));
    }
    trigperf_config_free(config);
    return context;
}

static void push(trigperf_context *context, const char *user, const char *id) {
    const char *names[] = {"user_id", "id"};
    const char *values[] = {user, id};
    assert_int_equal(
        trigperf_push(context, "public.calls", TRIGPERF_OP_UPDATE, names, values, 2, NULL),
        TRIGPERF_OK);
}

static trigperf_batch *next(trigperf_context *context) {
    trigperf_batch *batch = NULL;
    assert_int_equal(trigperf_batch_next(context, &batch, NULL), TRIGPERF_OK);
    return batch;
}

static trigperf_batch *flushed(trigperf_context *context) {
    assert_int_equal(trigperf_flush(context, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_process(context, NULL), TRIGPERF_OK);
    trigperf_batch *batch = next(context);
    assert_non_null(batch);
    return batch;
}

static void test_push_and_read(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    assert_int_equal(trigperf_context_state(context), TRIGPERF_STATE_OFFLINE);
    push(context, "7", "9");
    push(context, "7", "9");
    push(context, "7", NULL);
    trigperf_batch *batch = flushed(context);
    uint64_t length = 0;
    assert_int_equal(trigperf_batch_number(batch), 1);
    assert_int_equal(trigperf_batch_attempt(batch), 1);
    assert_int_equal(trigperf_batch_reason(batch), TRIGPERF_REASON_FLUSH);
    assert_int_equal(trigperf_batch_lsn(batch), 0);
    assert_string_equal(trigperf_batch_position(batch), "");
    assert_int_equal(trigperf_batch_key_count(batch), 2);
    assert_string_equal(trigperf_batch_key_at(batch, 0, &length), "call:9");
    assert_int_equal(length, 6);
    assert_string_equal(trigperf_batch_key_at(batch, 1, NULL), "dashboard:7");
    assert_null(trigperf_batch_key_at(batch, 2, &length));
    assert_int_equal(trigperf_batch_change_count(batch), 2);
    assert_string_equal(trigperf_batch_change_table(batch, 0), "public.calls");
    assert_int_equal(trigperf_batch_change_ops(batch, 0), TRIGPERF_OP_UPDATE);
    assert_int_equal(trigperf_batch_change_merged(batch, 0), 2);
    assert_int_equal(trigperf_batch_change_key_count(batch, 0), 2);
    assert_string_equal(trigperf_batch_change_key_name(batch, 0, 0), "user_id");
    assert_string_equal(trigperf_batch_change_key_value(batch, 0, 1, &length), "9");
    assert_int_equal(length, 1);
    assert_null(trigperf_batch_change_key_value(batch, 1, 1, NULL));
    assert_null(trigperf_batch_change_key_value(batch, 9, 0, NULL));
    assert_null(trigperf_batch_change_key_name(batch, 0, 9));
    assert_null(trigperf_batch_change_table(batch, 9));
    assert_int_equal(trigperf_batch_resync_count(batch), 0);
    assert_int_equal(trigperf_batch_ack(batch, NULL), TRIGPERF_OK);
    assert_null(next(context));
    trigperf_context_free(context);
}

static void test_json(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    push(context, "7", "9");
    trigperf_batch *batch = flushed(context);
    const char *json = NULL;
    uint64_t length = 0;
    assert_int_equal(trigperf_batch_json(batch, &json, &length, NULL), TRIGPERF_OK);
    assert_string_equal(json,
                        "{\"batch\":1,\"attempt\":1,\"reason\":\"flush\",\"keys\":[\"call:9\","
                        "\"dashboard:7\"],\"changes\":[{\"table\":\"public.calls\",\"ops\":["
                        "\"update\"],\"keys\":{\"user_id\":\"7\",\"id\":\"9\"},\"count\":1}],"
                        "\"resync\":[],\"lsn\":null,\"position\":\"\"}");
    assert_int_equal(length, strlen(json));
    trigperf_batch_ack(batch, NULL);
    trigperf_context_free(context);
}

static void test_push_json(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"op\":\"update\"}",
                                      "{\"table\":\"t\"}",
                                      "{\"table\":\"t\",\"op\":\"fly\"}",
                                      "{\"table\":\"t\",\"op\":\"update\",\"keys\":[]}",
                                      "{\"table\":\"t\",\"op\":\"update\",\"keys\":{\"a\":[]}}"};
    trigperf_context *context = offline(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        trigperf_error *error = NULL;
        assert_int_equal(trigperf_push_json(context, bad[i], strlen(bad[i]), &error),
                         TRIGPERF_E_INVALID);
        assert_true(strlen(trigperf_error_message(error)) > 0);
        assert_true(strlen(trigperf_error_hint(error)) > 0);
        trigperf_error_free(error);
    }
    const char good[] = "{\"table\":\"public.calls\",\"op\":\"delete\",\"keys\":{\"id\":9,"
                        "\"user_id\":null}}";
    assert_int_equal(trigperf_push_json(context, good, strlen(good), NULL), TRIGPERF_OK);
    trigperf_batch *batch = flushed(context);
    assert_int_equal(trigperf_batch_key_count(batch), 1);
    assert_string_equal(trigperf_batch_key_at(batch, 0, NULL), "call:9");
    assert_int_equal(trigperf_batch_change_ops(batch, 0), TRIGPERF_OP_DELETE);
    trigperf_batch_ack(batch, NULL);
    trigperf_context_free(context);
}

static void test_push_key_and_resync(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    assert_int_equal(trigperf_push_key(context, "a\0b", 3, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_push_key(context, "", 0, NULL), TRIGPERF_E_INVALID);
    trigperf_batch *batch = flushed(context);
    uint64_t length = 0;
    assert_memory_equal(trigperf_batch_key_at(batch, 0, &length), "a\0b", 4);
    assert_int_equal(length, 3);
    trigperf_batch_ack(batch, NULL);

    uint64_t before = 0;
    uint64_t after = 0;
    assert_int_equal(trigperf_generation(context, "call:{id}", &before, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_generation(context, "none", &after, NULL), TRIGPERF_E_NOT_FOUND);
    push(context, "1", "2");
    assert_int_equal(trigperf_push_resync(context, NULL, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_generation(context, "call:{id}", &after, NULL), TRIGPERF_OK);
    assert_true(after > before);
    batch = flushed(context);
    assert_int_equal(trigperf_batch_reason(batch), TRIGPERF_REASON_RESYNC);
    assert_int_equal(trigperf_batch_resync_count(batch), 1);
    assert_string_equal(trigperf_batch_resync_table(batch, 0), "*");
    assert_int_equal(trigperf_batch_resync_template_count(batch, 0), 2);
    assert_string_equal(trigperf_batch_resync_prefix(batch, 0, 0), "call:");
    assert_string_equal(trigperf_batch_resync_prefix(batch, 0, 1), "dashboard:");
    assert_null(trigperf_batch_resync_prefix(batch, 0, 2));
    assert_null(trigperf_batch_resync_template(batch, 1, 0));
    assert_null(trigperf_batch_resync_table(batch, 1));
    trigperf_batch_ack(batch, NULL);
    trigperf_context_free(context);
}

static void test_invalid_pushes(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    const char *names[] = {"id"};
    const char *values[] = {"1"};
    assert_int_equal(trigperf_push(context, NULL, 2, names, values, 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_push(context, "t", 3, names, values, 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_push(context, "t", 2, names, values, 65, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_push(NULL, "t", 2, names, values, 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_wait_position(context, NULL, 0, NULL), TRIGPERF_E_STATE);
    trigperf_context_free(context);
}

static void test_fence(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    uint64_t token = 0;
    assert_int_equal(trigperf_fence_begin(context, &token), TRIGPERF_OK);
    assert_int_equal(trigperf_fence_check(context, token, "call:9", 6), TRIGPERF_OK);
    push(context, "7", "9");
    assert_int_equal(trigperf_fence_check(context, token, "call:9", 6), TRIGPERF_E_STALE);
    assert_int_equal(trigperf_fence_check(context, token, "dashboard:7", 11), TRIGPERF_E_STALE);
    assert_int_equal(trigperf_fence_begin(context, &token), TRIGPERF_OK);
    assert_int_equal(trigperf_fence_check(context, token, "call:9", 6), TRIGPERF_OK);
    trigperf_push_resync(context, NULL, NULL);
    assert_int_equal(trigperf_fence_check(context, token, "call:9", 6), TRIGPERF_E_STALE);
    trigperf_context_free(context);
}

/* The descriptor alone tells when there is something to do, the end of a window included. */
static void test_descriptor(void **state) {
    (void)state;
    static const char *const settings[] = {"batch.window_ms", "30", NULL};
    trigperf_context *context = offline(settings);
    struct pollfd entry = {.fd = trigperf_fd(context), .events = POLLIN};
    trigperf_batch *batch = NULL;
    assert_true(entry.fd >= 0);
    push(context, "7", "9");
    for (int turns = 0; batch == NULL; turns++) {
        assert_true(turns < 1000);
        assert_int_equal(poll(&entry, 1, 120000), 1);
        assert_int_equal(trigperf_process(context, NULL), TRIGPERF_OK);
        batch = next(context);
    }
    assert_int_equal(trigperf_batch_reason(batch), TRIGPERF_REASON_WINDOW);
    assert_int_equal(trigperf_batch_ack(batch, NULL), TRIGPERF_OK);
    trigperf_process(context, NULL);
    assert_int_equal(poll(&entry, 1, 0), 0);
    trigperf_context_free(context);
}

static void test_wait(void **state) {
    (void)state;
    static const char *const settings[] = {"batch.window_ms", "0", NULL};
    trigperf_context *context = offline(settings);
    assert_int_equal(trigperf_wait(context, 0, NULL), TRIGPERF_E_TIMEOUT);
    trigperf_wakeup(context);
    assert_int_equal(trigperf_wait(context, -1, NULL), TRIGPERF_OK);
    assert_null(next(context));
    push(context, "7", "9");
    assert_int_equal(trigperf_wait(context, -1, NULL), TRIGPERF_OK);
    trigperf_batch *batch = next(context);
    assert_non_null(batch);
    trigperf_batch_ack(batch, NULL);
    trigperf_context_free(context);
}

static void test_nack(void **state) {
    (void)state;
    static const char *const settings[] = {"nack.delay_ms", "1", NULL};
    trigperf_context *context = offline(settings);
    push(context, "7", "9");
    trigperf_batch *batch = flushed(context);
    assert_int_equal(trigperf_batch_nack(batch, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_wait(context, 120000, NULL), TRIGPERF_OK);
    batch = next(context);
    assert_non_null(batch);
    assert_int_equal(trigperf_batch_number(batch), 1);
    assert_int_equal(trigperf_batch_attempt(batch), 2);
    assert_int_equal(trigperf_batch_ack(batch, NULL), TRIGPERF_OK);
    trigperf_context_free(context);
}

/* A batch outlives its context: it stays readable, and can be released. */
static void test_batch_outlives(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    push(context, "7", "9");
    trigperf_batch *one = flushed(context);
    push(context, "7", "10");
    trigperf_batch *two = flushed(context);
    push(context, "7", "11");
    trigperf_batch *three = flushed(context);
    trigperf_batch_free(three);
    trigperf_context_free(context);
    assert_string_equal(trigperf_batch_key_at(one, 0, NULL), "call:9");
    assert_int_equal(trigperf_batch_ack(one, NULL), TRIGPERF_E_STATE);
    trigperf_batch_free(two);
    trigperf_batch_free(NULL);
    assert_int_equal(trigperf_batch_ack(NULL, NULL), TRIGPERF_E_INVALID);
}

#define PUSHES 2000

static void *pusher(void *argument) {
    trigperf_context *context = argument;
    char id[32];
    for (int i = 0; i < PUSHES; i++) {
        snprintf(id, sizeof id, "%lu-%d", (unsigned long)pthread_self(), i);
        push(context, "7", id);
    }
    return NULL;
}

/* The library's thread processes, two threads push, this one pulls: every key arrives. */
static void test_thread(void **state) {
    (void)state;
    static const char *const settings[] = {"batch.window_ms", "1", NULL};
    trigperf_context *context = offline(settings);
    pthread_t threads[2];
    assert_int_equal(trigperf_thread_stop(context, NULL), TRIGPERF_E_STATE);
    assert_int_equal(trigperf_thread_start(context, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_thread_start(context, NULL), TRIGPERF_E_STATE);
    assert_int_equal(trigperf_process(context, NULL), TRIGPERF_E_STATE);
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, pusher, context);
    }
    uint64_t calls = 0;
    while (calls < 2 * PUSHES) {
        assert_int_equal(trigperf_wait(context, 120000, NULL), TRIGPERF_OK);
        for (trigperf_batch *batch = next(context); batch != NULL; batch = next(context)) {
            for (uint32_t i = 0; i < trigperf_batch_key_count(batch); i++) {
                calls += strncmp(trigperf_batch_key_at(batch, i, NULL), "call:", 5) == 0 ? 1 : 0;
            }
            assert_int_equal(trigperf_batch_ack(batch, NULL), TRIGPERF_OK);
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(calls, 2 * PUSHES);
    char *status = NULL;
    assert_int_equal(trigperf_context_status(context, &status, NULL), TRIGPERF_OK);
    assert_non_null(strstr(status, "\"changes\":4000"));
    trigperf_string_free(status);
    assert_int_equal(trigperf_thread_stop(context, NULL), TRIGPERF_OK);
    trigperf_context_free(context);
}

static int ready_calls;

static void on_ready(void *user, trigperf_context *context) {
    trigperf_batch *batch = next(context);
    ready_calls += user == &ready_calls && batch != NULL ? 1 : 0;
    trigperf_batch_ack(batch, NULL);
}

static void test_ready_callback(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    ready_calls = 0;
    assert_int_equal(trigperf_ready_set(context, on_ready, &ready_calls), TRIGPERF_OK);
    push(context, "7", "9");
    trigperf_flush(context, NULL);
    trigperf_process(context, NULL);
    assert_int_equal(ready_calls, 1);
    trigperf_context_free(context);
}

static void in_child(trigperf_context *context, trigperf_batch *batch) {
    uint64_t token = 0;
    bool fine = trigperf_process(context, NULL) == TRIGPERF_E_FORKED &&
                trigperf_fence_begin(context, &token) == TRIGPERF_E_FORKED &&
                trigperf_push_key(context, "a", 1, NULL) == TRIGPERF_E_FORKED &&
                trigperf_batch_ack(batch, NULL) == TRIGPERF_E_FORKED && trigperf_fd(context) == -1;
    trigperf_wakeup(context);
    trigperf_context_free(context);
    _exit(fine ? 0 : 1);
}

static void test_fork(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    push(context, "7", "9");
    trigperf_batch *batch = flushed(context);
    pid_t child = fork();
    if (child == 0) {
        in_child(context, batch);
    }
    int result = -1;
    waitpid(child, &result, 0);
    assert_int_equal(result, 0);
    assert_int_equal(trigperf_batch_ack(batch, NULL), TRIGPERF_OK);
    trigperf_context_free(context);
}

static void test_catch_up(void **state) {
    (void)state;
    trigperf_context *context = offline(NULL);
    uint64_t ticket = 0;
    push(context, "7", "9");
    assert_int_equal(trigperf_catch_up(context, &ticket, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_catch_up_done(context, ticket), 0);
    assert_int_equal(trigperf_process(context, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_catch_up_done(context, ticket), 1);
    trigperf_batch *batch = next(context);
    assert_non_null(batch);
    trigperf_batch_ack(batch, NULL);
    trigperf_context_free(context);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        trigperf_config *config = NULL;
        trigperf_context *context = NULL;
        trigperf_config_new(&config, NULL);
        trigperf_config_set(config, "source", "none", NULL);
        trigperf_config_rule(config, "public.calls", NULL, NULL, "call:{id}", 0, NULL);
        oom_fail_at(n);
        int32_t status = trigperf_context_new(config, &context, NULL);
        bool failed = oom_reset();
        trigperf_config_free(config);
        trigperf_context_free(context);
        if (!failed) {
            assert_int_equal(status, TRIGPERF_OK);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
        assert_null(status == TRIGPERF_OK ? NULL : context);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_and_read),  cmocka_unit_test(test_json),
        cmocka_unit_test(test_push_json),      cmocka_unit_test(test_push_key_and_resync),
        cmocka_unit_test(test_invalid_pushes), cmocka_unit_test(test_fence),
        cmocka_unit_test(test_descriptor),     cmocka_unit_test(test_wait),
        cmocka_unit_test(test_nack),           cmocka_unit_test(test_batch_outlives),
        cmocka_unit_test(test_thread),         cmocka_unit_test(test_ready_callback),
        cmocka_unit_test(test_fork),           cmocka_unit_test(test_catch_up),
        cmocka_unit_test(test_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
