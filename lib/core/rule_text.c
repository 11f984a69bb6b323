/* One pass, one line at a time: a line is read into at most 32 items, then its column is declared
 * (the type, when none is named, follows from the first item that needs one), then its rules are
 * added. No rule needs more than what stands in its line, so nothing is kept between lines. */
#include "core/rule_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/utf8.h"

#define ITEMS_MAX 32u
#define VALUES_MAX 4096u

typedef enum item_kind {
    ITEM_TYPE,
    ITEM_NOT_NULL,
    ITEM_FINITE,
    ITEM_RANGE,
    ITEM_LENGTH,
    ITEM_BYTES,
    ITEM_ONE_OF,
    ITEM_PATTERN
} item_kind;

typedef struct item {
    item_kind kind;
    tp_column_type type;
    char *low; /* RANGE, LENGTH, BYTES: numbers as text; PATTERN: the pattern */
    char *high;
    bool low_open;
    bool high_open;
    bool numbers;     /* ONE_OF: of numbers */
    tp_value *values; /* ONE_OF: their bytes are in bytes */
    uint32_t count;
    char *bytes;
    uint32_t unless;
} item;

typedef struct reader {
    const char *text;
    size_t at;
    size_t line_start;
    uint32_t line;
    tp_validator *validator;
    trigperf_error **err;
    int32_t status;
    char *column;
    item items[ITEMS_MAX];
    uint32_t count;
} reader;

static const char hint[] =
    "a line is 'column: item, item', an item one of: text, integer, numeric, numeric(p,s), real, "
    "not null, finite, 0..10, > 0, <= 5, length 1..20, bytes ..100, one of ('a', 'b'), pattern "
    "'^[a-z]+$', each with 'unless bulk' or 'unless migration' behind it";

/* ---- characters ---- */

static bool is_fine(const reader *in) {
    return in->status == TRIGPERF_OK;
}

static void refuse(reader *in, const char *expected) {
    if (!is_fine(in)) {
        return;
    }
    const char *rest = in->text + in->at;
    size_t length = strcspn(rest, "\r\n");
    const char *got = length == 0 ? "the end of the line" : rest;
    int shown = length == 0 ? (int)strlen(got) : length > 40 ? 40 : (int)length;
    in->status = tp_error_set(in->err, TRIGPERF_E_INVALID, hint,
                              "rules, line %u, column %zu: expected %s, got %s%.*s%s", in->line,
                              in->at - in->line_start + 1, expected, length == 0 ? "" : "'", shown,
                              got, length == 0 ? "" : "'");
}

static void nomem(reader *in) {
    if (is_fine(in)) {
        in->status = tp_error_nomem(in->err);
    }
}

static char peek(const reader *in) {
    return in->text[in->at];
}

static void skip_blanks(reader *in) {
    while (peek(in) == ' ' || peek(in) == '\t' || peek(in) == '\r') {
        in->at++;
    }
}

static bool at_line_end(const reader *in) {
    return peek(in) == '\0' || peek(in) == '\n' || peek(in) == '#';
}

static bool is_word(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (byte >= '0' && byte <= '9') || (unsigned char)byte >= 0x80;
}

static bool take(reader *in, const char *sign) {
    size_t length = strlen(sign);
    skip_blanks(in);
    if (!is_fine(in) || strncmp(in->text + in->at, sign, length) != 0) {
        return false;
    }
    in->at += length;
    return true;
}

static bool take_word(reader *in, const char *word) {
    size_t start = in->at;
    if (take(in, word) && !is_word(peek(in))) {
        return true;
    }
    in->at = start;
    return false;
}

static void expect(reader *in, const char *sign, const char *what) {
    if (is_fine(in) && !take(in, sign)) {
        refuse(in, what);
    }
}

static char *copy(reader *in, size_t start, size_t length) {
    char *text = tp_text_copy_bytes(in->text + start, length);
    if (text == NULL) {
        nomem(in);
    }
    return text;
}

/* A text in quotes; doubled ones within stand for one. NULL after a failure. */
static char *quoted(reader *in, char quote, const char *what) {
    skip_blanks(in);
    if (peek(in) != quote) {
        refuse(in, what);
        return NULL;
    }
    size_t start = ++in->at;
    size_t end = start;
    while (in->text[end] != '\0' && in->text[end] != '\n' &&
           (in->text[end] != quote || in->text[end + 1] == quote)) {
        end += in->text[end] == quote ? 2 : 1;
    }
    if (in->text[end] != quote) {
        in->at = end;
        refuse(in, "a closing quote");
        return NULL;
    }
    char *text = copy(in, start, end - start);
    size_t used = 0;
    for (size_t i = 0; text != NULL && i < end - start; i++) {
        text[used++] = text[i];
        i += text[i] == quote;
    }
    if (text != NULL) {
        text[used] = '\0';
    }
    in->at = end + 1;
    return text;
}

