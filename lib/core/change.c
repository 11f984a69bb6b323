/* Names of operations. The bits are in alphabetical order, so that walking them from the lowest
 * writes a sorted list. */
#include "core/change.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    uint32_t op;
    const char *name;
} op_names[] = {
    {TP_OP_DELETE, "delete"},
    {TP_OP_INSERT, "insert"},
    {TP_OP_TRUNCATE, "truncate"},
    {TP_OP_UPDATE, "update"},
};

#define OP_COUNT (sizeof op_names / sizeof op_names[0])

const char *tp_op_name(uint32_t op) {
    for (size_t i = 0; i < OP_COUNT; i++) {
        if (op_names[i].op == op) {
            return op_names[i].name;
        }
    }
    return NULL;
}

/* ASCII only: a Turkish locale must not change what "INSERT" means. */
static bool same_word(const char *word, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
        if (word[i] == '\0' || word[i] != c) {
            return false;
        }
    }
    return word[length] == '\0';
}

uint32_t tp_op_parse(const char *name, size_t length) {
    for (size_t i = 0; i < OP_COUNT; i++) {
        if (same_word(op_names[i].name, name, length)) {
            return op_names[i].op;
        }
    }
    return 0;
}

int32_t tp_op_parse_list(const char *list, uint32_t *ops, trigperf_error **err) {
    uint32_t found = 0;
    for (const char *at = list == NULL ? "" : list; *at != '\0';) {
        size_t length = strcspn(at, ", ");
        uint32_t op = tp_op_parse(at, length);
        if (op == 0 && length > 0) {
            return tp_error_set(err, TRIGPERF_E_INVALID, "write them as insert,update",
                                "expected operations among insert, update, delete, truncate; got "
                                "\"%.*s\"",
                                (int)length, at);
        }
        found |= op;
        at += length + (at[length] == '\0' ? 0 : 1);
    }
    *ops = found;
    return TRIGPERF_OK;
}
