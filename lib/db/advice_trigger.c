/* What a trigger's function does. The figures are how often it can have run: the rows of its events
 * for a row trigger, the calls where they are counted. */
#include "db/advice_trigger.h"

#include <string.h>

#include "base/json.h"
#include "db/advice_counter.h"
#include "db/advice_handler.h"
#include "db/advice_sql.h"
#include "db/sqltext.h"

#define HOT_RUNS 10000.0
#define SOME_RUNS 1000.0

static tp_finding begin(const tp_advice_trigger *trigger, const char *id, const char *severity) {
    tp_finding finding = {
        .id = id, .severity = severity, .table = trigger->table, .trigger = trigger};
    double runs = tp_advice_runs(trigger);
    tp_json_double(&finding.figures, "runs", runs);
    tp_finding_times(&finding);
    return finding;
}

/* Why a trigger that notifies cannot be switched off for that alone; NULL when it can. */
static const char *why_not_off(const tp_advice_trigger *trigger) {
    return trigger->of_extension ? "it belongs to an extension"
           : trigger->notifies_by != NULL
               ? "what else the functions do that it calls, switching it off would end as well"
           : trigger->body.write_count > 0
               ? "the function writes to tables as well, which switching it off would end"
           : !tp_advice_after(trigger)
               ? "it runs before or instead of the write, and what it sets or "
                 "refuses would end with it"
           : trigger->body.raises ? "the function raises errors as well, and what it refuses would "
                                    "be let through"
                                  : NULL;
}

static void judge_notify(tp_advice *advice, const tp_advice_trigger *trigger) {
    double runs = tp_advice_runs(trigger);
    tp_finding finding =
        begin(trigger, "notify_on_write_path", runs >= HOT_RUNS ? "critical" : "warning");
    finding.why =
        "a transaction that notifies takes a lock at commit that all others of the server "
        "wait for: measured, a third of the throughput is left, and less when the "
        "processors are busy; nobody who was away gets what was sent";
    finding.steps = "capture the table through the outbox (trigperf attach) and let readers follow "
                    "that";
    finding.with_sql = "when they do, switch this trigger off with the SQL here";
    finding.no_sql = why_not_off(trigger);
    tp_strbuf_puts(&finding.message, "its function ");
    if (trigger->notifies_by != NULL) {
        tp_strbuf_printf(&finding.message, "calls %s, which ", trigger->notifies_by);
        tp_json_text(&finding.figures, "by", trigger->notifies_by);
    }
    tp_strbuf_printf(&finding.message,
                     "sends NOTIFY in the writer's transaction; it ran "
                     "for about %.0f rows or statements",
                     runs);
    if (finding.no_sql == NULL) {
        tp_advice_sql_enable(&finding.sql, trigger, 'D', NULL);
        tp_advice_sql_enable(&finding.undo, trigger, trigger->enabled, NULL);
    }
    tp_finding_put(advice, &finding);
}

static void judge_counter(tp_advice *advice, const tp_advice_trigger *trigger) {
    const tp_body_write *write = NULL;
    for (uint32_t i = 0; write == NULL && i < trigger->body.write_count; i++) {
        write = trigger->body.writes[i].increments ? &trigger->body.writes[i] : NULL;
    }
    double runs = tp_advice_runs(trigger);
    if (write == NULL || !tp_advice_by_row(trigger) || runs < SOME_RUNS) {
        return;
    }
    tp_finding finding =
        begin(trigger, "counter_updated_per_row", runs >= HOT_RUNS ? "warning" : "info");
    const tp_lexeme *name = &trigger->body.lexemes.items[write->name];
    finding.why = "all writers of one counter wait for each other until they commit, and each "
                  "row leaves a dead version of it: measured, 8 writers came to a quarter of "
                  "the throughput, and a bulk statement took fifteen times as long";
    finding.steps = "group the rows in a statement trigger with transition tables (one update per "
                    "counter and statement), or append to a log that a job adds up";
    tp_strbuf_puts(&finding.message, "adds to a column of ");
    tp_strbuf_add(&finding.message, name->text, name->length);
    tp_strbuf_printf(&finding.message, " for each row; %.0f rows so far", runs);
    tp_json_bytes(&finding.figures, "counter", name->text, name->length);
    finding.with_sql = "the SQL here does so, one update per counter and statement, in the order "
                       "of the counters; it runs after the triggers for rows";
    finding.no_sql = tp_advice_counter_rewrite(trigger, &finding);
    tp_finding_put(advice, &finding);
}

