/* Duplicates: the same function with the same arguments, timing and level, whose events and
 * condition another trigger of the table has as well.
 *
 * Recursion: from each trigger an edge to those that its function's writes fire. An edge to itself
 * is a recursion; for longer circles one walk in depth finds at least one circle of each knot, and
 * each table's circle is told once. A function or a condition that asks pg_trigger_depth() ends its
 * edges. */
#include "db/advice_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "db/advice_sql.h"
#include "pg/textarray.h"

#define EVENTS (TP_EVENT_INSERT | TP_EVENT_UPDATE | TP_EVENT_DELETE | TP_EVENT_TRUNCATE)
#define SHAPE (1u | 2u | 64u)

/* --- duplicates --------------------------------------------------------------------------------*/

static bool same_when(const tp_advice_trigger *wide, const tp_advice_trigger *narrow) {
    const char *a = NULL;
    const char *b = NULL;
    size_t a_length = 0;
    size_t b_length = 0;
    return tp_advice_when(wide, &a, &a_length) && tp_advice_when(narrow, &b, &b_length) &&
           (a_length == 0 || (a_length == b_length && memcmp(a, b, a_length) == 0));
}

/* Whether whatever fires the one fires the other as well. */
static bool covers(const tp_advice_trigger *wide, const tp_advice_trigger *narrow) {
    return (narrow->type & EVENTS & ~wide->type) == 0 &&
           (wide->of_columns[0] == '\0' || strcmp(wide->of_columns, narrow->of_columns) == 0) &&
           same_when(wide, narrow);
}

static bool comparable(const tp_advice_trigger *a, const tp_advice_trigger *b) {
    return a->table == b->table && strcmp(a->function_oid, b->function_oid) == 0 &&
           strcmp(a->arguments, b->arguments) == 0 && (a->type & SHAPE) == (b->type & SHAPE) &&
           strcmp(a->old_table, b->old_table) == 0 && strcmp(a->new_table, b->new_table) == 0 &&
           a->enabled == b->enabled && tp_advice_can_rewrite(a) && tp_advice_can_rewrite(b);
}

static void put_duplicate(tp_advice *advice, const tp_advice_trigger *kept,
                          const tp_advice_trigger *spare) {
    tp_finding finding = {.id = "duplicate_trigger",
                          .severity = "warning",
                          .table = spare->table,
                          .trigger = spare,
                          .why = "the function runs twice for the same event; where it adds up or "
                                 "sends something, that happens twice"};
    tp_strbuf_printf(&finding.message, "%s runs %s for the same events already", kept->quoted,
                     kept->function);
    tp_json_text(&finding.figures, "same_as", kept->name);
    tp_json_double(&finding.figures, "runs", tp_advice_runs(spare));
    tp_advice_sql_drop(&finding.sql, spare, NULL);
    tp_advice_sql_restore(&finding.undo, spare);
    tp_finding_put(advice, &finding);
}

static void judge_duplicates(tp_advice *advice) {
    const tp_advice_facts *facts = advice->facts;
    for (uint32_t i = 0; i < facts->trigger_count; i++) {
        const tp_advice_trigger *spare = &facts->triggers[i];
        bool told = false;
        for (uint32_t k = 0; !told && k < facts->trigger_count; k++) {
            const tp_advice_trigger *kept = &facts->triggers[k];
            if (k != i && comparable(kept, spare) && covers(kept, spare) &&
                (k < i || !covers(spare, kept))) {
                put_duplicate(advice, kept, spare);
                told = true;
            }
        }
    }
}

/* --- recursion ---------------------------------------------------------------------------------*/

static bool guarded(const tp_advice_trigger *trigger) {
    return trigger->body.depth_guard || strstr(trigger->definition, "pg_trigger_depth") != NULL;
}

/* Whether a list of columns (text of an array) has one that the statement sets. */
static bool sets_any(const tp_advice_trigger *writer, const tp_body_write *write,
                     const char *columns) {
    tp_textarray array = {0};
    tp_value value;
    bool found = write->more_columns;
    if (!tp_textarray_begin(&array, columns)) {
        return true;
    }
    while (!found && tp_textarray_next(&array, &value)) {
        for (uint32_t i = 0; !found && i < write->column_count; i++) {
            char *name = tp_lex_name(&writer->body.lexemes.items[write->columns[i]]);
            found = name == NULL ||
                    (strlen(name) == value.length && memcmp(name, value.data, value.length) == 0);
            free(name);
        }
    }
    tp_textarray_end(&array);
    return found;
}

