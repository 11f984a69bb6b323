/* One allocation and one copy. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

char *tp_text_copy(const char *text) {
    return tp_text_copy_bytes(text, strlen(text));
}

char *tp_text_copy_bytes(const char *bytes, size_t length) {
    char *copy = malloc(length + 1);
    if (copy != NULL) {
        if (length > 0) {
            memcpy(copy, bytes, length);
        }
        copy[length] = '\0';
    }
    return copy;
}
