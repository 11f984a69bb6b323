/* INSERT INTO, UPDATE .. SET, DELETE FROM, MERGE INTO, TRUNCATE and REFRESH MATERIALIZED VIEW,
 * wherever they stand, also in WITH. The same words in FOR UPDATE, ON CONFLICT DO UPDATE or a
 * trigger's events are told apart by what stands before them. */
#include "core/trigger_writes.h"

#include "base/array.h"

static bool is_part_of_another(const tp_lexemes *l, uint32_t at) {
    static const char *const before[] = {"for",   "key", "do", "on",      "before",
                                         "after", "or",  "of", "instead", "no"};
    for (size_t i = 0; at > 0 && i < sizeof before / sizeof before[0]; i++) {
        if (tp_lex_word(l, at - 1, before[i])) {
            return true;
        }
    }
    return false;
}

static uint32_t skip_word(const tp_lexemes *l, uint32_t at, const char *word) {
    return tp_lex_word(l, at, word) ? at + 1 : at;
}

/* Takes a name with its schema; false when there is none. Returns behind it. */
static bool take_name(const tp_lexemes *l, uint32_t *at, tp_body_write *write) {
    if (!tp_lex_is_name(l, *at)) {
        return false;
    }
    write->schema = TP_BODY_NONE;
    write->name = (*at)++;
    while (tp_lex_sign(l, *at, ".") && tp_lex_is_name(l, *at + 1)) {
        write->schema = write->name;
        write->name = *at + 1;
        *at += 2;
    }
    return true;
}

/* Where the statement ends that goes on here: at its semicolon or closing bracket. */
static uint32_t statement_end(const tp_lexemes *l, uint32_t at) {
    int depth = 0;
    for (; at < l->count; at++) {
        if (tp_lex_sign(l, at, "(")) {
            depth++;
        } else if (tp_lex_sign(l, at, ")") && --depth < 0) {
            break;
        } else if (tp_lex_sign(l, at, ";")) {
            break;
        }
    }
    return at;
}

static bool has_word(const tp_lexemes *l, uint32_t from, uint32_t end, const char *word) {
    for (; from < end; from++) {
        if (tp_lex_word(l, from, word)) {
            return true;
        }
    }
    return false;
}

static bool same_name(const tp_lexemes *l, uint32_t a, uint32_t b) {
    const tp_lexeme *x = &l->items[a];
    const tp_lexeme *y = &l->items[b];
    bool same = tp_lex_is_name(l, a) && tp_lex_is_name(l, b) && x->length == y->length;
    for (uint32_t i = 0; same && i < x->length; i++) {
        same = (x->text[i] | 0x20) == (y->text[i] | 0x20);
    }
    return same;
}

static void add_column(tp_body_write *write, uint32_t at) {
    if (write->column_count < TP_BODY_COLUMNS) {
        write->columns[write->column_count++] = at;
    } else {
        write->more_columns = true;
    }
}

/* One `column = expression`; returns where the expression ends. */
static uint32_t take_assignment(const tp_lexemes *l, uint32_t at, uint32_t end,
                                tp_body_write *write) {
    uint32_t column = at;
    bool listed = tp_lex_sign(l, at, "(");
    for (; at < end && !tp_lex_sign(l, at, "="); at++) {
        if (tp_lex_is_name(l, at)) {
            add_column(write, at);
        }
    }
    int depth = 0;
    bool itself = false;
    bool moved = false;
    for (at++; at < end; at++) {
        bool ends = tp_lex_sign(l, at, ",") || tp_lex_word(l, at, "where") ||
                    tp_lex_word(l, at, "from") || tp_lex_word(l, at, "returning");
        if (depth == 0 && ends) {
            break;
        }
        depth += tp_lex_sign(l, at, "(") ? 1 : tp_lex_sign(l, at, ")") ? -1 : 0;
        itself = itself || (!listed && same_name(l, at, column));
        moved = moved || tp_lex_sign(l, at, "+") || tp_lex_sign(l, at, "-");
    }
    write->increments = write->increments || (itself && moved);
    return at;
}