static bool fires(const tp_advice_trigger *writer, const tp_body_write *write,
                  const tp_advice_trigger *fired) {
    static const uint32_t events[] = {TP_EVENT_INSERT, TP_EVENT_UPDATE, TP_EVENT_DELETE,
                                      TP_EVENT_TRUNCATE, 0};
    uint32_t hit = events[write->op] & fired->type;
    bool updates =
        write->op == TP_BODY_UPDATE || (write->op == TP_BODY_INSERT && write->column_count > 0);
    if (updates && (fired->type & TP_EVENT_UPDATE) != 0 &&
        (fired->of_columns[0] == '\0' || sets_any(writer, write, fired->of_column_array))) {
        return true;
    }
    return (hit & ~(uint32_t)TP_EVENT_UPDATE) != 0;
}

static void put_recursion(tp_advice *advice, const tp_advice_trigger *trigger) {
    tp_finding finding = {
        .id = "recursion",
        .severity = "warning",
        .table = trigger->table,
        .trigger = trigger,
        .why = "its function writes to its own table and so fires it again, until that finds "
               "nothing to do or the stack is full; each round is another statement",
        .steps =
            tp_advice_before(trigger) && tp_advice_by_row(trigger)
                ? "assign to NEW instead of updating the row"
                : "name the columns that concern it (UPDATE OF ..), so that its own writes are "
                  "none of them",
        .with_sql = "or use the SQL here, if it need not run for what other triggers write"};
    tp_strbuf_printf(&finding.message, "%s writes to %s, which fires it again", trigger->function,
                     trigger->table->quoted);
    tp_json_double(&finding.figures, "runs", tp_advice_runs(trigger));
    if (tp_advice_can_rewrite(trigger) && (trigger->type & 64u) == 0) {
        tp_trigger_shape fresh = {.when = "pg_catalog.pg_trigger_depth() < 1", .replace = true};
        tp_trigger_shape own = {.replace = true};
        tp_advice_sql_create(&finding.sql, trigger, &fresh);
        tp_advice_sql_create(&finding.undo, trigger, &own);
    }
    tp_finding_put(advice, &finding);
}

/* --- circles -----------------------------------------------------------------------------------*/

typedef struct walk {
    tp_advice *advice;
    uint32_t **targets; /* of each trigger; the first number is how many */
    uint8_t *colour;    /* 0: not seen, 1: on the path, 2: done */
    uint32_t *path;
    uint32_t *next; /* of each on the path: the target to look at */
    uint32_t depth;
} walk;

static void put_circle(walk *w, uint32_t from) {
    const tp_advice_trigger *all = w->advice->facts->triggers;
    const tp_advice_trigger *first = &all[w->path[from]];
    tp_finding finding = {.id = "trigger_cycle",
                          .severity = "warning",
                          .table = first->table,
                          .trigger = first,
                          .why = "triggers of several tables write to each other's tables: one "
                                 "statement may go round until the stack is full, and two that "
                                 "begin at different tables can deadlock",
                          .steps = "break the circle at one place",
                          .with_sql =
                              "the SQL here does so at this trigger, if it need not run for "
                              "what other triggers write"};
    tp_json_open(&finding.figures, "path", '[');
    for (uint32_t i = from; i < w->depth; i++) {
        const tp_advice_trigger *one = &all[w->path[i]];
        tp_strbuf_printf(&finding.message, "%s.%s writes to ", one->table->quoted, one->quoted);
        tp_json_text(&finding.figures, NULL, one->name);
    }
    tp_json_close(&finding.figures, ']');
    tp_strbuf_puts(&finding.message, first->table->quoted);
    if (tp_advice_can_rewrite(first) && (first->type & 64u) == 0) {
        tp_trigger_shape fresh = {.when = "pg_catalog.pg_trigger_depth() < 1", .replace = true};
        tp_trigger_shape own = {.replace = true};
        tp_advice_sql_create(&finding.sql, first, &fresh);
        tp_advice_sql_create(&finding.undo, first, &own);
    }
    tp_finding_put(w->advice, &finding);
}

