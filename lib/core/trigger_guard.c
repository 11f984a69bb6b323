/* A guard is taken only when it can stand in WHEN word for word: the body is
 *
 *     IF NEW.a IS DISTINCT FROM OLD.a OR .. THEN .. END IF; RETURN ..;
 *
 * and nothing else. A limit by time is an IF that compares the clock less an interval with
 * something remembered, and leaves or writes by that; or an UPDATE whose WHERE does so with a
 * column that it sets. What compares the clock with the row itself is a rule of the application. */
#include "core/trigger_guard.h"

#include <stddef.h>

/* --- the guard ---------------------------------------------------------------------------------*/

/* NEW.column or OLD.column; 'n', 'o' or 0. */
static char take_field(const tp_lexemes *l, uint32_t *at) {
    char side = tp_lex_word(l, *at, "new") ? 'n' : tp_lex_word(l, *at, "old") ? 'o' : 0;
    if (side == 0 || !tp_lex_sign(l, *at + 1, ".") ||
        !(tp_lex_is_name(l, *at + 2) || tp_lex_sign(l, *at + 2, "*"))) {
        return 0;
    }
    *at += 3;
    return side;
}

static bool take_comparison(const tp_lexemes *l, uint32_t *at) {
    if (tp_lex_word(l, *at, "is") && tp_lex_word(l, *at + 1, "distinct") &&
        tp_lex_word(l, *at + 2, "from")) {
        *at += 3;
        return true;
    }
    bool unequal = tp_lex_sign(l, *at, "<>") || tp_lex_sign(l, *at, "!=");
    *at += unequal ? 1 : 0;
    return unequal;
}

static bool take_term(const tp_lexemes *l, uint32_t *at) {
    uint32_t opened = 0;
    for (; tp_lex_sign(l, *at, "("); (*at)++) {
        opened++;
    }
    char first = take_field(l, at);
    char second = first != 0 && take_comparison(l, at) ? take_field(l, at) : 0;
    if (second == 0 || first == second) {
        return false;
    }
    for (; opened > 0 && tp_lex_sign(l, *at, ")"); (*at)++) {
        opened--;
    }
    return opened == 0;
}

/* Behind `IF condition THEN`, 0 when the condition is something else. */
static uint32_t take_condition(const tp_lexemes *l, uint32_t at) {
    for (at++;; at++) {
        if (!take_term(l, &at)) {
            return 0;
        }
        if (!tp_lex_word(l, at, "or")) {
            return tp_lex_word(l, at, "then") ? at + 1 : 0;
        }
    }
}

/* The END of the IF in which we are; 0 when it has another branch or does not end. */
static uint32_t end_of_if(const tp_lexemes *l, uint32_t at) {
    int depth = 0;
    for (; at < l->count; at++) {
        bool ends = tp_lex_word(l, at, "end");
        if (ends && depth == 0) {
            return tp_lex_word(l, at + 1, "if") && tp_lex_sign(l, at + 2, ";") ? at : 0;
        }
        bool branch = tp_lex_word(l, at, "else") || tp_lex_word(l, at, "elsif") ||
                      tp_lex_word(l, at, "elseif");
        if (depth == 0 && branch) {
            return 0;
        }
        if (ends) {
            depth--;
            at += tp_lex_word(l, at + 1, "if") || tp_lex_word(l, at + 1, "loop") ||
                          tp_lex_word(l, at + 1, "case")
                      ? 1
                      : 0;
        } else if (tp_lex_word(l, at, "begin") || tp_lex_word(l, at, "loop") ||
                   tp_lex_word(l, at, "case") ||
                   (tp_lex_word(l, at, "if") && tp_lex_begins_statement(l, at))) {
            depth++;
        }
    }
    return 0;
}

/* RETURN something; END [;] and nothing more. */
static bool only_returns(const tp_lexemes *l, uint32_t at) {
    if (!tp_lex_word(l, at, "return") || !tp_lex_is_name(l, at + 1) ||
        !tp_lex_sign(l, at + 2, ";") || !tp_lex_word(l, at + 3, "end")) {
        return false;
    }
    return at + 4 == l->count || (tp_lex_sign(l, at + 4, ";") && at + 5 == l->count);
}

static void find_guard(tp_trigger_body *body) {
    const tp_lexemes *l = &body->lexemes;
    if (!tp_lex_word(l, 0, "begin") || !tp_lex_word(l, 1, "if")) {
        return;
    }
    uint32_t inside = take_condition(l, 1);
    uint32_t end = inside == 0 ? 0 : end_of_if(l, inside);
    if (end != 0 && only_returns(l, end + 3)) {
        body->guard_first = 2;
        body->guard_count = inside - 1 - 2;
    }
}

/* --- limits by time ----------------------------------------------------------------------------*/

