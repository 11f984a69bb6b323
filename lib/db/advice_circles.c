/* From each trigger there is an edge to those that its function's writes fire, of any table. A
 * function or a condition that asks pg_trigger_depth() is taken to know what it does: it has none.
 *
 * An edge to itself is a recursion. Of longer circles, the shortest one through a trigger is told,
 * and then none of the others on it is asked again: so each trigger that is on a circle is in a
 * finding, and a knot of many circles does not fill the page. When a table is asked for, the walk
 * begins at its triggers. Circles all of whose triggers fire themselves as well are told as such.
 */
#include "db/advice_circles.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "db/advice_sql.h"
#include "pg/textarray.h"

#define OUTERMOST "pg_catalog.pg_trigger_depth() < 1"

/* --- edges -------------------------------------------------------------------------------------*/

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

typedef struct walk {
    tp_advice *advice;
    uint32_t **targets; /* of each trigger; the first number is how many */
    uint32_t *from;     /* in the walk under way: who fires it, plus one; 0: not reached */
    uint32_t *queue;
    bool *recurses;
    bool *told;
} walk;

static void add_target(uint32_t *targets, uint32_t target) {
    for (uint32_t i = 1; i <= targets[0]; i++) {
        if (targets[i] == target) {
            return;
        }
    }
    targets[++targets[0]] = target;
}

static void find_fired(walk *w, uint32_t index, const tp_body_write *write) {
    tp_advice_facts *facts = w->advice->facts;
    const tp_advice_trigger *writer = &facts->triggers[index];
    tp_advice_table *table = tp_advice_find_table(facts, writer, write->schema, write->name);
    for (uint32_t k = 0; table != NULL && k < facts->trigger_count; k++) {
        const tp_advice_trigger *fired = &facts->triggers[k];
        if (fired->table != table || guarded(fired) || !fires(writer, write, fired)) {
            continue;
        }
        if (k == index) {
            w->recurses[index] = true;
        } else {
            add_target(w->targets[index], k);
        }
    }
}

/* False when memory is short. */
static bool find_edges(walk *w) {
    const tp_advice_facts *facts = w->advice->facts;
    for (uint32_t i = 0; i < facts->trigger_count; i++) {
        const tp_advice_trigger *trigger = &facts->triggers[i];
        if (trigger->body.write_count == 0 || guarded(trigger)) {
            continue;
        }
        w->targets[i] = calloc((size_t)facts->trigger_count + 1, sizeof **w->targets);
        if (w->targets[i] == NULL) {
            return false;
        }
        for (uint32_t k = 0; k < trigger->body.write_count; k++) {
            find_fired(w, i, &trigger->body.writes[k]);
        }
    }
    return true;
}

/* --- findings ----------------------------------------------------------------------------------*/

static bool can_break(const tp_advice_trigger *trigger) {
    return tp_advice_can_rewrite(trigger) && (trigger->type & 64u) == 0;
}

/* Fires it only for what no other trigger wrote. */
static void put_break(const tp_advice_trigger *trigger, tp_finding *finding) {
    tp_trigger_shape fresh = {.when = OUTERMOST, .replace = true};
    tp_trigger_shape own = {.replace = true};
    tp_advice_sql_create(&finding->sql, trigger, &fresh);
    tp_advice_sql_create(&finding->undo, trigger, &own);
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
    finding.no_sql = tp_advice_why_not(trigger);
    if (can_break(trigger)) {
        put_break(trigger, &finding);
    }
    tp_finding_put(advice, &finding);
}

/* The one at which the circle can be broken, from its first trigger on; NULL: none. */
static const tp_advice_trigger *find_breaker(const walk *w, const uint32_t *path, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        const tp_advice_trigger *one = &w->advice->facts->triggers[path[i]];
        if (can_break(one)) {
            return one;
        }
    }
    return NULL;
}