static void judge_handlers(tp_advice *advice, const tp_advice_trigger *trigger) {
    double runs = tp_advice_runs(trigger);
    if (trigger->body.handlers == 0 || runs < HOT_RUNS) {
        return;
    }
    bool writes = trigger->body.write_handlers > 0;
    tp_finding finding =
        begin(trigger, "exception_block_in_hot_trigger", writes ? "critical" : "warning");
    finding.why = writes ? "a block that writes and catches takes a transaction id for each run; "
                           "beyond 64 of them in a transaction every snapshot of the server gets "
                           "slower, and vacuum has to renew the ids"
                         : "each run begins and ends a subtransaction, 1 to 5 us, whether anything "
                           "fails or not";
    finding.steps = writes ? "compute inside the block and write outside of it, or check before "
                             "writing (ON CONFLICT, WHERE) instead of catching"
                           : "check for what can fail instead of catching it";
    tp_strbuf_printf(&finding.message, "%u block%s with EXCEPTION%s; ran for about %.0f rows",
                     trigger->body.handlers, trigger->body.handlers == 1 ? "" : "s",
                     writes ? ", with a write inside" : "", runs);
    tp_json_uint(&finding.figures, "blocks", trigger->body.handlers);
    tp_json_uint(&finding.figures, "blocks_that_write", trigger->body.write_handlers);
    finding.with_sql = "the SQL here writes ON CONFLICT DO NOTHING instead of catching "
                       "unique_violation; see that no trigger of that table raises it by itself";
    finding.no_sql = tp_advice_handler_rewrite(trigger, &finding);
    tp_finding_put(advice, &finding);
}

static void judge_dynamic(tp_advice *advice, const tp_advice_trigger *trigger) {
    double runs = tp_advice_runs(trigger);
    bool hot = tp_advice_by_row(trigger) && runs >= HOT_RUNS;
    if (trigger->body.dynamic == 0 || (!trigger->body.pasted && !hot)) {
        return;
    }
    tp_finding finding = begin(trigger, "dynamic_sql", trigger->body.pasted ? "critical" : "info");
    finding.why = trigger->body.pasted
                      ? "a value of the row becomes part of the statement's text: whoever writes "
                        "the row can write the statement"
                      : "the statement is parsed and planned each time; static SQL keeps its plan";
    finding.steps = trigger->body.pasted ? "give values with USING, and names through format('%I')"
                                         : "write it as static SQL, with one function a table if "
                                           "it must be";
    tp_strbuf_printf(&finding.message, "%u EXECUTE statement%s%s; ran for about %.0f rows",
                     trigger->body.dynamic, trigger->body.dynamic == 1 ? "" : "s",
                     trigger->body.pasted ? ", with values of the row pasted into the text" : "",
                     runs);
    tp_json_uint(&finding.figures, "statements", trigger->body.dynamic);
    tp_json_bool(&finding.figures, "values_pasted", trigger->body.pasted);
    finding.no_sql = "what the text of the statement becomes is known only when it runs";
    tp_finding_put(advice, &finding);
}

static void judge_limit(tp_advice *advice, const tp_advice_trigger *trigger) {
    tp_finding finding = begin(trigger, "skip_if_recent", "warning");
    finding.why =
        "what changes within the interval after an update is never told: measured, all 50 "
        "of 50 payloads were stale after a burst, and stayed so until the next change";
    finding.steps = "limit on the trailing edge: note that the key is dirty and refresh it once "
                    "after the interval; a rule with a minimum interval does that (trigperf attach "
                    ".. --rule, min_interval_ms)";
    finding.no_sql = "the refresh that makes up for it needs somebody to run it: trigperf kpi add "
                     ".. --trailing makes both";
    tp_strbuf_puts(&finding.message, "its function leaves out the update when the last one was "
                                     "recent, and nothing makes up for it later");
    tp_finding_put(advice, &finding);
}

/* --- SECURITY DEFINER --------------------------------------------------------------------------*/

static bool first_of_function(const tp_advice *advice, const tp_advice_trigger *trigger) {
    for (const tp_advice_trigger *one = advice->facts->triggers; one != trigger; one++) {
        if (strcmp(one->function_oid, trigger->function_oid) == 0) {
            return false;
        }
    }
    return true;
}

static void add_schema(tp_strbuf *out, const char *schema) {
    tp_strbuf quoted = TP_STRBUF_INIT;
    tp_sql_ident(&quoted, schema);
    if (strstr(tp_strbuf_str(out), tp_strbuf_str(&quoted)) == NULL) {
        tp_strbuf_printf(out, ", %s", tp_strbuf_str(&quoted));
    }
    out->failed = out->failed || quoted.failed;
    tp_strbuf_free(&quoted);
}