static bool starts_number(const reader *in) {
    const char *text = in->text + in->at;
    text += *text == '-' || *text == '+';
    return (*text >= '0' && *text <= '9') || (*text == '.' && text[1] >= '0' && text[1] <= '9');
}

/* A number, up to the two points of a range. NULL after a failure. */
static char *number(reader *in) {
    skip_blanks(in);
    if (!starts_number(in)) {
        refuse(in, "a number");
        return NULL;
    }
    size_t start = in->at++;
    for (;; in->at++) {
        char byte = peek(in);
        bool sign = (byte == '-' || byte == '+') && strchr("eE", in->text[in->at - 1]) != NULL;
        bool point = byte == '.' && in->text[in->at + 1] != '.';
        if (!sign && !point && !is_word(byte)) {
            break;
        }
    }
    return copy(in, start, in->at - start);
}

/* ---- items ---- */

static void free_items(reader *in) {
    for (uint32_t i = 0; i < in->count; i++) {
        free(in->items[i].low);
        free(in->items[i].high);
        free(in->items[i].values);
        free(in->items[i].bytes);
    }
    in->count = 0;
    free(in->column);
    in->column = NULL;
}

/* low..high, either may be left out; one number alone is both when `exact`. */
static void range(reader *in, item *out, bool exact) {
    skip_blanks(in);
    if (starts_number(in)) {
        out->low = number(in);
    }
    if (!take(in, "..")) {
        if (!exact || out->low == NULL) {
            refuse(in, "two points and a number, as in 0..10");
        } else {
            out->high = tp_text_copy(out->low);
            out->high == NULL ? nomem(in) : (void)0;
        }
        return;
    }
    skip_blanks(in);
    if (starts_number(in)) {
        out->high = number(in);
    } else if (out->low == NULL) {
        refuse(in, "a number before or after the two points");
    }
}

static bool compared(reader *in, item *out) {
    static const char *const signs[] = {">=", "<=", ">", "<"};
    for (int i = 0; i < 4; i++) {
        if (take(in, signs[i])) {
            char *bound = number(in);
            out->kind = ITEM_RANGE;
            *(signs[i][0] == '>' ? &out->low : &out->high) = bound;
            out->low_open = i == 2;
            out->high_open = i == 3;
            return true;
        }
    }
    return false;
}

static int32_t small_number(reader *in, int32_t low, int32_t high) {
    size_t start = in->at;
    char *text = number(in);
    char *end = text;
    long value = text == NULL ? 0 : strtol(text, &end, 10);
    if (text != NULL && (*end != '\0' || value < low || value > high)) {
        in->at = start;
        refuse(in, "a whole number of digits, as in numeric(8,2)");
    }
    free(text);
    return (int32_t)value;
}

static bool typed(reader *in, item *out) {
    static const struct {
        const char *word;
        tp_column_type type;
    } types[] = {{"text", {.kind = TP_TYPE_TEXT}},
                 {"integer", {.kind = TP_TYPE_INTEGER, .width = 8}},
                 {"numeric", {.kind = TP_TYPE_NUMERIC}},
                 {"real", {.kind = TP_TYPE_REAL}}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!take_word(in, types[i].word)) {
            continue;
        }
        out->kind = ITEM_TYPE;
        out->type = types[i].type;
        if (out->type.kind == TP_TYPE_NUMERIC && take(in, "(")) {
            out->type.precision = small_number(in, 1, 200);
            out->type.scale = take(in, ",") ? small_number(in, 0, 200) : 0;
            expect(in, ")", "')' behind the digits");
        }
        return true;
    }
    return false;
}

/* One value of a list, appended to bytes; offsets become pointers when the list is complete. */
static void list_value(reader *in, item *out, tp_strbuf *bytes, bool numbers) {
    char *text = numbers ? number(in) : quoted(in, '\'', "a value in single quotes");
    if (text == NULL) {
        return;
    }
    if (out->count == VALUES_MAX) {
        refuse(in, "at most 4096 values");
    } else {
        out->values[out->count++].length = (uint32_t)strlen(text);
        tp_strbuf_puts(bytes, text);
    }
    free(text);
}

