/* Two forms of a function that does nothing but count are understood, for rows that come or go:
 *
 *     UPDATE counters SET n = n + NEW.a WHERE key = NEW.k
 *     INSERT INTO counters (key, n) VALUES (NEW.k, NEW.a)
 *         ON CONFLICT (key) DO UPDATE SET n = counters.n + NEW.a    (or EXCLUDED.n)
 *
 * Both become one statement over the transition table, grouped by NEW.k, with the sum of NEW.a; the
 * table gets the name NEW (or OLD), so that the words of the function and the trigger's condition
 * mean its columns. A NULL among what is added makes the counter NULL, as it did. Rows are locked
 * in the order of the keys, so that two such statements do not wait in a circle. An UPDATE of the
 * table takes from one counter and gives to another: what that means for the function, only its
 * author knows. */
#include "db/advice_counter.h"

#include <stdio.h>
#include <string.h>

#include "db/advice_rewrite.h"
#include "db/advice_sql.h"
#include "db/sqltext.h"

/* Half-open ranges of lexemes. */
typedef struct range {
    uint32_t first;
    uint32_t last;
} range;

typedef struct form {
    const tp_lexemes *l;
    const char *row; /* new or old */
    uint32_t at;
    range table;
    range column; /* that is added to, as it is set */
    range itself; /* the same, as it is read */
    range key;    /* column of the counter table */
    range group;  /* NEW.k */
    range amount;
    bool minus;
    bool upsert;
} form;

static bool word(form *f, const char *text) {
    bool there = tp_lex_word(f->l, f->at, text);
    f->at += there ? 1 : 0;
    return there;
}

static bool sign(form *f, const char *text) {
    bool there = tp_lex_sign(f->l, f->at, text);
    f->at += there ? 1 : 0;
    return there;
}

/* A name, with what stands before it and a dot. */
static bool take_name(form *f, range *out) {
    out->first = f->at;
    if (!tp_lex_is_name(f->l, f->at)) {
        return false;
    }
    f->at++;
    while (tp_lex_sign(f->l, f->at, ".") && tp_lex_is_name(f->l, f->at + 1)) {
        f->at += 2;
    }
    out->last = f->at;
    return true;
}

/* NEW.k */
static bool take_group(form *f, range *out) {
    return tp_lex_word(f->l, f->at, f->row) && take_name(f, out) && out->last - out->first == 3;
}

/* What is added: numbers, columns of the row, and signs between them. */
static bool take_amount(form *f, range *out) {
    int depth = 0;
    out->first = f->at;
    for (; f->at < f->l->count; f->at++) {
        const tp_lexeme *one = &f->l->items[f->at];
        bool ends = depth == 0 && (tp_lex_word(f->l, f->at, "where") ||
                                   tp_lex_sign(f->l, f->at, ")") || tp_lex_sign(f->l, f->at, ";"));
        if (ends) {
            break;
        }
        range column = {0, 0};
        if (take_group(f, &column)) {
            f->at--;
        } else if (one->kind != TP_LEX_NUMBER && !(one->kind == TP_LEX_SIGN && one->length == 1 &&
                                                   strchr("+-*()", one->text[0]) != NULL)) {
            return false;
        }
        depth += tp_lex_sign(f->l, f->at, "(") ? 1 : tp_lex_sign(f->l, f->at, ")") ? -1 : 0;
    }
    out->last = f->at;
    return out->last > out->first;
}

static bool same(const form *f, range a, range b) {
    const tp_lexeme *x = &f->l->items[a.last - 1];
    const tp_lexeme *y = &f->l->items[b.last - 1];
    return x->kind == y->kind && x->length == y->length && memcmp(x->text, y->text, x->length) == 0;
}

static bool same_text(const form *f, range a, range b) {
    bool equal = a.last - a.first == b.last - b.first;
    for (uint32_t i = 0; equal && i < a.last - a.first; i++) {
        equal =
            same(f, (range){a.first + i, a.first + i + 1}, (range){b.first + i, b.first + i + 1});
    }
    return equal;
}

/* n = n + .. */
static bool take_addition(form *f) {
    bool good = take_name(f, &f->column) && sign(f, "=") && take_name(f, &f->itself) &&
                same(f, f->column, f->itself);
    f->minus = good && tp_lex_sign(f->l, f->at, "-");
    return good && (sign(f, "+") || sign(f, "-"));
}

static bool take_update(form *f) {
    if (!(word(f, "update") && take_name(f, &f->table) && word(f, "set") && take_addition(f) &&
          take_amount(f, &f->amount))) {
        return false;
    }
    bool single = f->amount.last - f->amount.first == 1 || f->amount.last - f->amount.first == 3;
    return (!f->minus || single) && word(f, "where") && take_name(f, &f->key) && sign(f, "=") &&
           take_group(f, &f->group);
}

