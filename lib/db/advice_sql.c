/* A trigger is written from its parts as the server would write it. Before anything is proposed,
 * the parts are put together unchanged and compared with pg_get_triggerdef(): where these differ we
 * have not understood the trigger, and propose nothing.
 *
 * CREATE OR REPLACE TRIGGER keeps the comment and forgets ENABLE REPLICA or ALWAYS, which is set
 * again behind it; DROP forgets both. */
#include "db/advice_sql.h"

#include <libpq-fe.h>
#include <string.h>

#include "db/sqltext.h"

static void put_events(tp_strbuf *out, const tp_advice_trigger *trigger, uint32_t events) {
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{TP_EVENT_INSERT, "INSERT"},
                 {TP_EVENT_DELETE, "DELETE"},
                 {TP_EVENT_UPDATE, "UPDATE"},
                 {TP_EVENT_TRUNCATE, "TRUNCATE"}};
    const char *before = " ";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((events & names[i].bit) != 0) {
            tp_strbuf_puts(out, before);
            tp_strbuf_puts(out, names[i].name);
            if (names[i].bit == TP_EVENT_UPDATE && trigger->of_columns[0] != '\0') {
                tp_strbuf_printf(out, " OF %s", trigger->of_columns);
            }
            before = " OR ";
        }
    }
}

static void put_transition(tp_strbuf *out, const tp_advice_trigger *trigger) {
    if (trigger->old_table[0] == '\0' && trigger->new_table[0] == '\0') {
        return;
    }
    tp_strbuf_puts(out, "REFERENCING ");
    if (trigger->old_table[0] != '\0') {
        tp_strbuf_printf(out, "OLD TABLE AS %s ", trigger->old_table);
    }
    if (trigger->new_table[0] != '\0') {
        tp_strbuf_printf(out, "NEW TABLE AS %s ", trigger->new_table);
    }
}

/* As the server writes it: backslashes stand for themselves. */
static void put_argument(tp_strbuf *out, const char *argument) {
    tp_strbuf_putc(out, '\'');
    for (; *argument != '\0'; argument++) {
        tp_strbuf_puts(out, *argument == '\'' ? "\'" : "");
        tp_strbuf_putc(out, *argument);
    }
    tp_strbuf_putc(out, '\'');
}

/* The arguments stand one after the other, each ended by a zero byte. */
static void put_arguments(tp_strbuf *out, const tp_advice_trigger *trigger) {
    size_t length = 0;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)trigger->arguments, &length);
    if (bytes == NULL) {
        out->failed = true;
        return;
    }
    for (size_t at = 0; at < length;) {
        const char *argument = (const char *)bytes + at;
        tp_strbuf_puts(out, at > 0 ? ", " : "");
        put_argument(out, argument);
        at += strlen(argument) + 1;
    }
    PQfreemem(bytes);
}

static const char *timing(const tp_advice_trigger *trigger) {
    return (trigger->type & 2u) != 0    ? "BEFORE"
           : (trigger->type & 64u) != 0 ? "INSTEAD OF"
                                        : "AFTER";
}

static void put_tail(tp_strbuf *out, const tp_advice_trigger *trigger) {
    tp_strbuf_printf(out, "EXECUTE FUNCTION %s(", trigger->function);
    put_arguments(out, trigger);
    tp_strbuf_puts(out, ")");
}

/* Everything up to WHEN. */
static void put_head(tp_strbuf *out, const tp_advice_trigger *trigger,
                     const tp_trigger_shape *shape) {
    uint32_t events = shape->events == 0 ? trigger->type : shape->events;
    tp_strbuf_printf(out, "CREATE %sTRIGGER %s %s", shape->replace ? "OR REPLACE " : "",
                     shape->quoted == NULL ? trigger->quoted : shape->quoted, timing(trigger));
    put_events(out, trigger, events);
    tp_strbuf_printf(out, " ON %s ", trigger->table->quoted);
    put_transition(out, trigger);
    tp_strbuf_printf(out, "FOR EACH %s ", tp_advice_by_row(trigger) ? "ROW" : "STATEMENT");
}

