/* Bodies of trigger functions: whatever they are, what is found lies inside them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/trigger_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds) {
    if (!holds) {
        abort();
    }
}

static void check(const tp_trigger_body *body, const char *source, size_t length) {
    for (uint32_t i = 0; i < body->lexemes.count; i++) {
        const tp_lexeme *one = &body->lexemes.items[i];
        must(one->text >= source && one->text + one->length <= source + length);
        char *name = tp_lex_name(one);
        must(one->kind != TP_LEX_WORD || tp_lex_names(one, name));
        free(name);
    }
    for (uint32_t i = 0; i < body->write_count; i++) {
        const tp_body_write *write = &body->writes[i];
        must(write->name < body->lexemes.count && write->column_count <= TP_BODY_COLUMNS);
        must(write->schema == TP_BODY_NONE || write->schema < write->name);
        for (uint32_t k = 0; k < write->column_count; k++) {
            must(write->columns[k] < body->lexemes.count);
        }
    }
    must(body->guard_first + body->guard_count <= body->lexemes.count);
    must(body->write_handlers <= body->handlers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *source = malloc(size + 1);
    tp_trigger_body body;
    memcpy(source, data, size);
    source[size] = '\0';
    if (tp_trigger_body_read(source, &body, NULL) == TRIGPERF_OK) {
        check(&body, source, strlen(source));
        tp_trigger_body_free(&body);
    }
    free(source);
    return 0;
}