/* The amount again, or EXCLUDED.n. */
static bool take_repetition(form *f) {
    range again = {0, 0};
    if (tp_lex_word(f->l, f->at, "excluded")) {
        return take_name(f, &again) && same(f, again, f->column);
    }
    return take_amount(f, &again) && same_text(f, again, f->amount);
}

static bool take_upsert(form *f) {
    range key = {0, 0};
    range column = {0, 0};
    f->upsert = true;
    return word(f, "insert") && word(f, "into") && take_name(f, &f->table) && sign(f, "(") &&
           take_name(f, &f->key) && sign(f, ",") && take_name(f, &column) && sign(f, ")") &&
           word(f, "values") && sign(f, "(") && take_group(f, &f->group) && sign(f, ",") &&
           take_amount(f, &f->amount) && sign(f, ")") && word(f, "on") && word(f, "conflict") &&
           sign(f, "(") && take_name(f, &key) && same(f, key, f->key) && sign(f, ")") &&
           word(f, "do") && word(f, "update") && word(f, "set") && take_addition(f) && !f->minus &&
           same(f, column, f->column) && take_repetition(f);
}

/* BEGIN that; RETURN ..; END */
static bool understand(form *f) {
    bool good = word(f, "begin");
    good = good && (tp_lex_word(f->l, f->at, "insert") ? take_upsert(f) : take_update(f));
    good = good && sign(f, ";") && word(f, "return") &&
           (word(f, "new") || word(f, "old") || word(f, "null")) && sign(f, ";") && word(f, "end");
    (void)(good && sign(f, ";"));
    return good && f->at == f->l->count;
}

/* --- the statement -----------------------------------------------------------------------------*/

static void put_range(tp_strbuf *out, const tp_advice_trigger *trigger, range part) {
    tp_advice_put_source(out, trigger, part.first, part.last);
}

static void put_rows(tp_strbuf *out, const tp_advice_trigger *trigger, const form *f) {
    const char *when = NULL;
    size_t length = 0;
    tp_strbuf_printf(out, " FROM tp_rows AS %s", f->row);
    if (tp_advice_when(trigger, &when, &length) && length > 6) {
        tp_strbuf_puts(out, " WHERE ");
        tp_strbuf_add(out, when + 5, length - 6);
    }
}

static void put_sum(tp_strbuf *out, const tp_advice_trigger *trigger, const form *f) {
    bool literal = f->amount.last - f->amount.first == 1;
    tp_strbuf_puts(out, literal ? "sum(" : "CASE WHEN count(*) = count(");
    put_range(out, trigger, f->amount);
    if (!literal) {
        tp_strbuf_puts(out, ") THEN sum(");
        put_range(out, trigger, f->amount);
    }
    tp_strbuf_puts(out, literal ? ")" : ") END");
}

static void put_groups(tp_strbuf *out, const tp_advice_trigger *trigger, const form *f) {
    tp_strbuf_puts(out, "SELECT ");
    put_range(out, trigger, f->group);
    tp_strbuf_puts(out, " AS tp_key, ");
    put_sum(out, trigger, f);
    tp_strbuf_puts(out, " AS tp_sum");
    put_rows(out, trigger, f);
    tp_strbuf_puts(out, " GROUP BY 1");
}

static void put_update(tp_strbuf *out, const tp_advice_trigger *trigger, const form *f) {
    tp_strbuf_puts(out, "    PERFORM FROM ");
    put_range(out, trigger, f->table);
    tp_strbuf_puts(out, " WHERE ");
    put_range(out, trigger, f->key);
    tp_strbuf_puts(out, " IN (SELECT ");
    put_range(out, trigger, f->group);
    put_rows(out, trigger, f);
    tp_strbuf_puts(out, ") ORDER BY ");
    put_range(out, trigger, f->key);
    tp_strbuf_puts(out, " FOR UPDATE;\n    UPDATE ");
    put_range(out, trigger, f->table);
    tp_strbuf_puts(out, " SET ");
    put_range(out, trigger, f->column);
    tp_strbuf_puts(out, " = ");
    put_range(out, trigger, f->itself);
    tp_strbuf_puts(out, f->minus ? " - tp_g.tp_sum\n    FROM (" : " + tp_g.tp_sum\n    FROM (");
    put_groups(out, trigger, f);
    tp_strbuf_puts(out, ") AS tp_g\n    WHERE ");
    put_range(out, trigger, f->key);
    tp_strbuf_puts(out, " = tp_g.tp_key;\n");
}

