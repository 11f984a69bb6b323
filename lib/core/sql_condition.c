/* Recursive descent, one token ahead. Every construct that is not known is refused by name, and so
 * is every combination of types that this library does not compare exactly as the server does:
 * guessing would be worse than leaving it to the database.
 *
 * The text alone cannot tell length(text) from another schema's length(text), nor = from another
 * schema's =. Its caller therefore makes sure, from the catalogs, that the constraint depends on
 * nothing outside pg_catalog; among the built-in functions and operators, the operands' types,
 * which are followed here, leave one candidate each. */
#include "core/sql_condition.h"

#include <stdlib.h>
#include <string.h>

#include "core/sql_operand.h"

/* ---- comparisons ---- */

static bool is_number(tp_sql_term item) {
    return item.kind == TP_OPERAND_INTEGER || item.kind == TP_OPERAND_NUMERIC;
}

static bool comparable(tp_sql_parser *parse, tp_comparison comparison, tp_sql_term a,
                       tp_sql_term b) {
    if (!tp_sql_fine(parse)) {
        return false;
    }
    bool texts = a.kind == TP_OPERAND_TEXT && b.kind == TP_OPERAND_TEXT;
    if (!texts && !(is_number(a) && is_number(b))) {
        tp_sql_left(parse, "a comparison of types that are not on the list", NULL);
    } else if (texts && !(a.equality && b.equality)) {
        tp_sql_left(parse, "a collation that is not deterministic", NULL);
    } else if (texts && comparison != TP_EQ && comparison != TP_NE && !(a.order && b.order)) {
        tp_sql_left(parse, "an order of texts that depends on the locale", NULL);
    }
    return tp_sql_fine(parse);
}

static tp_sql_term compare(tp_sql_parser *parse, tp_comparison comparison, tp_sql_term a,
                           tp_sql_term b) {
    return comparable(parse, comparison, a, b)
               ? tp_sql_truth(
                     parse, tp_predicate_compare(parse->out->predicate, comparison, a.node, b.node))
               : tp_sql_nothing;
}

static tp_sql_term fold(tp_sql_parser *parse, bool all, const tp_sql_list *items) {
    uint32_t node = items->count == 0 ? TP_PREDICATE_NONE : items->items[items->count - 1].node;
    for (uint32_t i = items->count; tp_sql_fine(parse) && i-- > 1;) {
        node = tp_predicate_join(parse->out->predicate, all, items->items[i - 1].node, node);
    }
    return tp_sql_truth(parse, node);
}

/* The cast of an array casts its elements. */
static void cast_elements(tp_sql_parser *parse, tp_sql_list *elements) {
    uint32_t width = 0;
    tp_token target = parse->token;
    tp_sql_type_name name = tp_sql_type(parse, &width, true);
    for (uint32_t i = 0; tp_sql_fine(parse) && i < elements->count; i++) {
        elements->items[i] = tp_sql_cast(parse, elements->items[i], name, width, &target);
    }
}

/* The elements of ARRAY[..], within any parentheses, with any cast of the array behind it. */
static void array(tp_sql_parser *parse, tp_sql_list *elements) {
    if (++parse->depth > TP_SQL_DEPTH_MAX) {
        tp_sql_left(parse, "a condition that is nested too deeply", NULL);
    }
    if (tp_sql_take_sign(parse, "(")) {
        array(parse, elements);
        tp_sql_expect(parse, ")");
    } else if (tp_sql_take_word(parse, "ARRAY")) {
        tp_sql_expect(parse, "[");
        do {
            tp_sql_term item = tp_sql_operand(parse);
            if (tp_sql_fine(parse) && !item.constant) {
                tp_sql_left(parse, "a list of something else than constants", NULL);
            }
            tp_sql_push(parse, elements, item);
        } while (tp_sql_take_sign(parse, ","));
        tp_sql_expect(parse, "]");
    } else {
        tp_sql_left(parse, "an array that is not written out", NULL);
    }
    if (tp_sql_take_sign(parse, "::")) {
        cast_elements(parse, elements);
    }
    parse->depth--;
}

/* A list of words is looked up at once. False: it is none. */
static bool as_words(tp_sql_parser *parse, tp_sql_term a, const tp_sql_list *elements, bool negated,
                     tp_sql_term *out) {
    bool all = a.kind == TP_OPERAND_TEXT;
    for (uint32_t i = 0; all && i < elements->count; i++) {
        all = elements->items[i].text.data != NULL;
    }
    if (!all) {
        return false;
    }
    tp_value *words = malloc(elements->count * sizeof *words);
    for (uint32_t i = 0; words != NULL && i < elements->count; i++) {
        words[i] = elements->items[i].text;
    }
    tp_wordset *set = words == NULL ? NULL : tp_wordset_new(words, elements->count);
    free(words);
    if (set == NULL) {
        parse->status = tp_error_nomem(parse->err);
    } else {
        *out =
            tp_sql_truth(parse, tp_predicate_member(parse->out->predicate, a.node, set, negated));
    }
    return true;
}

