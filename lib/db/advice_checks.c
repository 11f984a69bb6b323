/* A CHECK is paid for each statement, about 4.1 us, because its stored text is parsed again each
 * time, also by an UPDATE that does not touch it. What is better depends on the statements:
 *
 * - single rows: a BEFORE trigger with the same conditions, whose plan is kept (37 rules: 5 us
 *   instead of 150 for a row, 8 clients twice the throughput);
 * - statements of 50 rows and more: the trigger would cost more than it saves; one CHECK that ANDs
 *   them costs a quarter less.
 *
 * For the trigger each column of a condition is written as NEW.column. The text is the server's
 * own, where a column is a word that stands by itself: not behind a dot or ::, not before a
 * bracket. Columns named like words of a type or of EXTRACT (time, zone, year, ..) could be either;
 * then there is no SQL. Nor is there any for inherited constraints and system columns. */
#include "db/advice_checks.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "core/sql_lexer.h"
#include "db/sqltext.h"

#define CHECKS_MIN 10u
#define CHECKS_MANY 20u
#define STATEMENTS_MIN 1000.0
#define BULK_ROWS 50.0
#define CHECK_US 4.1

static const char constraints_sql[] =
    "SELECT quote_ident(k.conname), k.conname, pg_get_expr(k.conbin, k.conrelid),"
    " pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'), k.convalidated "
    "FROM pg_constraint k WHERE k.conrelid = $1::oid AND k.contype = 'c' "
    "AND k.conislocal AND k.coninhcount = 0 AND NOT k.connoinherit ORDER BY k.conname";
static const char columns_sql[] =
    "SELECT attname, quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::oid "
    "AND NOT attisdropped";

typedef struct checks {
    PGresult *constraints;
    PGresult *columns;
} checks;

static const char *at(const PGresult *result, int row, int column) {
    return PQgetvalue(result, row, column);
}

/* --- one CHECK instead of many -----------------------------------------------------------------*/

static void add_restore(tp_strbuf *out, const tp_advice_table *table, const checks *c) {
    for (int i = 0; i < PQntuples(c->constraints); i++) {
        tp_strbuf_printf(out, "ALTER TABLE %s ADD CONSTRAINT %s %s;\n", table->quoted,
                         at(c->constraints, i, 0), at(c->constraints, i, 3));
        if (PQgetisnull(c->constraints, i, 4) == 0) {
            tp_strbuf_printf(out, "COMMENT ON CONSTRAINT %s ON %s IS ", at(c->constraints, i, 0),
                             table->quoted);
            tp_sql_literal(out, at(c->constraints, i, 4));
            tp_strbuf_puts(out, ";\n");
        }
    }
}

static void add_drops(tp_strbuf *out, const tp_advice_table *table, const checks *c) {
    for (int i = 0; i < PQntuples(c->constraints); i++) {
        tp_strbuf_printf(out, "ALTER TABLE %s DROP CONSTRAINT %s;\n", table->quoted,
                         at(c->constraints, i, 0));
    }
}

static void write_single(tp_finding *finding, const checks *c) {
    tp_strbuf *sql = &finding->sql;
    tp_strbuf_printf(sql, "ALTER TABLE %s ADD CONSTRAINT trigperf_checks CHECK (\n",
                     finding->table->quoted);
    for (int i = 0; i < PQntuples(c->constraints); i++) {
        tp_strbuf_printf(sql, "    %s(%s)\n", i > 0 ? "AND " : "", at(c->constraints, i, 2));
    }
    tp_strbuf_puts(sql, ");\n");
    add_drops(sql, finding->table, c);
    add_restore(&finding->undo, finding->table, c);
    tp_strbuf_printf(&finding->undo, "ALTER TABLE %s DROP CONSTRAINT trigperf_checks;\n",
                     finding->table->quoted);
}

/* --- a trigger instead of them -----------------------------------------------------------------*/