bool tp_advice_when(const tp_advice_trigger *trigger, const char **when, size_t *length) {
    tp_trigger_shape own = {0};
    tp_strbuf head = TP_STRBUF_INIT;
    tp_strbuf tail = TP_STRBUF_INIT;
    put_head(&head, trigger, &own);
    put_tail(&tail, trigger);
    size_t all = strlen(trigger->definition);
    bool fits = !head.failed && !tail.failed && all >= head.length + tail.length &&
                memcmp(trigger->definition, head.data, head.length) == 0 &&
                memcmp(trigger->definition + all - tail.length, tail.data, tail.length) == 0;
    if (fits) {
        *when = trigger->definition + head.length;
        *length = all - head.length - tail.length;
        fits = trigger->has_when ? *length > 7 && memcmp(*when, "WHEN (", 6) == 0 : *length == 0;
    }
    tp_strbuf_free(&head);
    tp_strbuf_free(&tail);
    return fits;
}

bool tp_advice_can_rewrite(const tp_advice_trigger *trigger) {
    const char *when = NULL;
    size_t length = 0;
    return !trigger->constraint && !trigger->of_extension &&
           tp_advice_when(trigger, &when, &length);
}

const char *tp_advice_why_not(const tp_advice_trigger *trigger) {
    return trigger->constraint     ? "a constraint trigger cannot be replaced"
           : trigger->of_extension ? "it belongs to an extension"
           : tp_advice_can_rewrite(trigger)
               ? NULL
               : "it could not be written exactly as the server describes it";
}

void tp_advice_sql_enable(tp_strbuf *out, const tp_advice_trigger *trigger, char state,
                          const char *quoted) {
    static const char *const words[] = {"ENABLE", "ENABLE REPLICA", "ENABLE ALWAYS", "DISABLE"};
    const char *word = words[state == 'R' ? 1 : state == 'A' ? 2 : state == 'D' ? 3 : 0];
    tp_strbuf_printf(out, "ALTER TABLE %s %s TRIGGER %s;\n", trigger->table->quoted, word,
                     quoted == NULL ? trigger->quoted : quoted);
}

void tp_advice_sql_create(tp_strbuf *out, const tp_advice_trigger *trigger,
                          const tp_trigger_shape *shape) {
    const char *when = NULL;
    size_t length = 0;
    if (!tp_advice_when(trigger, &when, &length)) {
        out->failed = true; /* asked before, so only memory can be short */
        return;
    }
    put_head(out, trigger, shape);
    if (length > 0 && shape->when != NULL) {
        tp_strbuf_puts(out, "WHEN (");
        tp_strbuf_add(out, when + 5, length - 6);
        tp_strbuf_printf(out, " AND (%s)) ", shape->when);
    } else if (shape->when != NULL) {
        tp_strbuf_printf(out, "WHEN (%s) ", shape->when);
    } else {
        tp_strbuf_add(out, when, length);
    }
    put_tail(out, trigger);
    tp_strbuf_puts(out, ";\n");
    if (trigger->enabled != 'O') {
        tp_advice_sql_enable(out, trigger, trigger->enabled, shape->quoted);
    }
}

void tp_advice_sql_restore(tp_strbuf *out, const tp_advice_trigger *trigger) {
    tp_strbuf_printf(out, "%s;\n", trigger->definition);
    if (trigger->enabled != 'O') {
        tp_advice_sql_enable(out, trigger, trigger->enabled, NULL);
    }
    tp_advice_sql_comment(out, trigger);
}

void tp_advice_sql_comment(tp_strbuf *out, const tp_advice_trigger *trigger) {
    if (trigger->comment != NULL) {
        tp_strbuf_printf(out, "COMMENT ON TRIGGER %s ON %s IS ", trigger->quoted,
                         trigger->table->quoted);
        tp_sql_literal(out, trigger->comment);
        tp_strbuf_puts(out, ";\n");
    }
}

void tp_advice_sql_drop(tp_strbuf *out, const tp_advice_trigger *trigger, const char *quoted) {
    tp_strbuf_printf(out, "DROP TRIGGER %s ON %s;\n", quoted == NULL ? trigger->quoted : quoted,
                     trigger->table->quoted);
}