/* x = ANY (ARRAY[..]), which is IN; x <> ALL (ARRAY[..]), which is NOT IN; the others likewise. */
static tp_sql_term quantified(tp_sql_parser *parse, tp_comparison comparison, tp_sql_term a,
                              bool all) {
    tp_sql_list elements = {NULL, 0, 0};
    tp_sql_term result = tp_sql_nothing;
    tp_sql_expect(parse, "(");
    array(parse, &elements);
    tp_sql_expect(parse, ")");
    bool fine = tp_sql_fine(parse);
    for (uint32_t i = 0; fine && i < elements.count; i++) {
        fine = comparable(parse, comparison, a, elements.items[i]);
    }
    bool in = all ? comparison == TP_NE : comparison == TP_EQ;
    if (fine && !(in && as_words(parse, a, &elements, all, &result))) {
        for (uint32_t i = 0; i < elements.count; i++) {
            elements.items[i] = compare(parse, comparison, a, elements.items[i]);
        }
        result = fold(parse, all, &elements);
    }
    free(elements.items);
    return result;
}

static tp_sql_term match(tp_sql_parser *parse, tp_sql_term text, bool negated) {
    tp_token token = parse->token;
    if (tp_sql_fine(parse) && (text.kind != TP_OPERAND_TEXT || !text.column || !text.equality)) {
        return tp_sql_left(parse, "a regular expression over something else than a column of texts",
                           NULL);
    }
    bool plain = token.kind == TP_TOKEN_STRING;
    tp_sql_advance(parse);
    if (!plain || !tp_sql_take_sign(parse, "::") || !tp_sql_take_word(parse, "text")) {
        return tp_sql_left(parse, "a regular expression that is no constant", NULL);
    }
    tp_pattern *pattern = NULL;
    int32_t status = tp_pattern_new(token.text, token.length, TP_PATTERN_SHARED, &pattern, NULL);
    if (status == TRIGPERF_E_NOMEM) {
        parse->status = tp_error_nomem(parse->err);
    }
    return status != TRIGPERF_OK
               ? tp_sql_left(parse, "the regular expression", &token)
               : tp_sql_truth(
                     parse, tp_predicate_match(parse->out->predicate, text.node, pattern, negated));
}

static bool comparison_sign(const tp_token *token, tp_comparison *comparison) {
    static const char *const signs[] = {"=", "<>", "<", "<=", ">", ">="};
    for (int i = 0; i < 6; i++) {
        if (tp_token_is(token, TP_TOKEN_SIGN, signs[i])) {
            *comparison = (tp_comparison)i;
            return true;
        }
    }
    return false;
}

/* OPERATOR(pg_catalog.=) is the operator in its last part. */
static bool take_operator(tp_sql_parser *parse, tp_token *sign) {
    if (tp_sql_take_word(parse, "OPERATOR")) {
        tp_sql_expect(parse, "(");
        if (!tp_sql_take_word(parse, "pg_catalog")) {
            tp_sql_left(parse, "an operator of the schema", &parse->token);
        }
        tp_sql_expect(parse, ".");
        *sign = parse->token;
        tp_sql_advance(parse);
        tp_sql_expect(parse, ")");
        return tp_sql_fine(parse);
    }
    *sign = parse->token;
    bool is_sign = parse->token.kind == TP_TOKEN_SIGN && strchr("()[],", *sign->text) == NULL;
    if (is_sign) {
        tp_sql_advance(parse);
    }
    return is_sign;
}

static tp_sql_term is_null(tp_sql_parser *parse, tp_sql_term item) {
    bool negated = tp_sql_take_word(parse, "NOT");
    if (!tp_sql_take_word(parse, "NULL")) {
        return tp_sql_left(parse, "IS", &parse->token);
    }
    if (item.kind == TP_OPERAND_TRUTH || item.constant) {
        return tp_sql_left(parse, "IS NULL of something else than a column", NULL);
    }
    return tp_sql_truth(parse, tp_predicate_is_null(parse->out->predicate, item.node, negated));
}