static void put_circle(const walk *w, const uint32_t *path, uint32_t length) {
    const tp_advice_trigger *all = w->advice->facts->triggers;
    const tp_advice_trigger *breaker = find_breaker(w, path, length);
    tp_finding finding = {
        .id = "trigger_cycle",
        .severity = "warning",
        .table = all[path[0]].table,
        .trigger = &all[path[0]],
        .why = "triggers fire each other: one statement may go round until the stack is full, and "
               "two that begin at different tables can deadlock",
        .steps = "break the circle at one place",
        .with_sql = "the SQL here does so at the trigger named by breaks_at, if that need not run "
                    "for what other triggers write",
        .no_sql = "none of its triggers can be written exactly as the server describes it"};
    tp_json_open(&finding.figures, "path", '[');
    for (uint32_t i = 0; i < length; i++) {
        const tp_advice_trigger *one = &all[path[i]];
        tp_strbuf_printf(&finding.message, "%s.%s writes to ", one->table->quoted, one->quoted);
        tp_json_text(&finding.figures, NULL, one->name);
    }
    tp_json_close(&finding.figures, ']');
    tp_json_text(&finding.figures, "breaks_at", breaker == NULL ? NULL : breaker->name);
    tp_strbuf_puts(&finding.message, all[path[0]].table->quoted);
    if (breaker != NULL) {
        put_break(breaker, &finding);
    }
    tp_finding_put(w->advice, &finding);
}

/* --- walking -----------------------------------------------------------------------------------*/

/* Breadth first, until the start is met again; the length of the circle, 0: there is none. Behind
 * it `from` leads back along the shortest one. */
static uint32_t walk_round(walk *w, uint32_t start) {
    uint32_t head = 0;
    uint32_t tail = 0;
    memset(w->from, 0, ((size_t)w->advice->facts->trigger_count + 1) * sizeof *w->from);
    w->queue[tail++] = start;
    while (head < tail && w->from[start] == 0) {
        uint32_t at = w->queue[head++];
        const uint32_t *targets = w->targets[at];
        for (uint32_t i = 1; targets != NULL && i <= targets[0]; i++) {
            if (w->from[targets[i]] == 0) {
                w->from[targets[i]] = at + 1;
                w->queue[tail++] = targets[i];
            }
        }
    }
    uint32_t length = w->from[start] == 0 ? 0 : 1;
    for (uint32_t at = w->from[start]; length > 0 && at - 1 != start; at = w->from[at - 1]) {
        length++;
    }
    return length;
}

/* The path in order, in the place of the queue. */
static void lay_path(walk *w, uint32_t start, uint32_t length) {
    uint32_t at = start;
    for (uint32_t i = length; i > 0; i--) {
        at = w->from[at] - 1;
        w->queue[i - 1] = at;
    }
}

static void judge_circle(walk *w, uint32_t start) {
    uint32_t length = walk_round(w, start);
    bool all_recurse = true;
    lay_path(w, start, length);
    for (uint32_t i = 0; i < length; i++) {
        w->told[w->queue[i]] = true;
        all_recurse = all_recurse && w->recurses[w->queue[i]];
    }
    if (length > 0 && !all_recurse) {
        put_circle(w, w->queue, length);
    }
}

static bool prepare(walk *w) {
    size_t count = (size_t)w->advice->facts->trigger_count + 1;
    w->targets = calloc(count, sizeof *w->targets);
    w->from = calloc(count, sizeof *w->from);
    w->queue = calloc(count + 1, sizeof *w->queue);
    w->recurses = calloc(count, sizeof *w->recurses);
    w->told = calloc(count, sizeof *w->told);
    return w->targets != NULL && w->from != NULL && w->queue != NULL && w->recurses != NULL &&
           w->told != NULL && find_edges(w);
}

static void release(walk *w) {
    for (uint32_t i = 0; w->targets != NULL && i < w->advice->facts->trigger_count; i++) {
        free(w->targets[i]);
    }
    free(w->targets);
    free(w->from);
    free(w->queue);
    free(w->recurses);
    free(w->told);
}

int32_t tp_advice_circles_judge(tp_advice *advice, trigperf_error **err) {
    walk w = {.advice = advice};
    bool good = prepare(&w);
    for (uint32_t i = 0; good && i < advice->facts->trigger_count; i++) {
        const tp_advice_trigger *trigger = &advice->facts->triggers[i];
        bool asked = advice->only == NULL || strcmp(advice->only, trigger->table->oid) == 0;
        if (asked && w.recurses[i]) {
            put_recursion(advice, trigger);
        }
        if (asked && w.targets[i] != NULL && !w.told[i]) {
            judge_circle(&w, i);
        }
    }
    release(&w);
    return good ? TRIGPERF_OK : tp_error_nomem(err);
}
