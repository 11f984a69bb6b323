/* The server's own definition of the function (pg_get_functiondef) is taken apart at its name and
 * its body, which are known, so that everything else stays: SECURITY DEFINER, settings, cost. */
#include "db/advice_rewrite.h"

#include <string.h>

#include "db/sqltext.h"

#define TAG "$trigperf$"

static size_t quotes(const tp_advice_trigger *trigger, uint32_t lexeme) {
    return trigger->body.lexemes.items[lexeme].kind == TP_LEX_NAME ? 1 : 0;
}

size_t tp_advice_begins(const tp_advice_trigger *trigger, uint32_t lexeme) {
    const tp_lexeme *one = &trigger->body.lexemes.items[lexeme];
    return (size_t)(one->text - trigger->source) - quotes(trigger, lexeme);
}

static size_t ends(const tp_advice_trigger *trigger, uint32_t lexeme) {
    const tp_lexeme *one = &trigger->body.lexemes.items[lexeme];
    return (size_t)(one->text - trigger->source) + one->length + quotes(trigger, lexeme);
}

void tp_advice_put_source(tp_strbuf *out, const tp_advice_trigger *trigger, uint32_t first,
                          uint32_t last) {
    if (last > first) {
        size_t from = tp_advice_begins(trigger, first);
        tp_strbuf_add(out, trigger->source + from, ends(trigger, last - 1) - from);
    }
}

/* Where the options behind the name begin and end; false when the definition reads otherwise. */
static bool find_options(const tp_advice_trigger *trigger, const char **from, const char **to) {
    static const char start[] = "CREATE OR REPLACE FUNCTION ";
    const char *text = trigger->function_definition;
    size_t name = strlen(trigger->function);
    if (strncmp(text, start, sizeof start - 1) != 0 ||
        strncmp(text + sizeof start - 1, trigger->function, name) != 0) {
        return false;
    }
    *from = text + sizeof start - 1 + name;
    *to = strstr(*from, "\nAS $");
    const char *body = *to == NULL ? NULL : strchr(*to + 5, '$');
    return body != NULL && strncmp(*from, "()", 2) == 0 &&
           strncmp(body + 1, trigger->source, strlen(trigger->source)) == 0;
}

bool tp_advice_rewrite(tp_strbuf *out, const tp_advice_trigger *trigger, const char *name,
                       const char *body) {
    const char *from = NULL;
    const char *to = NULL;
    if (trigger->source[0] == '\0' || strstr(body, TAG) != NULL ||
        !find_options(trigger, &from, &to)) {
        return false;
    }
    tp_strbuf_printf(out, "CREATE %sFUNCTION %s", name == NULL ? "OR REPLACE " : "",
                     name == NULL ? trigger->function : name);
    tp_strbuf_add(out, from, (size_t)(to - from));
    tp_strbuf_printf(out, "\nAS " TAG "%s" TAG ";\n", body);
    if (name != NULL) {
        tp_strbuf_printf(out, "ALTER FUNCTION %s() OWNER TO ", name);
        tp_sql_ident(out, trigger->owner);
        tp_strbuf_puts(out, ";\n");
    }
    return true;
}

void tp_advice_rewrite_undo(tp_strbuf *out, const tp_advice_trigger *trigger) {
    size_t length = strlen(trigger->function_definition);
    while (length > 0 && trigger->function_definition[length - 1] == '\n') {
        length--;
    }
    tp_strbuf_add(out, trigger->function_definition, length);
    tp_strbuf_puts(out, ";\n");
}
