/* The first error stays; after it every step does nothing, so that the grammar reads without checks
 * on each line. */
#include "core/sql_parser.h"

#include <string.h>

#include "base/array.h"

const tp_sql_term tp_sql_nothing = {.node = TP_PREDICATE_NONE};

tp_sql_term tp_sql_left(tp_sql_parser *parse, const char *what, const tp_token *token) {
    if (parse->status == TRIGPERF_OK) {
        int length = token == NULL ? 0 : token->length > 60 ? 60 : (int)token->length;
        parse->status = tp_error_set(
            parse->err, TRIGPERF_E_UNSUPPORTED, "doc/validation.md lists what is imported",
            "%s%s%.*s", what, length > 0 ? " " : "", length, token == NULL ? "" : token->text);
    }
    return tp_sql_nothing;
}

void tp_sql_advance(tp_sql_parser *parse) {
    parse->token = tp_sql_tokens_next(&parse->tokens);
}

bool tp_sql_fine(const tp_sql_parser *parse) {
    return parse->status == TRIGPERF_OK;
}

bool tp_sql_at_sign(const tp_sql_parser *parse, const char *text) {
    return tp_sql_fine(parse) && tp_token_is(&parse->token, TP_TOKEN_SIGN, text);
}

bool tp_sql_at_word(const tp_sql_parser *parse, const char *text) {
    return tp_sql_fine(parse) && tp_token_is(&parse->token, TP_TOKEN_WORD, text);
}

bool tp_sql_take_sign(tp_sql_parser *parse, const char *text) {
    if (!tp_sql_at_sign(parse, text)) {
        return false;
    }
    tp_sql_advance(parse);
    return true;
}

bool tp_sql_take_word(tp_sql_parser *parse, const char *text) {
    if (!tp_sql_at_word(parse, text)) {
        return false;
    }
    tp_sql_advance(parse);
    return true;
}

void tp_sql_expect(tp_sql_parser *parse, const char *sign) {
    if (!tp_sql_take_sign(parse, sign)) {
        tp_sql_left(parse, "an unknown form at", &parse->token);
    }
}

/* A node that could not be made is a lack of memory or too large a condition. */
tp_sql_term tp_sql_made(tp_sql_parser *parse, tp_sql_term item) {
    if (tp_sql_fine(parse) && item.node == TP_PREDICATE_NONE) {
        if (tp_predicate_full(parse->out->predicate)) {
            return tp_sql_left(parse, "a condition of too many parts", NULL);
        }
        parse->status = tp_error_nomem(parse->err);
    }
    return tp_sql_fine(parse) ? item : tp_sql_nothing;
}

tp_sql_term tp_sql_truth(tp_sql_parser *parse, uint32_t node) {
    return tp_sql_made(parse, (tp_sql_term){.node = node, .kind = TP_OPERAND_TRUTH});
}

bool tp_sql_push(tp_sql_parser *parse, tp_sql_list *all, tp_sql_term item) {
    if (!tp_sql_fine(parse)) {
        return false;
    }
    tp_sql_term *items = tp_array_reserve(all->items, &all->room, all->count + 1, sizeof *items);
    if (items == NULL) {
        parse->status = tp_error_nomem(parse->err);
        return false;
    }
    all->items = items;
    items[all->count++] = item;
    return true;
}
