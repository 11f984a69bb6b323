/* Types are followed through every cast: only casts that change nothing about what is compared are
 * known (to a wider integer, to numeric, from varchar to text). */
#include "core/sql_operand.h"

#include <string.h>

/* ---- types ---- */

/* The type after '::', or of an array when it ends in []; *width is that of an integer. */
tp_sql_type_name tp_sql_type(tp_sql_parser *parse, uint32_t *width, bool array) {
    static const struct {
        const char *word;
        tp_sql_type_name name;
        uint32_t width;
    } known[] = {{"smallint", TP_SQL_TYPE_INTEGER, 2}, {"integer", TP_SQL_TYPE_INTEGER, 4},
                 {"bigint", TP_SQL_TYPE_INTEGER, 8},   {"numeric", TP_SQL_TYPE_NUMERIC, 0},
                 {"text", TP_SQL_TYPE_TEXT, 0},        {"character", TP_SQL_TYPE_TEXT, 0}};
    tp_token first = parse->token;
    tp_sql_type_name found = TP_SQL_TYPE_OTHER;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (tp_sql_take_word(parse, known[i].word)) {
            found = known[i].name;
            *width = known[i].width;
            break;
        }
    }
    bool varying = tp_token_is(&first, TP_TOKEN_WORD, "character");
    bool brackets = found != TP_SQL_TYPE_OTHER &&
                    (!varying || tp_sql_take_word(parse, "varying")) &&
                    (!array || (tp_sql_take_sign(parse, "[") && tp_sql_take_sign(parse, "]")));
    if (!brackets || tp_sql_at_sign(parse, "[") || tp_sql_at_sign(parse, "(") ||
        tp_sql_at_sign(parse, ".")) {
        tp_sql_left(parse, "a cast to the type", &first);
        return TP_SQL_TYPE_OTHER;
    }
    return found;
}

static tp_sql_term integer_literal(tp_sql_parser *parse, const tp_token *text, uint32_t width) {
    int64_t number = 0;
    bool overflow;
    int64_t high = width == 2 ? INT16_MAX : width == 4 ? INT32_MAX : INT64_MAX;
    if (tp_decimal_read_integer(text->text, text->length, &number, &overflow) != TP_DECIMAL_OK ||
        number > high || number < -high - 1) {
        return tp_sql_left(parse, "the whole number", text);
    }
    return tp_sql_made(parse,
                       (tp_sql_term){.node = tp_predicate_integer(parse->out->predicate, number),
                                     .kind = TP_OPERAND_INTEGER,
                                     .width = width,
                                     .constant = true});
}

static tp_sql_term decimal_literal(tp_sql_parser *parse, const tp_token *text) {
    tp_decimal number;
    if (tp_decimal_read(text->text, text->length, &number) != TP_DECIMAL_OK) {
        return tp_sql_left(parse, "the number", text);
    }
    return tp_sql_made(parse,
                       (tp_sql_term){.node = tp_predicate_decimal(parse->out->predicate, &number),
                                     .kind = TP_OPERAND_NUMERIC,
                                     .constant = true});
}

/* An empty literal has bytes too: the place in the source that it would have. */
static tp_sql_term text_literal(tp_sql_parser *parse, const tp_token *text) {
    return tp_sql_made(parse, (tp_sql_term){.node = tp_predicate_text(parse->out->predicate,
                                                                      text->text, text->length),
                                            .kind = TP_OPERAND_TEXT,
                                            .constant = true,
                                            .equality = true,
                                            .order = true,
                                            .text = {text->text, text->length}});
}

/* A string or NULL needs its type behind it. */
static tp_sql_term typed_literal(tp_sql_parser *parse, const tp_token *text) {
    uint32_t width = 0;
    if (!tp_sql_take_sign(parse, "::")) {
        return tp_sql_left(parse, "a literal without a type", text);
    }
    tp_sql_type_name name = tp_sql_type(parse, &width, false);
    tp_operand_kind kind = name == TP_SQL_TYPE_INTEGER   ? TP_OPERAND_INTEGER
                           : name == TP_SQL_TYPE_NUMERIC ? TP_OPERAND_NUMERIC
                                                         : TP_OPERAND_TEXT;
    if (!tp_sql_fine(parse)) {
        return tp_sql_nothing;
    }
    if (text == NULL) {
        return tp_sql_made(parse,
                           (tp_sql_term){.node = tp_predicate_null(parse->out->predicate, kind),
                                         .kind = kind,
                                         .width = width,
                                         .constant = true,
                                         .equality = true,
                                         .order = true});
    }
    return name == TP_SQL_TYPE_INTEGER   ? integer_literal(parse, text, width)
           : name == TP_SQL_TYPE_NUMERIC ? decimal_literal(parse, text)
                                         : text_literal(parse, text);
}

tp_sql_term tp_sql_cast(tp_sql_parser *parse, tp_sql_term item, tp_sql_type_name name,
                        uint32_t width, const tp_token *shown) {
    bool widens =
        name == TP_SQL_TYPE_INTEGER && item.kind == TP_OPERAND_INTEGER && item.width <= width;
    bool exact = name == TP_SQL_TYPE_NUMERIC &&
                 (item.kind == TP_OPERAND_INTEGER || item.kind == TP_OPERAND_NUMERIC);
    bool same = name == TP_SQL_TYPE_TEXT && item.kind == TP_OPERAND_TEXT;
    if (!widens && !exact && !same) {
        return tp_sql_left(parse, "a cast to the type", shown);
    }
    item.kind = exact ? TP_OPERAND_NUMERIC : item.kind;
    item.width = widens ? width : item.width;
    return item;
}

