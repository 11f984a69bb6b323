/* Messages of pgoutput: whatever is accepted can be walked to its end and stays within its bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/pgoutput.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const void *at, const uint8_t *data, size_t size) {
    if ((const uint8_t *)at < data || (const uint8_t *)at > data + size) {
        abort();
    }
}

static void walk_tuple(tp_pgo_tuple tuple, const uint8_t *data, size_t size) {
    for (uint32_t i = 0; i < tuple.count; i++) {
        tp_pgo_column column = tp_pgo_column_next(&tuple.at);
        if (column.kind == 't') {
            inside(column.data, data, size);
            inside(column.data + column.length, data, size);
        }
        inside(tuple.at, data, size);
    }
}

static void walk(const tp_pgo_message *message, const uint8_t *data, size_t size) {
    const unsigned char *at = message->attributes.at;
    for (uint32_t i = 0; i < message->attributes.count; i++) {
        inside(tp_pgo_attribute_next(&at).name, data, size);
        inside(at, data, size);
    }
    for (uint32_t i = 0; i < message->relations.count; i++) {
        tp_pgo_relation_at(message, i);
    }
    walk_tuple(message->before, data, size);
    walk_tuple(message->after, data, size);
    if (message->content.data != NULL) {
        inside(message->content.data + message->content.length, data, size);
    }
    if (strlen(message->name) + strlen(message->schema) > size) {
        abort();
    }
}

/* The first byte says whether a stream is under way. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tp_pgo_message message;
    const char *why = NULL;
    if (size > 0 && tp_pgo_parse(data + 1, size - 1, (data[0] & 1) != 0, &message, &why)) {
        walk(&message, data, size);
    } else if (size > 0 && why == NULL) {
        abort();
    }
    return 0;
}
