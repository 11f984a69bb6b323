/* The host's own changes. JSON is read by jansson. */
#include <trigperf/push.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "base/clock.h"

#define PUSH_KEYS_MAX 64
#define KEY_BYTES_MAX 1048576u

static int32_t check_operation(uint32_t operation, trigperf_error **error) {
    if (tp_op_name(operation) == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass one bit of enum trigperf_op",
                            "expected one operation, got %u", operation);
    }
    return TRIGPERF_OK;
}

/* A change arrived from outside a turn: its window needs the timer. */
static int32_t arrived(trigperf_context *context, int32_t status) {
    if (status == TRIGPERF_OK) {
        tp_loop_wake(tp_context_loop(context));
    }
    return status;
}

int32_t trigperf_push(trigperf_context *context, const char *table, uint32_t operation,
                      const char *const *names, const char *const *values, uint32_t count,
                      trigperf_error **error) {
    tp_value parsed[PUSH_KEYS_MAX];
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        status = check_operation(operation, error);
    }
    if (status == TRIGPERF_OK && (table == NULL || table[0] == '\0' || count > PUSH_KEYS_MAX)) {
        status =
            tp_error_set(error, TRIGPERF_E_INVALID, "pass schema.table and its keys",
                         "expected a table and at most %d keys, got %u keys", PUSH_KEYS_MAX, count);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t length = values[i] == NULL ? 0 : strlen(values[i]);
        parsed[i] = (tp_value){values[i], (uint32_t)length};
    }
    return arrived(context, tp_engine_push(tp_context_engine(context), tp_clock_ms(), table,
                                           operation, names, parsed, count, error));
}

static int32_t malformed(trigperf_error **error, const char *what, const char *got) {
    return tp_error_set(error, TRIGPERF_E_INVALID,
                        "write it as {\"table\":\"public.calls\",\"op\":\"update\",\"keys\":"
                        "{\"id\":\"9\"}}",
                        "a pushed change: expected %s, got %s", what, got);
}

/* A scalar as text; space receives numbers and booleans. False: an array or an object. */
static bool scalar(const json_t *value, char *space, size_t size, const char **text) {
    if (json_is_string(value)) {
        *text = json_string_value(value);
    } else if (json_is_integer(value)) {
        snprintf(space, size, "%lld", (long long)json_integer_value(value));
        *text = space;
    } else if (json_is_real(value)) {
        snprintf(space, size, "%.17g", json_real_value(value));
        *text = space;
    } else if (json_is_boolean(value)) {
        *text = json_is_true(value) ? "true" : "false";
    } else if (json_is_null(value)) {
        *text = NULL;
    } else {
        return false;
    }
    return true;
}

static int32_t push_object(trigperf_context *context, const char *table, uint32_t op, json_t *keys,
                           trigperf_error **error) {
    const char *names[PUSH_KEYS_MAX];
    const char *values[PUSH_KEYS_MAX];
    char spaces[PUSH_KEYS_MAX][40];
    uint32_t count = 0;
    const char *name;
    json_t *value;
    json_object_foreach(keys, name, value) {
        if (count == PUSH_KEYS_MAX) {
            return malformed(error, "at most 64 keys", "more");
        }
        if (!scalar(value, spaces[count], sizeof spaces[count], &values[count])) {
            return malformed(error, "text, a number, a boolean or null as key value",
                             "an array or an object");
        }
        names[count++] = name;
    }
    return trigperf_push(context, table, op, names, values, count, error);
}

int32_t trigperf_push_json(trigperf_context *context, const char *json, uint64_t length,
                           trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    json_error_t where;
    json_t *root = json_loadb(json, (size_t)length, JSON_ALLOW_NUL, &where);
    json_t *keys = json_object_get(root, "keys");
    const char *table = json_string_value(json_object_get(root, "table"));
    const char *op = json_string_value(json_object_get(root, "op"));
    uint32_t operation = op == NULL ? 0 : tp_op_parse(op, strlen(op));
    if (root == NULL) {
        char text[256];
        snprintf(text, sizeof text, "line %d, column %d: %s", where.line, where.column, where.text);
        status = malformed(error, "a JSON object", text);
    } else if (table == NULL) {
        status = malformed(error, "a member \"table\"", "none");
    } else if (operation == 0) {
        status = malformed(error, "\"op\" among insert, update, delete, truncate",
                           op == NULL ? "none" : op);
    } else if (keys != NULL && !json_is_object(keys)) {
        status = malformed(error, "an object as \"keys\"", "something else");
    } else {
        status = push_object(context, table, operation, keys, error);
    }
    json_decref(root);
    return status;
}

int32_t trigperf_push_key(trigperf_context *context, const char *key, uint64_t length,
                          trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK && (key == NULL || length == 0 || length > KEY_BYTES_MAX)) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "pass the cache key to forget",
                              "expected a key of 1 to %u bytes, got %llu", KEY_BYTES_MAX,
                              (unsigned long long)length);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_pipeline *pipeline = tp_engine_lock(tp_context_engine(context));
    status = tp_pipeline_key(pipeline, tp_clock_ms(), key, (size_t)length, error);
    tp_engine_unlock(tp_context_engine(context));
    return arrived(context, status);
}

int32_t trigperf_push_resync(trigperf_context *context, const char *table, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_engine *engine = tp_context_engine(context);
    tp_pipeline *pipeline = tp_engine_lock(engine);
    const tp_table *known =
        table == NULL ? NULL : tp_cascade_find(tp_engine_cascade(engine), table);
    tp_pipeline_resync(pipeline, tp_clock_ms(), known, 0, 0);
    tp_engine_unlock(engine);
    return arrived(context, TRIGPERF_OK);
}