static tp_sql_term test(tp_sql_parser *parse) {
    tp_sql_term item = tp_sql_operand(parse);
    if (!tp_sql_fine(parse)) {
        return tp_sql_nothing;
    }
    if (tp_sql_take_word(parse, "IS")) {
        return is_null(parse, item);
    }
    tp_token sign;
    if (!take_operator(parse, &sign)) {
        return tp_sql_fine(parse) ? item : tp_sql_nothing;
    }
    tp_comparison comparison = TP_EQ;
    if (comparison_sign(&sign, &comparison)) {
        return tp_sql_take_word(parse, "ANY") ? quantified(parse, comparison, item, false)
               : tp_sql_take_word(parse, "ALL")
                   ? quantified(parse, comparison, item, true)
                   : compare(parse, comparison, item, tp_sql_operand(parse));
    }
    bool unlike = tp_token_is(&sign, TP_TOKEN_SIGN, "!~");
    return unlike || tp_token_is(&sign, TP_TOKEN_SIGN, "~")
               ? match(parse, item, unlike)
               : tp_sql_left(parse, "the operator", &sign);
}

/* ---- NOT, AND, OR ---- */

static bool is_truth(tp_sql_parser *parse, tp_sql_term item) {
    if (tp_sql_fine(parse) && item.kind != TP_OPERAND_TRUTH) {
        tp_sql_left(parse, "a value where a condition was expected", NULL);
    }
    return tp_sql_fine(parse);
}

static tp_sql_term negation(tp_sql_parser *parse) {
    bool negated = false;
    while (tp_sql_take_word(parse, "NOT")) {
        negated = !negated;
    }
    tp_sql_term item = test(parse);
    return negated && is_truth(parse, item)
               ? tp_sql_truth(parse, tp_predicate_not(parse->out->predicate, item.node))
               : item;
}

static tp_sql_term joined(tp_sql_parser *parse, const char *word, bool all,
                          tp_sql_term (*part)(tp_sql_parser *)) {
    tp_sql_term first = part(parse);
    if (!tp_sql_at_word(parse, word)) {
        return first;
    }
    tp_sql_list items = {NULL, 0, 0};
    bool going = is_truth(parse, first) && tp_sql_push(parse, &items, first);
    while (going && tp_sql_take_word(parse, word)) {
        tp_sql_term item = part(parse);
        going = is_truth(parse, item) && tp_sql_push(parse, &items, item);
    }
    tp_sql_term result = tp_sql_fine(parse) ? fold(parse, all, &items) : tp_sql_nothing;
    free(items.items);
    return result;
}

static tp_sql_term conjunction(tp_sql_parser *parse) {
    return joined(parse, "AND", true, negation);
}

tp_sql_term tp_sql_condition(tp_sql_parser *parse) {
    if (++parse->depth > TP_SQL_DEPTH_MAX) {
        return tp_sql_left(parse, "a condition that is nested too deeply", NULL);
    }
    tp_sql_term item = joined(parse, "OR", false, conjunction);
    parse->depth--;
    return item;
}

static void parse_all(tp_sql_parser *parse) {
    tp_sql_advance(parse);
    tp_sql_term whole = tp_sql_condition(parse);
    if (tp_sql_fine(parse) && parse->token.kind != TP_TOKEN_END) {
        tp_sql_left(parse, "an unknown form at", &parse->token);
    }
    if (is_truth(parse, whole) && parse->out->column_count == 0) {
        tp_sql_left(parse, "a condition without columns", NULL);
    }
    parse->out->root = whole.node;
}

int32_t tp_sql_condition_parse(const char *text, size_t length, const tp_condition_column *columns,
                               uint32_t column_count, bool is_domain, tp_condition *out,
                               trigperf_error **err) {
    if (length > TP_CONDITION_BYTES_MAX) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "leave it to the database",
                            "a condition of more than %u bytes", TP_CONDITION_BYTES_MAX);
    }
    tp_condition made_of = {.predicate = tp_predicate_new(), .root = TP_PREDICATE_NONE};
    tp_sql_parser parse = {.tokens = {text, length, 0, malloc(length + 1), 0},
                           .columns = columns,
                           .column_count = column_count,
                           .is_domain = is_domain,
                           .out = &made_of,
                           .err = err};
    if (made_of.predicate == NULL || parse.tokens.space == NULL) {
        parse.status = tp_error_nomem(err);
    } else {
        parse_all(&parse);
    }
    free(parse.tokens.space);
    if (parse.status != TRIGPERF_OK) {
        tp_condition_free(&made_of);
        return parse.status;
    }
    *out = made_of;
    return TRIGPERF_OK;
}

void tp_condition_free(tp_condition *condition) {
    tp_predicate_free(condition->predicate);
    *condition = (tp_condition){.predicate = NULL};
}
