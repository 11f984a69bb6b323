/* One block can be written without EXCEPTION and do the same: a single INSERT of a row, whose
 * unique_violation is caught and nothing done about it. That is ON CONFLICT DO NOTHING. Any other
 * one catches something whose meaning only its author knows. */
#include "db/advice_handler.h"

#include "db/advice_rewrite.h"

/* BEGIN insert .. END; begin is the number of BEGIN. */
typedef struct block {
    uint32_t begin;
    uint32_t insert_end; /* its semicolon */
    uint32_t end;        /* the last lexeme, a semicolon */
} block;

/* EXCEPTION WHEN unique_violation THEN NULL; END; */
static bool is_silent(const tp_lexemes *l, uint32_t at, block *found) {
    static const char *const words[] = {"exception", "when", "unique_violation", "then", "null"};
    for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!tp_lex_word(l, at + i, words[i])) {
            return false;
        }
    }
    found->end = at + 7;
    return tp_lex_sign(l, at + 5, ";") && tp_lex_word(l, at + 6, "end") &&
           tp_lex_sign(l, at + 7, ";");
}

/* INSERT INTO .. VALUES (one row); from where it begins. */
static bool is_single_insert(const tp_lexemes *l, uint32_t at, uint32_t *end) {
    bool values = false;
    int depth = 0;
    if (!tp_lex_word(l, at, "insert") || !tp_lex_word(l, at + 1, "into")) {
        return false;
    }
    for (at++; at < l->count && !(depth == 0 && tp_lex_sign(l, at, ";")); at++) {
        bool other = tp_lex_word(l, at, "select") || tp_lex_word(l, at, "conflict") ||
                     tp_lex_word(l, at, "returning") || tp_lex_word(l, at, "default") ||
                     (values && depth == 0 && tp_lex_sign(l, at, ","));
        if (other) {
            return false;
        }
        values = values || tp_lex_word(l, at, "values");
        depth += tp_lex_sign(l, at, "(") ? 1 : tp_lex_sign(l, at, ")") ? -1 : 0;
    }
    *end = at;
    return values && at < l->count;
}

/* Nothing is declared for it alone. */
static bool stands_alone(const tp_lexemes *l, uint32_t begin) {
    for (uint32_t i = begin; i > 0; i--) {
        if (tp_lex_word(l, i - 1, "declare") || tp_lex_sign(l, i - 1, ">>")) {
            return false;
        }
        if (tp_lex_word(l, i - 1, "begin")) {
            return true;
        }
    }
    return false;
}

static bool find_block(const tp_lexemes *l, block *found) {
    for (uint32_t i = 0; i + 1 < l->count; i++) {
        if (tp_lex_word(l, i, "begin") && is_single_insert(l, i + 1, &found->insert_end) &&
            is_silent(l, found->insert_end + 1, found) && stands_alone(l, i)) {
            found->begin = i;
            return true;
        }
    }
    return false;
}

const char *tp_advice_handler_rewrite(const tp_advice_trigger *trigger, tp_finding *finding) {
    static const char other[] =
        "only a block of one INSERT that does nothing about unique_violation "
        "says the same without catching; what this one catches, and why, "
        "its text does not say";
    tp_strbuf body = TP_STRBUF_INIT;
    block found = {0};
    if (trigger->of_extension) {
        return "it belongs to an extension";
    }
    if (trigger->body.handlers != 1 || !find_block(&trigger->body.lexemes, &found)) {
        return other;
    }
    tp_strbuf_add(&body, trigger->source, tp_advice_begins(trigger, found.begin));
    tp_advice_put_source(&body, trigger, found.begin + 1, found.insert_end);
    tp_strbuf_puts(&body, " ON CONFLICT DO NOTHING");
    tp_strbuf_puts(&body, trigger->source + tp_advice_begins(trigger, found.end));
    const char *reason = NULL;
    if (tp_advice_rewrite(&finding->sql, trigger, NULL, tp_strbuf_str(&body))) {
        tp_advice_rewrite_undo(&finding->undo, trigger);
    } else {
        reason = other;
    }
    finding->sql.failed = finding->sql.failed || body.failed;
    tp_strbuf_free(&body);
    return reason;
}