static void list(reader *in, item *out) {
    tp_strbuf bytes = TP_STRBUF_INIT;
    out->kind = ITEM_ONE_OF;
    expect(in, "(", "'(' and the values");
    skip_blanks(in);
    out->numbers = starts_number(in);
    out->values = calloc(VALUES_MAX, sizeof *out->values);
    if (out->values == NULL) {
        nomem(in);
    }
    do {
        if (is_fine(in)) {
            list_value(in, out, &bytes, out->numbers);
        }
    } while (take(in, ","));
    expect(in, ")", "',' or ')' behind a value");
    out->bytes = tp_strbuf_take(&bytes);
    if (out->bytes == NULL) {
        nomem(in);
        return;
    }
    const char *at = out->bytes;
    for (uint32_t i = 0; i < out->count; i++) {
        out->values[i].data = at;
        at += out->values[i].length;
    }
}

static void unless(reader *in, item *out) {
    if (!take_word(in, "unless")) {
        return;
    }
    do {
        if (take_word(in, "bulk")) {
            out->unless |= TP_UNLESS_BULK;
        } else if (take_word(in, "migration")) {
            out->unless |= TP_UNLESS_MIGRATION;
        } else {
            refuse(in, "'bulk' or 'migration'");
        }
    } while (take_word(in, "or"));
}

static void read_item(reader *in, item *out) {
    if (take_word(in, "not")) {
        out->kind = ITEM_NOT_NULL;
        if (!take_word(in, "null")) {
            refuse(in, "'null' behind 'not'");
        }
    } else if (take_word(in, "finite")) {
        out->kind = ITEM_FINITE;
    } else if (take_word(in, "length")) {
        out->kind = ITEM_LENGTH;
        range(in, out, true);
    } else if (take_word(in, "bytes")) {
        out->kind = ITEM_BYTES;
        range(in, out, true);
    } else if (take_word(in, "pattern")) {
        out->kind = ITEM_PATTERN;
        out->low = quoted(in, '\'', "a pattern in single quotes");
    } else if (take_word(in, "one")) {
        take_word(in, "of") ? list(in, out) : refuse(in, "'of' behind 'one'");
    } else if (starts_number(in) || peek(in) == '.') {
        out->kind = ITEM_RANGE;
        range(in, out, false);
    } else if (!typed(in, out) && !compared(in, out)) {
        refuse(in, "a type or a rule");
    }
    unless(in, out);
}

/* ---- lines ---- */

static void read_line(reader *in) {
    skip_blanks(in);
    if (peek(in) == '"') {
        in->column = quoted(in, '"', "a column");
    } else {
        size_t start = in->at;
        while (is_word(peek(in))) {
            in->at++;
        }
        in->at == start ? refuse(in, "the name of a column")
                        : (void)(in->column = copy(in, start, in->at - start));
    }
    expect(in, ":", "':' behind the name of the column");
    do {
        skip_blanks(in);
        if (is_fine(in) && in->count == ITEMS_MAX) {
            refuse(in, "at most 32 items in a line");
        }
        if (is_fine(in)) {
            in->items[in->count] = (item){.kind = ITEM_NOT_NULL};
            read_item(in, &in->items[in->count++]);
        }
    } while (take(in, ","));
    skip_blanks(in);
    if (is_fine(in) && !at_line_end(in)) {
        refuse(in, "',' or the end of the line");
    }
}

static bool names_type(const reader *in) {
    for (uint32_t i = 0; i < in->count; i++) {
        if (in->items[i].kind == ITEM_TYPE) {
            return true;
        }
    }
    return false;
}

/* The type that is named, or that the first rule with a wish has. */
static tp_column_type type_of(const reader *in) {
    for (uint32_t i = 0; i < in->count; i++) {
        if (in->items[i].kind == ITEM_TYPE) {
            return in->items[i].type;
        }
    }
    for (uint32_t i = 0; i < in->count; i++) {
        item_kind kind = in->items[i].kind;
        if (kind == ITEM_RANGE || kind == ITEM_FINITE ||
            (kind == ITEM_ONE_OF && in->items[i].numbers)) {
            return (tp_column_type){.kind = TP_TYPE_NUMERIC};
        }
    }
    return (tp_column_type){.kind = TP_TYPE_TEXT};
}