static tp_sql_term cast(tp_sql_parser *parse, tp_sql_term item) {
    uint32_t width = 0;
    tp_token target = parse->token;
    tp_sql_type_name name = tp_sql_type(parse, &width, false);
    return tp_sql_cast(parse, item, name, width, &target);
}

/* ---- operands ---- */

static uint32_t use_column(tp_sql_parser *parse, uint32_t column) {
    tp_condition *out = parse->out;
    for (uint32_t i = 0; i < out->column_count; i++) {
        if (out->columns[i] == column) {
            return i;
        }
    }
    if (out->column_count == TP_CONDITION_COLUMNS_MAX) {
        tp_sql_left(parse, "more than 16 columns", NULL);
        return 0;
    }
    out->columns[out->column_count] = column;
    return out->column_count++;
}

static tp_sql_term column(tp_sql_parser *parse, const tp_token *name) {
    for (uint32_t i = 0; i < parse->column_count; i++) {
        const tp_condition_column *found = &parse->columns[i];
        if (strlen(found->name) == name->length &&
            memcmp(found->name, name->text, name->length) == 0) {
            uint32_t place = use_column(parse, i);
            return tp_sql_made(parse, (tp_sql_term){.node = tp_predicate_column(
                                                        parse->out->predicate, place, found->kind),
                                                    .kind = found->kind,
                                                    .width = found->width,
                                                    .column = true,
                                                    .equality = found->equality,
                                                    .order = found->order});
        }
    }
    return tp_sql_left(parse, "the name", name);
}

/* length(x): characters of a text. */
static tp_sql_term length_of(tp_sql_parser *parse) {
    tp_sql_term item = tp_sql_condition(parse);
    tp_sql_expect(parse, ")");
    if (tp_sql_fine(parse) && (item.kind != TP_OPERAND_TEXT || !item.column)) {
        return tp_sql_left(parse, "length() of something else than a column of texts", NULL);
    }
    return tp_sql_made(parse,
                       (tp_sql_term){.node = tp_predicate_length(parse->out->predicate, item.node),
                                     .kind = TP_OPERAND_INTEGER,
                                     .width = 4});
}

static tp_sql_term word_operand(tp_sql_parser *parse) {
    tp_token name = parse->token;
    tp_sql_advance(parse);
    if (tp_token_is(&name, TP_TOKEN_WORD, "NULL")) {
        return typed_literal(parse, NULL);
    }
    if (tp_token_is(&name, TP_TOKEN_WORD, "true") || tp_token_is(&name, TP_TOKEN_WORD, "false")) {
        tp_truth truth = name.text[0] == 't' ? TP_TRUE : TP_FALSE;
        return tp_sql_truth(parse, tp_predicate_truth(parse->out->predicate, truth));
    }
    if (tp_token_is(&name, TP_TOKEN_WORD, "pg_catalog") && tp_sql_take_sign(parse, ".")) {
        name = parse->token;
        tp_sql_advance(parse);
    }
    if (tp_sql_take_sign(parse, "(")) {
        bool known = tp_token_is(&name, TP_TOKEN_WORD, "length") ||
                     tp_token_is(&name, TP_TOKEN_WORD, "char_length") ||
                     tp_token_is(&name, TP_TOKEN_WORD, "character_length");
        return known ? length_of(parse) : tp_sql_left(parse, "the function", &name);
    }
    if (tp_sql_at_sign(parse, ".") || tp_sql_at_sign(parse, "[")) {
        return tp_sql_left(parse, "a part of", &name);
    }
    if (parse->is_domain) {
        return tp_token_is(&name, TP_TOKEN_WORD, "VALUE")
                   ? column(parse, &(tp_token){TP_TOKEN_NAME, parse->columns[0].name,
                                               (uint32_t)strlen(parse->columns[0].name)})
                   : tp_sql_left(parse, "the name", &name);
    }
    return column(parse, &name);
}

static tp_sql_term primary(tp_sql_parser *parse) {
    tp_token token = parse->token;
    switch (token.kind) {
    case TP_TOKEN_WORD:
        return word_operand(parse);
    case TP_TOKEN_NAME:
        tp_sql_advance(parse);
        return parse->is_domain || tp_sql_at_sign(parse, "(") || tp_sql_at_sign(parse, ".")
                   ? tp_sql_left(parse, "the name", &token)
                   : column(parse, &token);
    case TP_TOKEN_STRING:
        tp_sql_advance(parse);
        return typed_literal(parse, &token);
    case TP_TOKEN_NUMBER:
        tp_sql_advance(parse);
        return memchr(token.text, '.', token.length) != NULL ? decimal_literal(parse, &token)
                                                             : integer_literal(parse, &token, 4);
    default:
        break;
    }
    if (!tp_sql_take_sign(parse, "(")) {
        return tp_sql_left(parse, "an unknown form at", &token);
    }
    tp_sql_term item = tp_sql_condition(parse);
    tp_sql_expect(parse, ")");
    return item;
}

static tp_sql_term collate(tp_sql_parser *parse, tp_sql_term item) {
    tp_token name = parse->token;
    tp_sql_advance(parse);
    if (item.kind != TP_OPERAND_TEXT || !tp_token_is(&name, TP_TOKEN_NAME, "C")) {
        return tp_sql_left(parse, "the collation", &name);
    }
    item.equality = true;
    item.order = true;
    return item;
}

tp_sql_term tp_sql_operand(tp_sql_parser *parse) {
    tp_sql_term item = primary(parse);
    while (tp_sql_fine(parse)) {
        if (tp_sql_take_sign(parse, "::")) {
            item = cast(parse, item);
        } else if (tp_sql_take_word(parse, "COLLATE")) {
            item = collate(parse, item);
        } else {
            break;
        }
    }
    return item;
}