static bool is_clock(const tp_lexemes *l, uint32_t at) {
    static const char *const calls[] = {"now", "clock_timestamp", "statement_timestamp",
                                        "transaction_timestamp"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (tp_lex_word(l, at, calls[i]) && tp_lex_sign(l, at + 1, "(")) {
            return true;
        }
    }
    return tp_lex_word(l, at, "current_timestamp") || tp_lex_word(l, at, "localtimestamp");
}

typedef struct condition {
    bool clock;
    bool interval;
    bool compares;
    bool selects;
    bool row;
} condition;

static condition look(const tp_lexemes *l, uint32_t at, uint32_t end) {
    condition found = {0};
    for (; at < end; at++) {
        found.clock = found.clock || is_clock(l, at);
        found.interval =
            found.interval || tp_lex_word(l, at, "interval") || tp_lex_word(l, at, "epoch");
        found.compares = found.compares || tp_lex_sign(l, at, "<") || tp_lex_sign(l, at, ">") ||
                         tp_lex_sign(l, at, "<=") || tp_lex_sign(l, at, ">=");
        found.selects = found.selects || tp_lex_word(l, at, "select");
        found.row = found.row || tp_lex_word(l, at, "new") || tp_lex_word(l, at, "old");
    }
    return found;
}

static uint32_t find_word(const tp_lexemes *l, uint32_t at, const char *word) {
    while (at < l->count && !tp_lex_word(l, at, word) && !tp_lex_sign(l, at, ";")) {
        at++;
    }
    return tp_lex_word(l, at, word) ? at : l->count;
}

static bool writes_between(const tp_trigger_body *body, uint32_t from, uint32_t end) {
    for (uint32_t i = 0; i < body->write_count; i++) {
        if (body->writes[i].name > from && body->writes[i].name < end) {
            return true;
        }
    }
    return false;
}

/* IF .. now() - interval .. THEN RETURN, or THEN write. */
static bool is_limit(const tp_trigger_body *body, uint32_t at) {
    const tp_lexemes *l = &body->lexemes;
    uint32_t then = find_word(l, at, "then");
    if (then == l->count) {
        return false;
    }
    condition found = look(l, at, then);
    if (!found.clock || !found.interval || !found.compares || (found.row && !found.selects)) {
        return false;
    }
    uint32_t end = end_of_if(l, then + 1);
    return tp_lex_word(l, then + 1, "return") || (end != 0 && writes_between(body, then, end));
}

static bool sets(const tp_lexemes *l, const tp_body_write *write, uint32_t name) {
    for (uint32_t i = 0; i < write->column_count; i++) {
        const tp_lexeme *column = &l->items[write->columns[i]];
        const tp_lexeme *other = &l->items[name];
        bool same = column->length == other->length;
        for (uint32_t k = 0; same && k < column->length; k++) {
            same = (column->text[k] | 0x20) == (other->text[k] | 0x20);
        }
        if (same) {
            return true;
        }
    }
    return false;
}

/* WHERE column < now() - interval, of an UPDATE that sets the column. */
static bool update_is_limit(const tp_lexemes *l, const tp_body_write *write) {
    uint32_t where = find_word(l, write->name, "where");
    uint32_t end = where;
    while (end < l->count && !tp_lex_sign(l, end, ";")) {
        end++;
    }
    condition found = look(l, where, end);
    if (!found.clock || !found.interval) {
        return false;
    }
    for (uint32_t i = where; i + 1 < end; i++) {
        bool compared = tp_lex_sign(l, i + 1, "<") || tp_lex_sign(l, i + 1, "<=");
        if (compared && tp_lex_is_name(l, i) && sets(l, write, i)) {
            return true;
        }
    }
    return false;
}

static bool touches(const tp_lexemes *l, uint32_t at) {
    bool assigns = tp_lex_sign(l, at + 3, ":=") || tp_lex_sign(l, at + 3, "=");
    return tp_lex_word(l, at, "new") && tp_lex_sign(l, at + 1, ".") && assigns &&
           tp_lex_begins_statement(l, at) && is_clock(l, at + 4);
}

void tp_trigger_guard_find(tp_trigger_body *body) {
    const tp_lexemes *l = &body->lexemes;
    find_guard(body);
    for (uint32_t i = 0; i < l->count; i++) {
        bool branch = tp_lex_word(l, i, "if") || tp_lex_word(l, i, "elsif");
        body->rate_limited = body->rate_limited || (branch && is_limit(body, i));
        body->touches = body->touches || touches(l, i);
    }
    for (uint32_t i = 0; i < body->write_count; i++) {
        body->rate_limited = body->rate_limited || (body->writes[i].column_count > 0 &&
                                                    update_is_limit(l, &body->writes[i]));
    }
}
