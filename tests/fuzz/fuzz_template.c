/* Templates of cache keys: whatever is accepted can be rendered, and a key begins with the prefix
 * that a resync would name. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const tp_template *parsed) {
    const tp_value values[] = {{"9", 1}, {"a:b", 3}};
    const char *prefix = tp_template_prefix(parsed);
    tp_strbuf key = TP_STRBUF_INIT;
    if (tp_template_render(parsed, values, &key) &&
        strncmp(tp_strbuf_str(&key), prefix, strlen(prefix)) != 0) {
        abort();
    }
    if (tp_template_scope_length(parsed) > strlen(prefix)) {
        abort();
    }
    tp_strbuf_free(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"id", "user_id"};
    char *text = malloc(size + 1);
    tp_template *parsed = NULL;
    trigperf_error *error = NULL;
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    if (tp_template_parse(text, names, 2, &parsed, &error) == TRIGPERF_OK) {
        check_key(parsed);
        if (tp_template_check(text, NULL) != TRIGPERF_OK) {
            abort();
        }
    }
    tp_template_free(parsed);
    trigperf_error_free(error);
    free(text);
    return 0;
}