static void enter(walk *w, uint32_t trigger) {
    w->colour[trigger] = 1;
    w->path[w->depth] = trigger;
    w->next[w->depth++] = 1;
}

static void step_to(walk *w, uint32_t target) {
    if (w->colour[target] == 0) {
        enter(w, target);
        return;
    }
    for (uint32_t i = 0; w->colour[target] == 1 && i < w->depth; i++) {
        if (w->path[i] == target) {
            put_circle(w, i);
            break;
        }
    }
}

static void walk_from(walk *w, uint32_t start) {
    enter(w, start);
    while (w->depth > 0) {
        uint32_t top = w->path[w->depth - 1];
        const uint32_t *targets = w->targets[top];
        uint32_t at = w->next[w->depth - 1]++;
        if (targets == NULL || at > targets[0]) {
            w->colour[top] = 2;
            w->depth--;
        } else {
            step_to(w, targets[at]);
        }
    }
}

/* The triggers of other tables that one fires; NULL: none. False when memory is short. */
static bool find_targets(tp_advice_facts *facts, uint32_t index, uint32_t **out) {
    const tp_advice_trigger *writer = &facts->triggers[index];
    uint32_t *found = calloc((size_t)facts->trigger_count + 1, sizeof *found);
    for (uint32_t i = 0; found != NULL && i < writer->body.write_count; i++) {
        const tp_body_write *write = &writer->body.writes[i];
        tp_advice_table *table = tp_advice_find_table(facts, writer, write->schema, write->name);
        for (uint32_t k = 0; table != NULL && table != writer->table && k < facts->trigger_count;
             k++) {
            const tp_advice_trigger *fired = &facts->triggers[k];
            bool known = false;
            for (uint32_t n = 1; n <= found[0]; n++) {
                known = known || found[n] == k;
            }
            if (fired->table == table && !known && !guarded(fired) && fires(writer, write, fired)) {
                found[++found[0]] = k;
            }
        }
    }
    *out = found;
    return found != NULL;
}

static bool recurses(tp_advice_facts *facts, const tp_advice_trigger *trigger) {
    for (uint32_t i = 0; i < trigger->body.write_count; i++) {
        const tp_body_write *write = &trigger->body.writes[i];
        if (tp_advice_find_table(facts, trigger, write->schema, write->name) == trigger->table &&
            fires(trigger, write, trigger)) {
            return true;
        }
    }
    return false;
}

static bool prepare(walk *w) {
    tp_advice_facts *facts = w->advice->facts;
    size_t count = (size_t)facts->trigger_count + 1;
    w->targets = calloc(count, sizeof *w->targets);
    w->colour = calloc(count, 1);
    w->path = calloc(count, sizeof *w->path);
    w->next = calloc(count, sizeof *w->next);
    bool good = w->targets != NULL && w->colour != NULL && w->path != NULL && w->next != NULL;
    for (uint32_t i = 0; good && i < facts->trigger_count; i++) {
        const tp_advice_trigger *trigger = &facts->triggers[i];
        if (trigger->body.write_count > 0 && !guarded(trigger)) {
            good = find_targets(facts, i, &w->targets[i]);
            if (recurses(facts, trigger)) {
                put_recursion(w->advice, trigger);
            }
        }
    }
    return good;
}

static void release(walk *w) {
    for (uint32_t i = 0; w->targets != NULL && i < w->advice->facts->trigger_count; i++) {
        free(w->targets[i]);
    }
    free(w->targets);
    free(w->colour);
    free(w->path);
    free(w->next);
}

int32_t tp_advice_pairs_judge(tp_advice *advice, trigperf_error **err) {
    walk w = {.advice = advice};
    judge_duplicates(advice);
    bool good = prepare(&w);
    for (uint32_t i = 0; good && i < advice->facts->trigger_count; i++) {
        if (w.colour[i] == 0) {
            walk_from(&w, i);
        }
    }
    release(&w);
    return good ? TRIGPERF_OK : tp_error_nomem(err);
}