static void judge_definer(tp_advice *advice, const tp_advice_trigger *trigger) {
    tp_strbuf path = TP_STRBUF_INIT;
    tp_finding finding = begin(trigger, "security_definer_without_search_path", "critical");
    finding.why = "it runs with its owner's rights and finds names by the search_path of whoever "
                  "writes to the table: who may create a function or table in a schema of that "
                  "path, or a temporary one, decides what the owner runs";
    finding.steps = "give it a path of its own";
    finding.with_sql =
        "see that the path of the SQL here holds every schema whose objects its body "
        "names without a schema";
    tp_strbuf_printf(&finding.message, "%s is SECURITY DEFINER (owner %s) without a search_path",
                     trigger->function, trigger->owner);
    tp_strbuf_puts(&path, "pg_catalog");
    add_schema(&path, trigger->function_schema);
    for (uint32_t i = 0; i < advice->facts->trigger_count; i++) {
        const tp_advice_trigger *one = &advice->facts->triggers[i];
        if (strcmp(one->function_oid, trigger->function_oid) == 0) {
            add_schema(&path, one->table->schema);
        }
    }
    finding.no_sql = "it belongs to an extension";
    tp_json_text(&finding.figures, "owner", trigger->owner);
    if (!trigger->of_extension) {
        tp_strbuf_printf(&finding.sql, "ALTER FUNCTION %s() SET search_path = %s, pg_temp;\n",
                         trigger->function, tp_strbuf_str(&path));
        tp_strbuf_printf(&finding.undo, "ALTER FUNCTION %s() RESET search_path;\n",
                         trigger->function);
    }
    finding.sql.failed = finding.sql.failed || path.failed;
    tp_strbuf_free(&path);
    tp_finding_put(advice, &finding);
}

/* --- suppress_redundant_updates_trigger --------------------------------------------------------*/

/* A BEFORE trigger with an earlier name that makes every row differ. */
static const tp_advice_trigger *find_toucher(const tp_advice *advice,
                                             const tp_advice_trigger *trigger) {
    for (uint32_t i = 0; i < advice->facts->trigger_count; i++) {
        const tp_advice_trigger *one = &advice->facts->triggers[i];
        if (one->table == trigger->table && one->body.touches && tp_advice_by_row(one) &&
            tp_advice_before(one) && !one->has_when && one->of_columns[0] == '\0' &&
            (one->type & TP_EVENT_UPDATE) != 0 && strcmp(one->name, trigger->name) < 0) {
            return one;
        }
    }
    return NULL;
}

static void judge_suppress(tp_advice *advice, const tp_advice_trigger *trigger) {
    const tp_advice_trigger *toucher = find_toucher(advice, trigger);
    if (toucher == NULL) {
        return;
    }
    tp_finding finding = begin(trigger, "suppress_never_acts", "warning");
    finding.why = "BEFORE triggers run in the order of their names; the other one sets the time "
                  "first, so that no row is ever found to be the same";
    finding.steps =
        "let it run first; then an UPDATE that changes nothing leaves the time alone too";
    tp_strbuf_printf(&finding.message, "%s sets the time of the row before it", toucher->quoted);
    tp_json_text(&finding.figures, "runs_before", toucher->name);
    finding.no_sql = "no name that sorts before the other's could be made of its own";
    tp_strbuf fresh = TP_STRBUF_INIT;
    tp_strbuf_printf(&fresh, "\"00_%s",
                     trigger->quoted[0] == '"' ? trigger->quoted + 1 : trigger->quoted);
    tp_strbuf_puts(&fresh, trigger->quoted[0] == '"' ? "" : "\"");
    if (strlen(trigger->name) <= 60 && strcmp("00_", toucher->name) < 0 && !trigger->of_extension) {
        tp_strbuf_printf(&finding.sql, "ALTER TRIGGER %s ON %s RENAME TO %s;\n", trigger->quoted,
                         trigger->table->quoted, tp_strbuf_str(&fresh));
        tp_strbuf_printf(&finding.undo, "ALTER TRIGGER %s ON %s RENAME TO %s;\n",
                         tp_strbuf_str(&fresh), trigger->table->quoted, trigger->quoted);
    }
    finding.sql.failed = finding.sql.failed || fresh.failed;
    tp_strbuf_free(&fresh);
    tp_finding_put(advice, &finding);
}

void tp_advice_trigger_judge(tp_advice *advice, const tp_advice_trigger *trigger) {
    if (trigger->definer && trigger->path == NULL && first_of_function(advice, trigger)) {
        judge_definer(advice, trigger);
    }
    if (tp_advice_suppresses(trigger)) {
        judge_suppress(advice, trigger);
    }
    if (trigger->body.notifies || trigger->notifies_by != NULL) {
        judge_notify(advice, trigger);
    }
    if (trigger->body.rate_limited) {
        judge_limit(advice, trigger);
    }
    judge_counter(advice, trigger);
    judge_handlers(advice, trigger);
    judge_dynamic(advice, trigger);
}