static bool bound_of_size(const char *text, uint64_t none, uint64_t *out) {
    int64_t number = 0;
    bool overflow;
    if (text == NULL) {
        *out = none;
        return true;
    }
    bool fine = tp_decimal_read_integer(text, strlen(text), &number, &overflow) == TP_DECIMAL_OK &&
                number >= 0;
    *out = (uint64_t)number;
    return fine;
}

static int32_t make_length(reader *in, const item *it, const tp_column_type *type,
                           tp_check_rule **rule) {
    uint64_t low;
    uint64_t high;
    if (!bound_of_size(it->low, 0, &low) || !bound_of_size(it->high, UINT64_MAX, &high)) {
        return tp_error_set(in->err, TRIGPERF_E_INVALID, hint,
                            "expected whole numbers from 0 as lengths, got %s..%s",
                            it->low == NULL ? "" : it->low, it->high == NULL ? "" : it->high);
    }
    return tp_check_rule_length(type, it->kind == ITEM_BYTES, low, high, rule, in->err);
}

static int32_t make_rule(reader *in, const item *it, const tp_column_type *type,
                         tp_check_rule **rule) {
    tp_check_bounds bounds = {it->low, it->high, it->low_open, it->high_open};
    switch (it->kind) {
    case ITEM_NOT_NULL:
        return tp_check_rule_not_null(rule, in->err);
    case ITEM_FINITE:
        return tp_check_rule_finite(type, rule, in->err);
    case ITEM_RANGE:
        return tp_check_rule_range(type, &bounds, rule, in->err);
    case ITEM_ONE_OF:
        return tp_check_rule_one_of(type, it->values, it->count, rule, in->err);
    case ITEM_PATTERN:
        return tp_check_rule_pattern(type, it->low, rule, in->err);
    default:
        return make_length(in, it, type, rule);
    }
}

/* Says in which line it was, since the error came from where lines are not known. */
static int32_t place_error(reader *in, trigperf_error *cause, int32_t status) {
    if (status == TRIGPERF_E_NOMEM) {
        return tp_error_move(in->err, cause, status);
    }
    tp_error_set(in->err, status, trigperf_error_hint(cause), "rules, line %u, column \"%s\": %s",
                 in->line, in->column, trigperf_error_message(cause));
    trigperf_error_free(cause);
    return status;
}

static int32_t add_rules(reader *in, uint32_t number) {
    tp_column_type type = *tp_validator_column_type(in->validator, number);
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < in->count; i++) {
        tp_check_rule *rule = NULL;
        if (in->items[i].kind != ITEM_TYPE) {
            status = make_rule(in, &in->items[i], &type, &rule);
            status = status != TRIGPERF_OK ? status
                                           : tp_validator_add(in->validator, &number, 1, rule,
                                                              in->items[i].unless, in->err);
        }
    }
    return status;
}

static void add_line(reader *in) {
    trigperf_error *cause = NULL;
    trigperf_error **where = in->err;
    uint32_t number = tp_validator_find(in->validator, in->column, strlen(in->column));
    tp_column_type type = type_of(in);
    in->err = &cause;
    int32_t status = TRIGPERF_OK;
    if (number == TP_VALIDATOR_NONE || names_type(in)) {
        status =
            tp_validator_column(in->validator, in->column, &type, NULL, false, &number, in->err);
    }
    if (status == TRIGPERF_OK) {
        status = add_rules(in, number);
    }
    in->err = where;
    in->status = status == TRIGPERF_OK ? TRIGPERF_OK : place_error(in, cause, status);
}

static void skip_comment(reader *in) {
    if (peek(in) == '#') {
        in->at += strcspn(in->text + in->at, "\n");
    }
}

int32_t tp_rule_text_parse(const char *text, tp_validator *validator, trigperf_error **err) {
    if (!tp_utf8_check(text, strlen(text), NULL)) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "write the rules in UTF-8",
                            "expected rules in valid UTF-8");
    }
    reader *in = calloc(1, sizeof *in);
    if (in == NULL) {
        return tp_error_nomem(err);
    }
    *in = (reader){.text = text, .line = 1, .validator = validator, .err = err};
    while (is_fine(in) && peek(in) != '\0') {
        skip_blanks(in);
        if (!at_line_end(in)) {
            read_line(in);
            if (is_fine(in)) {
                add_line(in);
            }
            free_items(in);
        }
        skip_comment(in);
        if (is_fine(in) && peek(in) == '\n') {
            in->line_start = ++in->at;
            in->line++;
        }
    }
    int32_t status = in->status;
    free(in);
    return status;
}