static void put_upsert(tp_strbuf *out, const tp_advice_trigger *trigger, const form *f) {
    tp_strbuf_puts(out, "    INSERT INTO ");
    put_range(out, trigger, f->table);
    tp_strbuf_puts(out, " (");
    put_range(out, trigger, f->key);
    tp_strbuf_puts(out, ", ");
    put_range(out, trigger, f->column);
    tp_strbuf_puts(out, ")\n    ");
    put_groups(out, trigger, f);
    tp_strbuf_puts(out, " ORDER BY 1\n    ON CONFLICT (");
    put_range(out, trigger, f->key);
    tp_strbuf_puts(out, ") DO UPDATE SET ");
    put_range(out, trigger, f->column);
    tp_strbuf_puts(out, " = ");
    put_range(out, trigger, f->itself);
    tp_strbuf_puts(out, " + EXCLUDED.");
    put_range(out, trigger, f->column);
    tp_strbuf_puts(out, ";\n");
}

static void put_body(tp_strbuf *out, const tp_advice_trigger *trigger, const form *f) {
    tp_strbuf_puts(out, "\n#variable_conflict use_column\nBEGIN\n");
    if (f->upsert) {
        put_upsert(out, trigger, f);
    } else {
        put_update(out, trigger, f);
    }
    tp_strbuf_puts(out, "    RETURN NULL;\nEND\n");
}

/* --- function and trigger ----------------------------------------------------------------------*/

static bool name_function(tp_strbuf *out, const tp_advice_trigger *trigger) {
    char name[64];
    int length = trigger->shared_by == 1
                     ? snprintf(name, sizeof name, "%s_by_statement", trigger->function_name)
                     : snprintf(name, sizeof name, "%s_by_statement_%s", trigger->function_name,
                                trigger->table->oid);
    tp_sql_ident(out, trigger->function_schema);
    tp_strbuf_putc(out, '.');
    tp_sql_ident(out, name);
    return length < (int)sizeof name;
}

static void put_trigger(tp_finding *finding, const tp_advice_trigger *trigger, const form *f,
                        const char *function) {
    bool comes = f->row[0] == 'n';
    tp_strbuf *sql = &finding->sql;
    tp_advice_sql_drop(sql, trigger, NULL);
    tp_strbuf_printf(sql,
                     "CREATE TRIGGER %s AFTER %s ON %s REFERENCING %s TABLE AS tp_rows FOR EACH "
                     "STATEMENT EXECUTE FUNCTION %s();\n",
                     trigger->quoted, comes ? "INSERT" : "DELETE", trigger->table->quoted,
                     comes ? "NEW" : "OLD", function);
    if (trigger->enabled != 'O') {
        tp_advice_sql_enable(sql, trigger, trigger->enabled, NULL);
    }
    tp_advice_sql_comment(sql, trigger);
    tp_advice_sql_drop(&finding->undo, trigger, NULL);
    tp_advice_sql_restore(&finding->undo, trigger);
    tp_strbuf_printf(&finding->undo, "DROP FUNCTION %s();\n", function);
}

/* What the trigger must be for this. */
static const char *why_not_here(const tp_advice_trigger *trigger) {
    uint32_t events = trigger->type & (TP_EVENT_INSERT | TP_EVENT_UPDATE | TP_EVENT_DELETE);
    const char *reason = tp_advice_why_not(trigger);
    return reason != NULL ? reason
           : events != TP_EVENT_INSERT && events != TP_EVENT_DELETE
               ? "what an UPDATE means for the counters, the text of the function does not say"
           : (trigger->type & (2u | 64u)) != 0
               ? "it runs before the row is written, where there is no transition table"
           : trigger->table->kind != 'r' || trigger->table->related
               ? "transition tables of partitions and of tables that others inherit from do not "
                 "hold the same rows"
           : trigger->enabled != 'O' && trigger->enabled != 'D'
               ? "statement triggers do not fire where rows are replicated"
               : NULL;
}

const char *tp_advice_counter_rewrite(const tp_advice_trigger *trigger, tp_finding *finding) {
    const char *reason = why_not_here(trigger);
    form f = {.l = &trigger->body.lexemes,
              .row = (trigger->type & TP_EVENT_INSERT) != 0 ? "new" : "old"};
    if (reason != NULL) {
        return reason;
    }
    if (!understand(&f)) {
        return "the function does more than to add to one counter for each row, or in another form "
               "than was looked for";
    }
    tp_strbuf body = TP_STRBUF_INIT;
    tp_strbuf function = TP_STRBUF_INIT;
    put_body(&body, trigger, &f);
    if (!name_function(&function, trigger)) {
        reason = "the name of the function is too long for another one beside it";
    } else if (!tp_advice_rewrite(&finding->sql, trigger, tp_strbuf_str(&function),
                                  tp_strbuf_str(&body))) {
        reason = "the function could not be written as the server describes it";
    } else {
        put_trigger(finding, trigger, &f, tp_strbuf_str(&function));
    }
    finding->sql.failed = finding->sql.failed || body.failed || function.failed;
    tp_strbuf_free(&body);
    tp_strbuf_free(&function);
    return reason;
}
