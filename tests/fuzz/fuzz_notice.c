/* Payloads of notifying triggers: whatever jansson refuses is refused, and what is accepted has a
 * table, an operation and values that lie within bounds. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/notice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const tp_notice *notice, const char *text, size_t size) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < 3; i++) {
        bytes += notice->values[i].length;
    }
    if (notice->table[0] == '\0' || notice->op == 0 || bytes > size) {
        abort();
    }
    /* numbers too large for jansson, and bytes that are no UTF-8, are taken as they stand */
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_DECODE_INT_AS_REAL, &where);
    enum json_error_code code = json_error_code(&where);
    if (root == NULL && code != json_error_numeric_overflow && code != json_error_invalid_utf8 &&
        code != json_error_null_byte_in_key) {
        abort();
    }
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"user_id", "record_id", "agent_id"};
    tp_notice_reader reader = {.names = names, .count = 3};
    tp_notice notice;
    const char *why = NULL;
    int32_t status = tp_notice_read(&reader, (const char *)data, size, &notice, &why);
    if (status == 0) {
        check(&notice, (const char *)data, size);
    } else if (why == NULL) {
        abort();
    }
    tp_notice_reader_free(&reader);
    return 0;
}
