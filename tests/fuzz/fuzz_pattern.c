/* Patterns and texts: the first line is the pattern, the rest the text. What is accepted matches
 * within its bounds, and what both syntaxes accept means the same in both. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/pattern.h"
#include "core/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *pattern = (const char *)data;
    const char *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t length = end == NULL ? size : (size_t)(end - pattern);
    const char *text = end == NULL ? pattern + size : end + 1;
    size_t left = size - (size_t)(text - pattern);
    tp_pattern *own = NULL;
    tp_pattern *shared = NULL;
    trigperf_error *error = NULL;
    int32_t status = tp_pattern_new(pattern, length, TP_PATTERN_OWN, &own, &error);
    if (status != TRIGPERF_OK && trigperf_error_message(error)[0] == '\0') {
        abort();
    }
    tp_pattern_new(pattern, length, TP_PATTERN_SHARED, &shared, NULL);
    if (own != NULL && tp_utf8_check(text, left, NULL)) {
        tp_pattern_answer answer = tp_pattern_find(own, text, left);
        if (shared != NULL && tp_pattern_find(shared, text, left) != answer) {
            abort();
        }
    } else if (own == NULL && shared != NULL) {
        abort();
    }
    tp_pattern_free(own);
    tp_pattern_free(shared);
    trigperf_error_free(error);
    return 0;
}
