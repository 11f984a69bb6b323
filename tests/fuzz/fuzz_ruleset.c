/* Rules from anywhere, one a line: a table or, after '@', a scope, then operations, then a
 * template, apart by tabs. Whatever set is accepted can be prepared or is a cycle, and expands a
 * change into keys that are distinct and not empty. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/cascade.h"

#define RULES_MAX 32
#define KEYS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct keys {
    char *list[KEYS_MAX];
    uint32_t count;
} keys;

static bool collect(void *user, const char *key, size_t length, uint32_t template_index,
                    uint32_t min_interval_ms) {
    keys *found = user;
    char *copy = length == 0 ? NULL : strndup(key, length);
    (void)template_index;
    (void)min_interval_ms;
    if (copy == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < found->count; i++) {
        if (strlen(copy) == length && strcmp(found->list[i], copy) == 0) {
            abort();
        }
    }
    if (found->count == KEYS_MAX) {
        free(copy);
        return false;
    }
    found->list[found->count++] = copy;
    return true;
}

static void expand(tp_cascade *cascade, const tp_table *table) {
    const tp_value values[] = {{"9", 1}, {NULL, 0}};
    keys found = {{NULL}, 0};
    for (uint32_t op = TP_OP_DELETE; op <= TP_OP_UPDATE; op *= 2) {
        const tp_change change = {table, op, values, 0};
        tp_cascade_expand(cascade, &change, collect, &found);
        while (found.count > 0) {
            free(found.list[--found.count]);
        }
    }
}

/* One line: cut at its tabs. */
static void add_rule(tp_cascade *cascade, char *line) {
    char *ops = strchr(line, '\t');
    char *text = ops == NULL ? NULL : strchr(ops + 1, '\t');
    uint32_t mask = 0;
    if (text == NULL) {
        return;
    }
    *ops++ = '\0';
    *text++ = '\0';
    if (tp_op_parse_list(ops, &mask, NULL) == TRIGPERF_OK) {
        const char *table = line[0] == '@' ? NULL : line;
        const char *scope = line[0] == '@' ? line + 1 : NULL;
        trigperf_error *error = NULL;
        int32_t status = tp_cascade_rule(cascade, table, scope, mask, text, 0, &error);
        if ((status == TRIGPERF_OK) != (error == NULL)) {
            abort();
        }
        trigperf_error_free(error);
    }
}

static void run(tp_cascade *cascade, char *text) {
    static const char *const names[] = {"id", "user_id"};
    const tp_table *table = NULL;
    uint32_t rules = 0;
    for (char *line = text; line != NULL && rules < RULES_MAX; rules++) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        add_rule(cascade, line);
        line = end;
    }
    if (tp_cascade_table(cascade, "t", 1, names, 2, &table, NULL) == TRIGPERF_OK &&
        tp_cascade_prepare(cascade, NULL) == TRIGPERF_OK) {
        expand(cascade, table);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tp_cascade *cascade = NULL;
    char *text = malloc(size + 1);
    if (text == NULL || tp_cascade_new(&cascade, NULL) != TRIGPERF_OK) {
        free(text);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    run(cascade, text);
    tp_cascade_free(cascade);
    free(text);
    return 0;
}
