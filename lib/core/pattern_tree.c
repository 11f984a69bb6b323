/* Recursive descent over characters: alternatives of sequences of repeated atoms. Recursion happens
 * at parentheses only, whose depth is limited. What is not known is refused by name (back
 * references, look-around, named classes): a pattern that means something else than its author
 * thought is worse than none.
 *
 * The shared syntax leaves out what depends on the locale in PostgreSQL (\d, \w, \s and classes:
 * there they hold for all of Unicode) and what it writes differently. */
#include "core/pattern_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/utf8.h"

#define DEPTH_MAX 32u
#define LAST_CHARACTER 0x10FFFFu

typedef struct parser {
    const char *text;
    size_t length;
    size_t at;
    uint32_t depth;
    tp_pattern_syntax syntax;
    tp_pattern_tree *tree;
    trigperf_error **err;
    int32_t status;
} parser;

static const char hint[] = "known are: characters, . ^ $ [..] [^..] (..) (?:..) | * + ? {m} {m,} "
                           "{m,n}, \\d \\w \\s \\D \\W "
                           "\\S \\n \\r \\t, and a backslash before punctuation";

static uint32_t refuse(parser *parse, const char *what) {
    if (parse->status == TRIGPERF_OK) {
        int shown = parse->length > 200 ? 200 : (int)parse->length;
        parse->status = tp_error_set(parse->err, TRIGPERF_E_INVALID, hint,
                                     "pattern '%.*s' is not valid: %s at byte %zu", shown,
                                     parse->text, what, parse->at + 1);
    }
    return TP_PATTERN_NONE;
}

static uint32_t add_node(parser *parse, tp_pattern_node node) {
    tp_pattern_tree *tree = parse->tree;
    if (parse->status != TRIGPERF_OK) {
        return TP_PATTERN_NONE;
    }
    tp_pattern_node *nodes =
        tp_array_reserve(tree->nodes, &tree->node_room, tree->node_count + 1, sizeof *nodes);
    if (nodes == NULL) {
        parse->status = tp_error_nomem(parse->err);
        return TP_PATTERN_NONE;
    }
    tree->nodes = nodes;
    nodes[tree->node_count] = node;
    return tree->node_count++;
}

static uint32_t leaf(parser *parse, tp_pattern_kind kind, uint32_t character) {
    return add_node(parse, (tp_pattern_node){.kind = kind, .left = character});
}

static void add_range(parser *parse, uint32_t low, uint32_t high) {
    tp_pattern_tree *tree = parse->tree;
    tp_pattern_range *ranges =
        tp_array_reserve(tree->ranges, &tree->range_room, tree->range_count + 1, sizeof *ranges);
    if (ranges == NULL) {
        parse->status = tp_error_nomem(parse->err);
        return;
    }
    tree->ranges = ranges;
    ranges[tree->range_count++] = (tp_pattern_range){low, high};
}

static bool more(const parser *parse) {
    return parse->status == TRIGPERF_OK && parse->at < parse->length;
}

/* The next byte, 0 at the end; all that has a meaning is ASCII. */
static char peek(const parser *parse) {
    return parse->at < parse->length ? parse->text[parse->at] : '\0';
}

static bool take(parser *parse, char wanted) {
    if (peek(parse) != wanted || !more(parse)) {
        return false;
    }
    parse->at++;
    return true;
}

