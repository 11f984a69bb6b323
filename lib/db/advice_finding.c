/* Findings are written as they are made. SQL is put into a transaction with a short lock timeout:
 * whoever runs it must not stop all writers behind a long query. */
#include "db/advice_finding.h"

#include <string.h>

#include "base/json.h"

static void put_sql(tp_strbuf *json, const char *key, const tp_strbuf *sql) {
    tp_strbuf whole = TP_STRBUF_INIT;
    if (sql->length == 0) {
        tp_json_null(json, key);
        json->failed = json->failed || sql->failed;
        return;
    }
    tp_strbuf_puts(&whole, "BEGIN;\nSET LOCAL lock_timeout = '2s';\n");
    tp_strbuf_puts(&whole, tp_strbuf_str(sql));
    tp_strbuf_puts(&whole, "COMMIT;\n");
    tp_json_text(json, key, tp_strbuf_str(&whole));
    json->failed = json->failed || whole.failed || sql->failed;
    tp_strbuf_free(&whole);
}

static void put_object(tp_strbuf *json, const tp_finding *finding) {
    tp_strbuf name = TP_STRBUF_INIT;
    tp_strbuf_puts(&name, finding->table->quoted);
    if (finding->trigger != NULL) {
        tp_strbuf_printf(&name, ".%s", finding->trigger->quoted);
    }
    tp_json_text(json, "object", tp_strbuf_str(&name));
    tp_json_text(json, "table", finding->table->quoted);
    tp_json_text(json, "trigger", finding->trigger == NULL ? NULL : finding->trigger->name);
    tp_json_text(json, "function", finding->trigger == NULL ? NULL : finding->trigger->function);
    json->failed = json->failed || name.failed;
    tp_strbuf_free(&name);
}

static void put_steps(tp_strbuf *json, const tp_finding *finding) {
    tp_strbuf text = TP_STRBUF_INIT;
    const char *more = finding->sql.length > 0 ? finding->with_sql : NULL;
    tp_strbuf_puts(&text, finding->steps == NULL ? "" : finding->steps);
    tp_strbuf_puts(&text, text.length > 0 && more != NULL ? "; " : "");
    tp_strbuf_puts(&text, more == NULL ? "" : more);
    tp_json_text(json, "steps", text.length > 0 ? tp_strbuf_str(&text) : NULL);
    json->failed = json->failed || text.failed;
    tp_strbuf_free(&text);
}

static void put_finding(tp_strbuf *json, tp_finding *finding) {
    tp_json_open(json, NULL, '{');
    tp_json_text(json, "id", finding->id);
    tp_json_text(json, "severity", finding->severity);
    put_object(json, finding);
    tp_json_text(json, "message", tp_strbuf_str(&finding->message));
    tp_json_open(json, "evidence", '{');
    tp_strbuf_puts(json, tp_strbuf_str(&finding->figures));
    tp_json_close(json, '}');
    tp_json_text(json, "why", finding->why);
    put_steps(json, finding);
    put_sql(json, "sql", &finding->sql);
    put_sql(json, "undo", &finding->undo);
    tp_json_text(json, "no_sql", finding->sql.length > 0 ? NULL : finding->no_sql);
    tp_json_close(json, '}');
    json->failed = json->failed || finding->message.failed || finding->figures.failed;
}

void tp_finding_times(tp_finding *finding) {
    const tp_advice_trigger *trigger = finding->trigger;
    if (trigger->calls > 0) {
        tp_json_double(&finding->figures, "calls", trigger->calls);
        tp_json_double(&finding->figures, "mean_ms", trigger->total_ms / trigger->calls);
    }
}

void tp_finding_put(tp_advice *advice, tp_finding *finding) {
    if (advice->only == NULL || strcmp(advice->only, finding->table->oid) == 0) {
        put_finding(&advice->json, finding);
    }
    tp_strbuf_free(&finding->message);
    tp_strbuf_free(&finding->figures);
    tp_strbuf_free(&finding->sql);
    tp_strbuf_free(&finding->undo);
}

/* --- figures -----------------------------------------------------------------------------------*/

double tp_advice_rows(const tp_advice_table *table, uint32_t events) {
    return ((events & TP_EVENT_INSERT) != 0 ? table->inserted : 0) +
           ((events & TP_EVENT_UPDATE) != 0 ? table->updated : 0) +
           ((events & TP_EVENT_DELETE) != 0 ? table->deleted : 0);
}

static double counted_statements(const tp_advice_table *table, uint32_t events) {
    static const uint32_t bits[TP_MIX_KINDS] = {TP_EVENT_INSERT, TP_EVENT_UPDATE, TP_EVENT_DELETE};
    double calls = 0;
    double rows = 0;
    for (int i = 0; i < TP_MIX_KINDS; i++) {
        if ((events & bits[i]) != 0) {
            calls += table->mix[i].calls;
            rows += table->mix[i].rows;
        }
    }
    return calls > 0 ? rows / calls : -1;
}

bool tp_advice_rows_counted(const tp_advice_table *table, uint32_t events) {
    return counted_statements(table, events) >= 0;
}

double tp_advice_rows_per_statement(const tp_advice_facts *facts, const tp_advice_table *table,
                                    uint32_t events, const char **source) {
    double counted = counted_statements(table, events);
    if (counted >= 0) {
        *source = "pg_stat_statements";
        return counted;
    }
    double changed = tp_advice_rows(table, events & (TP_EVENT_UPDATE | TP_EVENT_DELETE));
    double inserted = tp_advice_rows(table, events & TP_EVENT_INSERT);
    if (changed > inserted && table->scans > 0) {
        *source = "rows for each scan of the table, at least";
        return changed / table->scans;
    }
    if (inserted > 0 && facts->commits > 0) {
        *source = "rows for each transaction of the database, at least";
        return inserted / facts->commits;
    }
    *source = "not known";
    return -1;
}

double tp_advice_runs(const tp_advice_trigger *trigger) {
    double rows = tp_advice_by_row(trigger) ? tp_advice_rows(trigger->table, trigger->type) : 0;
    return trigger->calls > rows && trigger->shared_by == 1 ? trigger->calls : rows;
}