/* Words that the server writes in expressions without quotes, and that a column may be named. */
static bool is_ambiguous(const char *name) {
    static const char *const words[] = {
        "time",      "timestamp", "zone",    "year",     "month", "day",      "hour",
        "minute",    "second",    "epoch",   "dow",      "doy",   "week",     "isodow",
        "century",   "decade",    "quarter", "interval", "date",  "text",     "varying",
        "precision", "double",    "without", "at",       "new",   "old",      "bit",
        "character", "row",       "value",   "values",   "no",    "by",       "escape",
        "document",  "unknown",   "nfc",     "nfd",      "nfkc",  "nfkd",     "normalized",
        "json",      "object",    "scalar",  "keys",     "local", "tableoid", "xmin",
        "ctid",      "cmin",      "cmax",    "xmax"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The server quotes a column's name wherever it could be a keyword, so END is never the column
 * "end". */
static bool names_column(const checks *c, const tp_lexeme *one, int column) {
    bool bare = at(c->columns, column, 1)[0] != '"';
    return bare == (one->kind == TP_LEX_WORD) && tp_lex_names(one, at(c->columns, column, 0));
}

static const char *column_here(const checks *c, const tp_lexemes *l, uint32_t i) {
    if (!tp_lex_is_name(l, i) || tp_lex_sign(l, i + 1, "(") ||
        (i > 0 && (tp_lex_sign(l, i - 1, ".") || tp_lex_sign(l, i - 1, "::"))) ||
        tp_lex_sign(l, i + 1, ".")) {
        return NULL;
    }
    for (int k = 0; k < PQntuples(c->columns); k++) {
        if (names_column(c, &l->items[i], k)) {
            return at(c->columns, k, 1);
        }
    }
    return NULL;
}

/* False when a word could be a column or something else. */
static bool is_clear(const checks *c, const tp_lexemes *l) {
    for (uint32_t i = 0; i < l->count; i++) {
        bool word = l->items[i].kind == TP_LEX_WORD;
        for (int k = 0; word && k < PQntuples(c->columns); k++) {
            if (names_column(c, &l->items[i], k) && is_ambiguous(at(c->columns, k, 0))) {
                return false;
            }
        }
        if (tp_lex_sign(l, i, "*") && (i == 0 || tp_lex_sign(l, i - 1, "."))) {
            return false; /* the row as a whole */
        }
    }
    return true;
}

static int32_t put_condition(tp_strbuf *out, const checks *c, const char *expression, bool *clear,
                             trigperf_error **err) {
    tp_lexemes lexemes;
    const char *copied = expression;
    int32_t status = tp_sql_lex(expression, strlen(expression), &lexemes, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    *clear = *clear && is_clear(c, &lexemes);
    for (uint32_t i = 0; i < lexemes.count; i++) {
        const char *column = column_here(c, &lexemes, i);
        const tp_lexeme *one = &lexemes.items[i];
        size_t quote = one->kind == TP_LEX_NAME ? 1 : 0;
        if (column != NULL) {
            tp_strbuf_add(out, copied, (size_t)(one->text - quote - copied));
            tp_strbuf_printf(out, "NEW.%s", column);
            copied = one->text + one->length + quote;
        }
    }
    tp_strbuf_puts(out, copied);
    tp_lexemes_free(&lexemes);
    return TRIGPERF_OK;
}

static void put_failure(tp_strbuf *out, const tp_advice_table *table, const char *name) {
    tp_strbuf_puts(out,
                   ") THEN\n        RAISE EXCEPTION 'new row for relation \"%\" violates check "
                   "constraint \"%\"', ");
    tp_sql_literal(out, table->name);
    tp_strbuf_puts(out, ", ");
    tp_sql_literal(out, name);
    tp_strbuf_puts(out, "\n            USING ERRCODE = 'check_violation', SCHEMA = ");
    tp_sql_literal(out, table->schema);
    tp_strbuf_puts(out, ", TABLE = ");
    tp_sql_literal(out, table->name);
    tp_strbuf_puts(out, ", CONSTRAINT = ");
    tp_sql_literal(out, name);
    tp_strbuf_puts(out, ";\n    END IF;\n");
}

static void put_function_name(tp_strbuf *out, const tp_advice_table *table) {
    tp_sql_ident(out, table->schema);
    tp_strbuf_printf(out, ".trigperf_checks_%s", table->oid);
}

static int32_t write_body(tp_strbuf *body, const tp_advice_table *table, const checks *c,
                          bool *clear, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (int i = 0; status == TRIGPERF_OK && i < PQntuples(c->constraints); i++) {
        tp_strbuf_puts(body, "    IF NOT (");
        status = put_condition(body, c, at(c->constraints, i, 2), clear, err);
        put_failure(body, table, at(c->constraints, i, 1));
    }
    return status;
}

/* The trigger's name sorts behind others: it judges the row as they leave it. */
static int32_t write_trigger(tp_finding *finding, const checks *c, trigperf_error **err) {
    tp_strbuf body = TP_STRBUF_INIT;
    tp_strbuf function = TP_STRBUF_INIT;
    bool clear = true;
    put_function_name(&function, finding->table);
    int32_t status = write_body(&body, finding->table, c, &clear, err);
    if (status == TRIGPERF_OK && clear && strstr(tp_strbuf_str(&body), "$checks$") == NULL) {
        tp_strbuf_printf(&finding->sql,
                         "CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $checks$\n"
                         "BEGIN\n%s    RETURN NEW;\nEND\n$checks$;\n",
                         tp_strbuf_str(&function), tp_strbuf_str(&body));
        tp_strbuf_printf(&finding->sql,
                         "CREATE TRIGGER \"~trigperf_checks\" BEFORE INSERT OR UPDATE ON %s "
                         "FOR EACH ROW EXECUTE FUNCTION %s();\n",
                         finding->table->quoted, tp_strbuf_str(&function));
        add_drops(&finding->sql, finding->table, c);
        add_restore(&finding->undo, finding->table, c);
        tp_strbuf_printf(&finding->undo,
                         "DROP TRIGGER \"~trigperf_checks\" ON %s;\nDROP FUNCTION %s();\n",
                         finding->table->quoted, tp_strbuf_str(&function));
    }
    finding->sql.failed = finding->sql.failed || body.failed || function.failed;
    tp_strbuf_free(&body);
    tp_strbuf_free(&function);
    return status;
}

/* --- the finding -------------------------------------------------------------------------------*/

static int32_t read_checks(tp_advice *advice, const tp_advice_table *table, checks *c,
                           trigperf_error **err) {
    const char *const values[] = {table->oid};
    int32_t status = tp_sql_query(advice->connection, constraints_sql, 1, values,
                                  "reading constraints", &c->constraints, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(advice->connection, columns_sql, 1, values, "reading columns",
                              &c->columns, err);
    }
    return status;
}

static int32_t write_sql(tp_advice *advice, tp_finding *finding, double rows,
                         trigperf_error **err) {
    checks c = {NULL, NULL};
    int32_t status = read_checks(advice, finding->table, &c, err);
    bool whole = status == TRIGPERF_OK && PQntuples(c.constraints) == (int)finding->table->checks &&
                 rows >= 0 && !finding->table->related;
    if (whole && rows >= BULK_ROWS) {
        write_single(finding, &c);
    } else if (whole && !finding->table->generated) {
        status = write_trigger(finding, &c, err);
    }
    PQclear(c.constraints);
    PQclear(c.columns);
    return status;
}

static const char *steps_for(double rows) {
    if (rows < 0) {
        return "install pg_stat_statements, so that the size of the statements is known: single "
               "rows are better checked by a BEFORE trigger or by domains, bulk by one CHECK that "
               "ANDs them";
    }
    return rows >= BULK_ROWS ? "one CHECK that ANDs them"
                             : "domains for the columns, or a BEFORE "
                               "trigger that raises the same error";
}

static const char *with_sql_for(double rows) {
    return rows >= BULK_ROWS
               ? "the SQL here does that; an error then no longer says which rule failed"
               : "the SQL here makes the trigger; triggers are passed over under "
                 "session_replication_role = replica, and the planner no longer knows the rules";
}

static const char *why_no_sql(const tp_advice_table *table, double rows) {
    return rows < 0         ? "which of the two is right depends on the size of statements, which "
                              "is not known"
           : table->related ? "some of the constraints are inherited"
           : rows >= BULK_ROWS ? "some of the constraints are inherited, or NO INHERIT"
           : table->generated  ? "a BEFORE trigger does not see generated columns"
                              : "a column has the name of a word that conditions use as well, or a "
                                "condition takes the row as a whole, or NO INHERIT";
}

int32_t tp_advice_checks_judge(tp_advice *advice, const tp_advice_table *table,
                               trigperf_error **err) {
    const char *source = NULL;
    uint32_t events = TP_EVENT_INSERT | TP_EVENT_UPDATE;
    double each = tp_advice_rows_per_statement(advice->facts, table, events, &source);
    double rows = tp_advice_rows(table, events);
    double statements = each > 0 ? rows / each : rows;
    if (table->checks < CHECKS_MIN || statements < STATEMENTS_MIN) {
        return TRIGPERF_OK;
    }
    double cost = CHECK_US * table->checks;
    tp_finding finding = {.id = "many_checks",
                          .severity = table->checks >= CHECKS_MANY ? "warning" : "info",
                          .table = table,
                          .why = "each CHECK is parsed anew for each statement, about 4.1 us, also "
                                 "by an UPDATE of other columns",
                          .steps = steps_for(each),
                          .with_sql = with_sql_for(each),
                          .no_sql = why_no_sql(table, each)};
    tp_strbuf_printf(&finding.message,
                     "%u CHECK constraints cost about %.0f us a statement; %.0f rows written, "
                     "%.1f a statement (%s)",
                     table->checks, cost, rows, each, source);
    tp_json_uint(&finding.figures, "checks", table->checks);
    tp_json_double(&finding.figures, "us_per_statement", cost);
    tp_json_double(&finding.figures, "rows", rows);
    tp_json_double(&finding.figures, "rows_per_statement", each >= 0 ? each : (double)NAN);
    tp_json_text(&finding.figures, "estimated_from", source);
    int32_t status = write_sql(advice, &finding, each, err);
    tp_finding_put(advice, &finding);
    return status;
}