static uint32_t next_character(parser *parse) {
    return tp_utf8_next(parse->text, parse->length, &parse->at);
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* ---- sets ---- */

/* The ranges of \d \w \s, or of what is not in them. */
static bool add_class(parser *parse, char name) {
    static const struct {
        char name;
        uint32_t count;
        tp_pattern_range ranges[5];
    } classes[] = {
        {'d', 1, {{'0', '9'}}},
        {'w', 4, {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
        {'s', 2, {{'\t', '\r'}, {' ', ' '}}},
        {'D', 2, {{0, '0' - 1}, {'9' + 1, LAST_CHARACTER}}},
        {'W',
         5,
         {{0, '0' - 1},
          {'9' + 1, 'A' - 1},
          {'Z' + 1, '_' - 1},
          {'_' + 1, 'a' - 1},
          {'z' + 1, LAST_CHARACTER}}},
        {'S', 3, {{0, '\t' - 1}, {'\r' + 1, ' ' - 1}, {' ' + 1, LAST_CHARACTER}}},
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].name == name) {
            for (uint32_t j = 0; j < classes[i].count; j++) {
                add_range(parse, classes[i].ranges[j].low, classes[i].ranges[j].high);
            }
            return true;
        }
    }
    return false;
}

/* What follows a backslash: a character, or a class, whose ranges are added. */
static uint32_t escape(parser *parse, bool *is_class) {
    *is_class = false;
    if (!more(parse)) {
        return refuse(parse, "a backslash without a character behind it");
    }
    char byte = peek(parse);
    if (!is_letter(byte) && !is_digit(byte)) {
        if ((unsigned char)byte < ' ' || (unsigned char)byte > '~') {
            return refuse(parse, "a backslash before something else than punctuation");
        }
        parse->at++;
        return (uint32_t)byte;
    }
    if (parse->syntax == TP_PATTERN_SHARED) {
        return refuse(parse, "an escape that may depend on the locale");
    }
    if (is_digit(byte)) {
        return refuse(parse, "a back reference, which is not supported,");
    }
    parse->at++;
    *is_class = add_class(parse, byte);
    uint32_t character = byte == 'n' ? '\n' : byte == 'r' ? '\r' : byte == 't' ? '\t' : 0;
    if (!*is_class && character == 0) {
        parse->at--;
        return refuse(parse, "an unknown escape");
    }
    return character;
}

/* One end of a range, or a class. */
static uint32_t set_member(parser *parse, bool *is_class) {
    *is_class = false;
    if (take(parse, '\\')) {
        return escape(parse, is_class);
    }
    if (peek(parse) == '[') {
        return refuse(parse, "a '[' within brackets (write '\\[')");
    }
    return next_character(parse);
}

static void set_item(parser *parse) {
    bool is_class = false;
    uint32_t low = set_member(parse, &is_class);
    if (parse->status != TRIGPERF_OK || is_class) {
        return;
    }
    uint32_t high = low;
    bool dash = peek(parse) == '-' && parse->at + 1 < parse->length;
    if (dash && parse->text[parse->at + 1] != ']') {
        parse->at++;
        high = set_member(parse, &is_class);
        if (parse->status == TRIGPERF_OK && (is_class || high < low)) {
            refuse(parse, "a range whose end is before its beginning");
            return;
        }
    }
    /* Between letters of other scripts the order of code points is nobody's alphabet. */
    if (parse->syntax == TP_PATTERN_SHARED && high != low && high > 0x7E) {
        refuse(parse, "a range beyond ASCII");
        return;
    }
    if (parse->status == TRIGPERF_OK) {
        add_range(parse, low, high);
    }
}

static uint32_t set(parser *parse) {
    tp_pattern_node node = {.kind = TP_PATTERN_SET, .negated = take(parse, '^')};
    node.left = parse->tree->range_count;
    if (peek(parse) == ']') {
        return refuse(parse, "brackets without a character");
    }
    while (more(parse) && peek(parse) != ']') {
        set_item(parse);
    }
    if (!take(parse, ']')) {
        return refuse(parse, "'[' without ']'");
    }
    node.right = parse->tree->range_count - node.left;
    return add_node(parse, node);
}

/* ---- atoms, repetitions, sequences, alternatives ---- */

static uint32_t alternatives(parser *parse);

static uint32_t group(parser *parse) {
    if (take(parse, '?') && !take(parse, ':')) {
        return refuse(parse, "'(?' without ':' (look-around and options are not supported)");
    }
    if (++parse->depth > DEPTH_MAX) {
        return refuse(parse, "more than 32 parentheses within each other");
    }
    uint32_t inner = alternatives(parse);
    parse->depth--;
    return take(parse, ')') ? inner : refuse(parse, "'(' without ')'");
}

static uint32_t escaped(parser *parse) {
    uint32_t first = parse->tree->range_count;
    bool is_class = false;
    uint32_t character = escape(parse, &is_class);
    return is_class ? add_node(parse, (tp_pattern_node){.kind = TP_PATTERN_SET,
                                                        .left = first,
                                                        .right = parse->tree->range_count - first})
                    : leaf(parse, TP_PATTERN_CHAR, character);
}

static uint32_t atom(parser *parse) {
    switch (peek(parse)) {
    case '(':
        parse->at++;
        return group(parse);
    case '[':
        parse->at++;
        return set(parse);
    case '.':
        parse->at++;
        return leaf(parse, TP_PATTERN_ANY, 0);
    case '^':
        parse->at++;
        return leaf(parse, TP_PATTERN_BEGIN, 0);
    case '$':
        parse->at++;
        return leaf(parse, TP_PATTERN_END, 0);
    case '\\':
        parse->at++;
        return escaped(parse);
    case '*':
    case '+':
    case '?':
    case '{':
        return refuse(parse, "a repetition of nothing (write a backslash before the character)");
    case ']':
    case '}':
        return refuse(parse, "a closing bracket without an opening one");
    default:
        return leaf(parse, TP_PATTERN_CHAR, next_character(parse));
    }
}

static uint32_t number(parser *parse) {
    uint32_t value = 0;
    if (!is_digit(peek(parse))) {
        return refuse(parse, "a repetition without a number");
    }
    while (is_digit(peek(parse)) && value <= TP_PATTERN_REPEAT_MAX) {
        value = value * 10 + (uint32_t)(parse->text[parse->at++] - '0');
    }
    return value <= TP_PATTERN_REPEAT_MAX ? value
                                          : refuse(parse, "a repetition of more than 255 times");
}

static void bounds(parser *parse, uint32_t *low, uint32_t *high) {
    *low = number(parse);
    *high = *low;
    if (take(parse, ',')) {
        *high = peek(parse) == '}' ? TP_PATTERN_NONE : number(parse);
    }
    if (parse->status != TRIGPERF_OK) {
        return;
    }
    if (!take(parse, '}')) {
        refuse(parse, "'{' without '}'");
    } else if (*high < *low) {
        refuse(parse, "a repetition whose end is before its beginning");
    }
}

static bool starts_repetition(const parser *parse) {
    return more(parse) && strchr("*+?{", peek(parse)) != NULL;
}

static uint32_t repeated(parser *parse) {
    uint32_t inner = atom(parse);
    if (inner == TP_PATTERN_NONE || !starts_repetition(parse)) {
        return inner;
    }
    tp_pattern_kind kind = parse->tree->nodes[inner].kind;
    if (kind == TP_PATTERN_BEGIN || kind == TP_PATTERN_END) {
        return refuse(parse, "a repetition of '^' or '$'");
    }
    char mark = parse->text[parse->at++];
    tp_pattern_node node = {.kind = TP_PATTERN_REPEAT, .left = inner, .high = TP_PATTERN_NONE};
    if (mark == '{') {
        bounds(parse, &node.low, &node.high);
    } else {
        node.low = mark == '+' ? 1 : 0;
        node.high = mark == '?' ? 1 : TP_PATTERN_NONE;
    }
    /* Lazy or not: what matches is the same. */
    if (parse->syntax == TP_PATTERN_OWN) {
        take(parse, '?');
    }
    return starts_repetition(parse) ? refuse(parse, "a repetition of a repetition")
                                    : add_node(parse, node);
}

/* A chain of one kind: the first one stands for all. */
typedef struct chain {
    tp_pattern_kind kind;
    uint32_t first;
    uint32_t last;
} chain;

static void append(parser *parse, chain *all, uint32_t item) {
    uint32_t link = add_node(
        parse, (tp_pattern_node){.kind = all->kind, .left = item, .right = TP_PATTERN_NONE});
    if (link == TP_PATTERN_NONE) {
        return;
    }
    if (all->first == TP_PATTERN_NONE) {
        all->first = link;
    } else {
        parse->tree->nodes[all->last].right = link;
    }
    all->last = link;
}

static uint32_t sequence(parser *parse) {
    chain all = {TP_PATTERN_THEN, TP_PATTERN_NONE, 0};
    while (more(parse) && peek(parse) != '|' && peek(parse) != ')') {
        append(parse, &all, repeated(parse));
    }
    return all.first == TP_PATTERN_NONE ? leaf(parse, TP_PATTERN_EMPTY, 0) : all.first;
}

static uint32_t alternatives(parser *parse) {
    chain all = {TP_PATTERN_OR, TP_PATTERN_NONE, 0};
    append(parse, &all, sequence(parse));
    while (more(parse) && take(parse, '|')) {
        append(parse, &all, sequence(parse));
    }
    return all.first;
}

int32_t tp_pattern_tree_parse(const char *text, size_t length, tp_pattern_syntax syntax,
                              tp_pattern_tree *tree, trigperf_error **err) {
    parser parse = {text, length, 0, 0, syntax, tree, err, TRIGPERF_OK};
    if (!tp_utf8_check(text, length, NULL)) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "write the pattern in UTF-8",
                            "expected a pattern in valid UTF-8 without zero bytes");
    }
    tree->root = alternatives(&parse);
    if (parse.status == TRIGPERF_OK && parse.at < length) {
        refuse(&parse, "')' without '('");
    }
    return parse.status;
}

void tp_pattern_tree_free(tp_pattern_tree *tree) {
    free(tree->nodes);
    free(tree->ranges);
    *tree = (tp_pattern_tree){0};
}
