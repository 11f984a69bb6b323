/* How a trigger is declared. A row trigger costs its function's entry for each row (2 us and more);
 * WHEN that is false costs 0.3 to 4 us, a statement trigger with transition tables 0.4 to 0.9 us a
 * row. So rows are kept from the function where the declaration can do it.
 *
 * Rows that an UPDATE leaves as they were are told by image (*<>), which works for every type and
 * never misses a change. */
#include "db/advice_shape.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "db/advice_sql.h"
#include "db/sqltext.h"

#define BULK_ROWS 20.0
#define MANY_ROWS 10000.0
#define UNKNOWN_ROWS 100000.0
#define CHEAP_MS 0.005
#define DIFFERS "OLD.* OPERATOR(pg_catalog.*<>) NEW.*"

/* BEFORE triggers cannot see generated columns in a whole row. */
static bool may_compare_rows(const tp_advice_trigger *trigger) {
    return tp_advice_can_rewrite(trigger) &&
           !(tp_advice_before(trigger) && trigger->table->generated);
}

static bool has_trigger(const tp_advice *advice, const tp_advice_table *table, const char *name) {
    for (uint32_t i = 0; i < advice->facts->trigger_count; i++) {
        const tp_advice_trigger *one = &advice->facts->triggers[i];
        if (one->table == table && strcmp(one->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A condition on OLD needs a trigger for UPDATE alone: other events keep one of their own. */
static void split(const tp_advice *advice, const tp_advice_trigger *trigger, tp_finding *finding) {
    char name[64];
    int length = snprintf(name, sizeof name, "%s_update", trigger->name);
    if (length >= (int)sizeof name || has_trigger(advice, trigger->table, name) ||
        tp_advice_before(trigger)) {
        return; /* the order of BEFORE triggers is that of their names */
    }
    tp_strbuf quoted = TP_STRBUF_INIT;
    tp_sql_ident(&quoted, name);
    tp_trigger_shape rest = {.events = trigger->type & ~(uint32_t)TP_EVENT_UPDATE, .replace = true};
    tp_trigger_shape update = {tp_strbuf_str(&quoted), TP_EVENT_UPDATE, DIFFERS, false};
    tp_trigger_shape own = {.replace = true};
    tp_advice_sql_create(&finding->sql, trigger, &rest);
    tp_advice_sql_create(&finding->sql, trigger, &update);
    tp_advice_sql_drop(&finding->undo, trigger, update.quoted);
    tp_advice_sql_create(&finding->undo, trigger, &own);
    finding->sql.failed = finding->sql.failed || quoted.failed;
    tp_strbuf_free(&quoted);
}

static void add_condition(const tp_advice *advice, const tp_advice_trigger *trigger,
                          const char *when, tp_finding *finding) {
    uint32_t events = trigger->type & (TP_EVENT_INSERT | TP_EVENT_UPDATE | TP_EVENT_DELETE);
    if (events == TP_EVENT_UPDATE) {
        tp_trigger_shape fresh = {.when = when, .replace = true};
        tp_trigger_shape own = {.replace = true};
        tp_advice_sql_create(&finding->sql, trigger, &fresh);
        tp_advice_sql_create(&finding->undo, trigger, &own);
    } else if ((events & TP_EVENT_UPDATE) != 0 && trigger->of_columns[0] == '\0') {
        split(advice, trigger, finding);
    }
}

/* Why a condition on the row could not be proposed. */
static const char *why_no_condition(const tp_advice_trigger *trigger) {
    const char *reason = tp_advice_why_not(trigger);
    return reason != NULL ? reason
           : (trigger->type & TP_EVENT_UPDATE) == 0 && tp_advice_before(trigger)
               ? "a condition would not help: each row of an INSERT or DELETE is one that changed"
           : (trigger->type & TP_EVENT_UPDATE) == 0 ? "a condition would not help: each row of "
                                                      "an INSERT or DELETE is one that changed, "
                                                      "and how to group what the function does "
                                                      "for each of them, its text does not say"
           : !may_compare_rows(trigger)             ? "a BEFORE trigger cannot compare whole "
                                                      "rows of a table with generated columns"
                                                    : "UPDATE would need a trigger of its own, "
                                                      "with another place in the order or a "
                                                      "name that is taken";
}

static const char bulk_why[] =
    "its function is entered for each row: a statement of many rows pays many times for what a "
    "statement trigger with transition tables does once, grouped";

static const char stays_why[] =
    "its function is entered for each row; a BEFORE trigger that sets or refuses rows, and a "
    "constraint trigger, have to see each one, so no statement trigger can take its place";
static const char stays_steps[] =
    "keep the function small, and rows that do not concern it away from it (UPDATE OF .., WHEN)";

/* One that sets or refuses rows before they are written, or that a constraint defers, has to see
 * each row: no statement trigger can take its place. */
static bool must_see_rows(const tp_advice_trigger *trigger) {
    return tp_advice_before(trigger) || trigger->constraint;
}

static const char *bulk_severity(const tp_advice_trigger *trigger, double each) {
    bool cheap = trigger->calls > 0 && trigger->total_ms / trigger->calls < CHEAP_MS;
    return must_see_rows(trigger) || cheap                      ? "info"
           : each >= 10 * BULK_ROWS || trigger->body.aggregates ? "critical"
                                                                : "warning";
}

/* What is said of the counter says more. */
static bool counts(const tp_advice_trigger *trigger) {
    bool increments = false;
    for (uint32_t i = 0; i < trigger->body.write_count; i++) {
        increments = increments || trigger->body.writes[i].increments;
    }
    return increments;
}

static bool judge_bulk(tp_advice *advice, const tp_advice_trigger *trigger) {
    const char *source = NULL;
    double rows = tp_advice_rows(trigger->table, trigger->type);
    double each =
        tp_advice_rows_per_statement(advice->facts, trigger->table, trigger->type, &source);
    if (rows < MANY_ROWS || each < BULK_ROWS) {
        return false;
    }
    if (counts(trigger)) {
        return true;
    }
    bool stays = must_see_rows(trigger);
    tp_finding finding = {
        .id = "row_trigger_on_bulk_table",
        .severity = bulk_severity(trigger, each),
        .table = trigger->table,
        .trigger = trigger,
        .why = stays ? stays_why : bulk_why,
        .steps = stays ? stays_steps
                       : "where the function allows it, write it as AFTER .. REFERENCING NEW TABLE "
                         "AS .. FOR "
                         "EACH STATEMENT with one grouped statement over the transition table",
        .with_sql = "the SQL here only keeps rows from it that an UPDATE left as they were: use it "
                    "if nothing must happen for those",
        .no_sql = why_no_condition(trigger)};
    tp_strbuf_printf(&finding.message,
                     "a row trigger without WHEN ran for %.0f rows, %.0f a statement (%s)", rows,
                     each, source);
    tp_json_double(&finding.figures, "rows", rows);
    tp_json_double(&finding.figures, "rows_per_statement", each);
    tp_json_text(&finding.figures, "estimated_from", source);
    tp_json_bool(&finding.figures, "aggregates_per_row", trigger->body.aggregates);
    tp_finding_times(&finding);
    if (may_compare_rows(trigger)) {
        add_condition(advice, trigger, DIFFERS, &finding);
    }
    tp_finding_put(advice, &finding);
    return true;
}

/* Of the counters of tables and transactions no size of statements can be told where others read
 * much: then many rows alone are worth a question. */
static void judge_unknown(tp_advice *advice, const tp_advice_trigger *trigger) {
    double rows = tp_advice_rows(trigger->table, trigger->type);
    if (rows < UNKNOWN_ROWS || tp_advice_rows_counted(trigger->table, trigger->type)) {
        return;
    }
    tp_finding finding = {
        .id = "row_trigger_on_bulk_table",
        .severity = "info",
        .table = trigger->table,
        .trigger = trigger,
        .why = bulk_why,
        .steps = "install pg_stat_statements, so that the size of the statements is known, and ask "
                 "again; if they write many rows each, a statement trigger with transition tables "
                 "costs less",
        .no_sql = "whether many rows came with one statement is not known"};
    tp_strbuf_printf(&finding.message,
                     "a row trigger without WHEN ran for %.0f rows; how many a statement is not "
                     "known without pg_stat_statements",
                     rows);
    tp_json_double(&finding.figures, "rows", rows);
    tp_json_null(&finding.figures, "rows_per_statement");
    tp_json_text(&finding.figures, "estimated_from", "not known without pg_stat_statements");
    tp_json_bool(&finding.figures, "aggregates_per_row", trigger->body.aggregates);
    tp_finding_times(&finding);
    tp_finding_put(advice, &finding);
}

/* The guard's own words. */
static void put_guard(tp_strbuf *out, const tp_trigger_body *body) {
    for (uint32_t i = 0; i < body->guard_count; i++) {
        const tp_lexeme *one = &body->lexemes.items[body->guard_first + i];
        const char *quote = one->kind == TP_LEX_NAME ? "\"" : "";
        tp_strbuf_puts(out, i > 0 ? " " : "");
        tp_strbuf_puts(out, quote);
        tp_strbuf_add(out, one->text, one->length);
        tp_strbuf_puts(out, quote);
    }
}

static void judge_guard(tp_advice *advice, const tp_advice_trigger *trigger) {
    tp_strbuf guard = TP_STRBUF_INIT;
    tp_finding finding = {
        .id = "guard_inside_function",
        .severity = "info",
        .table = trigger->table,
        .trigger = trigger,
        .why = "the function is entered for each row and leaves at once when nothing of interest "
               "changed; the same condition as WHEN is looked at without entering it"};
    put_guard(&guard, &trigger->body);
    tp_strbuf_printf(&finding.message, "%.0f rows were updated; the function begins with IF %s",
                     trigger->table->updated, tp_strbuf_str(&guard));
    tp_json_double(&finding.figures, "updated", trigger->table->updated);
    tp_json_text(&finding.figures, "guard", tp_strbuf_str(&guard));
    tp_trigger_shape fresh = {.when = tp_strbuf_str(&guard), .replace = true};
    tp_trigger_shape own = {.replace = true};
    tp_advice_sql_create(&finding.sql, trigger, &fresh);
    tp_advice_sql_create(&finding.undo, trigger, &own);
    finding.sql.failed = finding.sql.failed || guard.failed;
    tp_strbuf_free(&guard);
    tp_finding_put(advice, &finding);
}

static void judge_update(tp_advice *advice, const tp_advice_trigger *trigger) {
    tp_finding finding = {
        .id = "update_trigger_without_condition",
        .severity = "info",
        .table = trigger->table,
        .trigger = trigger,
        .why = "every UPDATE enters the function, also one of columns that do not concern it, and "
               "one that changes nothing",
        .steps = "name the columns that concern it (UPDATE OF ..), or compare them in WHEN",
        .with_sql =
            "the SQL here keeps rows from it that were left as they were: use it if nothing "
            "must happen for those",
        .no_sql = why_no_condition(trigger)};
    tp_strbuf_printf(&finding.message,
                     "%.0f rows were updated; the trigger has neither columns (OF) nor WHEN",
                     trigger->table->updated);
    tp_json_double(&finding.figures, "updated", trigger->table->updated);
    if (may_compare_rows(trigger)) {
        add_condition(advice, trigger, DIFFERS, &finding);
    }
    tp_finding_put(advice, &finding);
}

static void judge_recompute(tp_advice *advice, const tp_advice_trigger *trigger) {
    bool whole = false;
    for (uint32_t i = 0; i < trigger->body.write_count; i++) {
        whole = whole || !trigger->body.writes[i].filtered;
    }
    if (!whole || trigger->old_table[0] != '\0' || trigger->new_table[0] != '\0') {
        return;
    }
    tp_finding finding = {
        .id = "full_recompute",
        .severity = "warning",
        .table = trigger->table,
        .trigger = trigger,
        .why = "every statement pays for the whole table, whatever it changed, and statements that "
               "overlap wait for each other",
        .steps = "take what changed from transition tables (REFERENCING OLD TABLE AS .. NEW TABLE "
                 "AS ..), or note what is to be done and let one job do it later; a refresh of a "
                 "materialized view belongs in a job",
        .no_sql = "which rows a change concerns, the text of the function does not say"};
    tp_strbuf_printf(
        &finding.message,
        "a statement trigger without transition tables writes without WHERE; the table "
        "had %.0f rows written",
        tp_advice_rows(trigger->table, trigger->type));
    tp_json_double(&finding.figures, "rows", tp_advice_rows(trigger->table, trigger->type));
    tp_finding_put(advice, &finding);
}

void tp_advice_shape_judge(tp_advice *advice, const tp_advice_trigger *trigger) {
    bool plain =
        !trigger->has_when && trigger->table->kind != 'v' && !tp_advice_suppresses(trigger);
    if (!tp_advice_by_row(trigger)) {
        judge_recompute(advice, trigger);
        return;
    }
    if (plain && judge_bulk(advice, trigger)) {
        return;
    }
    bool updates = (trigger->type & TP_EVENT_UPDATE) != 0 && trigger->table->updated >= MANY_ROWS;
    uint32_t events = trigger->type & (TP_EVENT_INSERT | TP_EVENT_UPDATE | TP_EVENT_DELETE);
    bool guarded = trigger->body.guard_count > 0 && may_compare_rows(trigger);
    if (plain && updates && events == TP_EVENT_UPDATE && guarded) {
        judge_guard(advice, trigger);
    } else if (plain && updates && trigger->of_columns[0] == '\0' && !tp_advice_before(trigger)) {
        judge_update(advice, trigger);
    } else if (plain) {
        judge_unknown(advice, trigger);
    }
}
