/* Each value is its length (four bytes, all ones for NULL), its bytes and a NUL, which costs one
 * byte and lets values be handed out as C strings without another copy. */
#include "core/tuple.h"

#include <string.h>

#define NULL_LENGTH UINT32_MAX

uint64_t tp_tuple_length(const tp_value *values, uint32_t count) {
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        length += sizeof(uint32_t);
        length += values[i].data == NULL ? 0 : (uint64_t)values[i].length + 1;
        if (values[i].data != NULL && values[i].length == NULL_LENGTH) {
            return UINT64_MAX;
        }
    }
    return length;
}

void tp_tuple_encode(const tp_value *values, uint32_t count, char *out) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = values[i].data == NULL ? NULL_LENGTH : values[i].length;
        memcpy(out, &length, sizeof length);
        out += sizeof length;
        if (values[i].data != NULL) {
            memcpy(out, values[i].data, length);
            out[length] = '\0';
            out += (size_t)length + 1;
        }
    }
}

tp_value tp_tuple_value(const char *tuple, uint32_t i) {
    for (;; i--) {
        uint32_t length;
        memcpy(&length, tuple, sizeof length);
        tuple += sizeof length;
        if (i == 0) {
            return length == NULL_LENGTH ? (tp_value){NULL, 0} : (tp_value){tuple, length};
        }
        tuple += length == NULL_LENGTH ? 0 : (size_t)length + 1;
    }
}
