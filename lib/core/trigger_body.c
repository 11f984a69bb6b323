/* Patterns over the lexemes of a body, without a grammar: a function of anybody's must be read,
 * and what is not recognised must only mean that nothing is said of it. Each question is asked by
 * itself, in one walk; words in comments and literals cannot answer it, since they are no words. */
#include "core/trigger_body.h"

#include <stdlib.h>
#include <string.h>

#include "core/trigger_guard.h"
#include "core/trigger_writes.h"

static bool any_word(const tp_lexemes *l, uint32_t at, const char *const *words) {
    for (; *words != NULL; words++) {
        if (tp_lex_word(l, at, *words)) {
            return true;
        }
    }
    return false;
}

/* --- blocks ------------------------------------------------------------------------------------*/

enum { DEEPEST = 64 };

typedef struct block {
    char kind; /* B: BEGIN, other: something else that END ends */
    bool writes;
    bool handled;
} block;

typedef struct blocks {
    block items[DEEPEST];
    uint32_t depth;
} blocks;

static void push(blocks *b, char kind) {
    if (b->depth < DEEPEST) {
        b->items[b->depth] = (block){kind, false, false};
    }
    b->depth++;
}

static void mark_write(blocks *b) {
    for (uint32_t i = 0; i < b->depth && i < DEEPEST; i++) {
        b->items[i].writes = b->items[i].writes || !b->items[i].handled;
    }
}

static void note_handler(blocks *b, tp_trigger_body *body) {
    body->handlers++;
    if (b->depth > 0 && b->depth <= DEEPEST) {
        block *top = &b->items[b->depth - 1];
        body->write_handlers += top->writes ? 1 : 0;
        top->handled = true;
    }
}

static bool is_write(const tp_trigger_body *body, uint32_t at) {
    for (uint32_t i = 0; i < body->write_count; i++) {
        uint32_t name = body->writes[i].name;
        if (name > at && name - at <= 6 &&
            (i == 0 || body->writes[i - 1].name < at || body->writes[i - 1].name == name)) {
            return true;
        }
    }
    return false;
}

/* One step of following BEGIN, IF, CASE, LOOP and their END; returns how many lexemes to skip. */
static uint32_t follow(const tp_lexemes *l, uint32_t at, blocks *b) {
    static const char *const ended[] = {"if", "loop", "case", NULL};
    if (tp_lex_word(l, at, "end")) {
        b->depth -= b->depth > 0 ? 1 : 0;
        return any_word(l, at + 1, ended) ? 1 : 0;
    }
    if (tp_lex_word(l, at, "begin") || tp_lex_word(l, at, "loop")) {
        push(b, tp_lex_word(l, at, "begin") ? 'B' : 'L');
    } else if (tp_lex_word(l, at, "case")) {
        push(b, 'C');
    } else if (tp_lex_word(l, at, "if") && tp_lex_begins_statement(l, at)) {
        push(b, 'I');
    }
    return 0;
}

static void find_handlers(tp_trigger_body *body) {
    static const char *const writing[] = {"insert", "update", "delete", "truncate", "merge", NULL};
    const tp_lexemes *l = &body->lexemes;
    blocks open = {.depth = 0};
    for (uint32_t i = 0; i < l->count; i++) {
        if (tp_lex_word(l, i, "exception") && tp_lex_word(l, i + 1, "when")) {
            note_handler(&open, body);
        } else if (any_word(l, i, writing) && is_write(body, i)) {
            mark_write(&open);
        }
        i += follow(l, i, &open);
    }
}

/* --- single questions --------------------------------------------------------------------------*/

static bool is_row(const tp_lexemes *l, uint32_t at) {
    return (tp_lex_word(l, at, "new") || tp_lex_word(l, at, "old")) && tp_lex_sign(l, at + 1, ".");
}

static bool notifies_in_text(const tp_lexeme *text) {
    tp_lexeme rest = *text;
    while (rest.length > 0 && strchr(" \t\r\n", rest.text[0]) != NULL) {
        rest.text++;
        rest.length--;
    }
    rest.length = rest.length > 6 ? 6 : rest.length;
    rest.kind = TP_LEX_WORD;
    return tp_lex_names(&rest, "notify");
}

static void read_dynamic(tp_trigger_body *body, uint32_t at) {
    const tp_lexemes *l = &body->lexemes;
    body->dynamic++;
    for (uint32_t i = at + 1; i < l->count && !tp_lex_sign(l, i, ";"); i++) {
        body->pasted = body->pasted || (tp_lex_sign(l, i, "||") && is_row(l, i + 1));
        body->notifies =
            body->notifies || (l->items[i].kind == TP_LEX_STRING && notifies_in_text(&l->items[i]));
    }
}

static bool is_aggregate(const tp_lexemes *l, uint32_t at) {
    static const char *const names[] = {"count", "sum", "avg", "min", "max", NULL};
    return any_word(l, at, names) && tp_lex_sign(l, at + 1, "(");
}

/* RAISE of anything that is not only told. */
static bool is_refusal(const tp_lexemes *l, uint32_t at) {
    static const char *const told[] = {"debug", "log", "info", "notice", "warning", NULL};
    return tp_lex_word(l, at, "raise") && tp_lex_begins_statement(l, at) &&
           !any_word(l, at + 1, told);
}

static void ask(tp_trigger_body *body, uint32_t at) {
    const tp_lexemes *l = &body->lexemes;
    bool notify = (tp_lex_word(l, at, "notify") && tp_lex_begins_statement(l, at) &&
                   tp_lex_is_name(l, at + 1)) ||
                  (tp_lex_word(l, at, "pg_notify") && tp_lex_sign(l, at + 1, "("));
    body->notifies = body->notifies || notify;
    body->raises = body->raises || is_refusal(l, at);
    body->depth_guard = body->depth_guard || tp_lex_word(l, at, "pg_trigger_depth");
    body->aggregates = body->aggregates || is_aggregate(l, at);
    if (tp_lex_word(l, at, "execute") && !tp_lex_word(l, at + 1, "function") &&
        !tp_lex_word(l, at + 1, "procedure") && !tp_lex_word(l, at + 1, "on")) {
        read_dynamic(body, at);
    }
}

int32_t tp_trigger_body_read(const char *source, tp_trigger_body *out, trigperf_error **err) {
    tp_trigger_body body = {0};
    int32_t status = tp_sql_lex(source, strlen(source), &body.lexemes, err);
    if (status == TRIGPERF_OK) {
        status = tp_trigger_writes_find(&body, err);
    }
    if (status != TRIGPERF_OK) {
        tp_trigger_body_free(&body);
        return status;
    }
    for (uint32_t i = 0; i < body.lexemes.count; i++) {
        ask(&body, i);
    }
    find_handlers(&body);
    tp_trigger_guard_find(&body);
    *out = body;
    return TRIGPERF_OK;
}

void tp_trigger_body_free(tp_trigger_body *body) {
    tp_lexemes_free(&body->lexemes);
    free(body->writes);
    *body = (tp_trigger_body){0};
}