/* The list behind SET. */
static void take_columns(const tp_lexemes *l, uint32_t at, uint32_t end, tp_body_write *write) {
    do {
        at = take_assignment(l, at + 1, end, write);
    } while (at < end && tp_lex_sign(l, at, ","));
}

static bool take_update(const tp_lexemes *l, uint32_t at, tp_body_write *write) {
    at = skip_word(l, at + 1, "only");
    if (!take_name(l, &at, write)) {
        return false;
    }
    at = tp_lex_sign(l, at, "*") ? at + 1 : at;
    at = skip_word(l, at, "as");
    at = tp_lex_is_name(l, at) && !tp_lex_word(l, at, "set") ? at + 1 : at;
    if (!tp_lex_word(l, at, "set")) {
        return false;
    }
    uint32_t end = statement_end(l, at);
    take_columns(l, at, end, write);
    write->filtered = has_word(l, at, end, "where");
    return true;
}

static bool take_insert(const tp_lexemes *l, uint32_t at, tp_body_write *write) {
    if (!tp_lex_word(l, at + 1, "into")) {
        return false;
    }
    at += 2;
    if (!take_name(l, &at, write)) {
        return false;
    }
    uint32_t end = statement_end(l, at);
    write->filtered = has_word(l, at, end, "where") || !has_word(l, at, end, "from");
    for (; at < end; at++) {
        if (tp_lex_word(l, at, "do") && tp_lex_word(l, at + 1, "update") &&
            tp_lex_word(l, at + 2, "set")) {
            take_columns(l, at + 2, end, write);
        }
    }
    return true;
}

static bool take_delete(const tp_lexemes *l, uint32_t at, tp_body_write *write) {
    if (!tp_lex_word(l, at + 1, "from")) {
        return false;
    }
    at = skip_word(l, at + 2, "only");
    if (!take_name(l, &at, write)) {
        return false;
    }
    write->filtered = has_word(l, at, statement_end(l, at), "where");
    return true;
}

static bool take_truncate(const tp_lexemes *l, uint32_t at, tp_body_write *write) {
    at = skip_word(l, skip_word(l, at + 1, "table"), "only");
    return take_name(l, &at, write);
}

static bool take_refresh(const tp_lexemes *l, uint32_t at, tp_body_write *write) {
    if (!tp_lex_word(l, at + 1, "materialized") || !tp_lex_word(l, at + 2, "view")) {
        return false;
    }
    at = skip_word(l, at + 3, "concurrently");
    return take_name(l, &at, write);
}

static bool take_merge(const tp_lexemes *l, uint32_t at, tp_body_write *write) {
    if (!tp_lex_word(l, at + 1, "into")) {
        return false;
    }
    at = skip_word(l, at + 2, "only");
    write->filtered = true;
    return take_name(l, &at, write);
}

static bool take(const tp_lexemes *l, uint32_t at, tp_body_write *write) {
    static const struct {
        const char *word;
        bool (*take)(const tp_lexemes *l, uint32_t at, tp_body_write *write);
        tp_body_op op;
    } forms[] = {
        {"insert", take_insert, TP_BODY_INSERT},       {"update", take_update, TP_BODY_UPDATE},
        {"delete", take_delete, TP_BODY_DELETE},       {"merge", take_merge, TP_BODY_UPDATE},
        {"truncate", take_truncate, TP_BODY_TRUNCATE}, {"refresh", take_refresh, TP_BODY_REFRESH}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (tp_lex_word(l, at, forms[i].word)) {
            *write = (tp_body_write){.op = forms[i].op, .schema = TP_BODY_NONE};
            return !is_part_of_another(l, at) && forms[i].take(l, at, write);
        }
    }
    return false;
}

int32_t tp_trigger_writes_find(tp_trigger_body *body, trigperf_error **err) {
    for (uint32_t i = 0; i < body->lexemes.count; i++) {
        tp_body_write write;
        if (!take(&body->lexemes, i, &write)) {
            continue;
        }
        tp_body_write *writes = tp_array_reserve(body->writes, &body->write_capacity,
                                                 body->write_count + 1, sizeof *writes);
        if (writes == NULL) {
            return tp_error_nomem(err);
        }
        body->writes = writes;
        body->writes[body->write_count++] = write;
    }
    return TRIGPERF_OK;
}
