/* One pass over the bytes; lexemes point into the source, so that they need no memory but their
 * array. Quotes are taken as standard_conforming_strings = on does, E'..' with backslashes;
 * comments nest as the server nests them, and end an operator that they stand in.
 *
 * It is for looking at functions of others, so nothing is refused: a byte that fits nowhere is a
 * sign of its own. What must be understood exactly is read by core/sql_tokens.h instead. */
#include "core/sql_lexer.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

typedef struct scan {
    const char *source;
    size_t length;
    size_t at;
} scan;

static char peek(const scan *s, size_t ahead) {
    return s->at + ahead < s->length ? s->source[s->at + ahead] : '\0';
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool begins_word(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (unsigned char)byte >= 0x80;
}

static bool in_word(char byte) {
    return begins_word(byte) || is_digit(byte) || byte == '$';
}

static bool is_operator(char byte) {
    return byte != '\0' && strchr("+-*/<>=~!@#%^&|`?", byte) != NULL;
}

static void skip_block_comment(scan *s) {
    int depth = 0;
    do {
        if (peek(s, 0) == '/' && peek(s, 1) == '*') {
            depth++;
            s->at += 2;
        } else if (peek(s, 0) == '*' && peek(s, 1) == '/') {
            depth--;
            s->at += 2;
        } else {
            s->at++;
        }
    } while (depth > 0 && s->at < s->length);
}

static bool skip_blank(scan *s) {
    char byte = peek(s, 0);
    if (byte == '-' && peek(s, 1) == '-') {
        while (s->at < s->length && s->source[s->at] != '\n') {
            s->at++;
        }
        return true;
    }
    if (byte == '/' && peek(s, 1) == '*') {
        skip_block_comment(s);
        return true;
    }
    if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f') {
        s->at++;
        return true;
    }
    return false;
}

/* From behind the first quote to the last; doubled quotes stay as they are. */
static tp_lexeme quoted(scan *s, char quote, bool backslashes, tp_lexeme_kind kind) {
    size_t start = s->at;
    while (s->at < s->length) {
        char byte = s->source[s->at];
        if (backslashes && byte == '\\') {
            s->at += 2;
        } else if (byte == quote && peek(s, 1) == quote) {
            s->at += 2;
        } else if (byte == quote) {
            break;
        } else {
            s->at++;
        }
    }
    size_t end = s->at < s->length ? s->at : s->length;
    s->at = end + 1;
    return (tp_lexeme){s->source + start, (uint32_t)(end - start), kind};
}

/* Length of the tag $..$ that begins here, 0 when none does. */
static size_t dollar_tag(const scan *s) {
    size_t length = 1;
    if (is_digit(peek(s, 1))) {
        return 0;
    }
    while (in_word(peek(s, length)) && peek(s, length) != '$') {
        length++;
    }
    return peek(s, length) == '$' ? length + 1 : 0;
}

static tp_lexeme dollar_quoted(scan *s, size_t tag) {
    const char *mark = s->source + s->at;
    size_t start = s->at + tag;
    const char *end =
        start <= s->length ? memmem(s->source + start, s->length - start, mark, tag) : NULL;
    size_t stop = end == NULL ? s->length : (size_t)(end - s->source);
    s->at = end == NULL ? s->length : stop + tag;
    return (tp_lexeme){s->source + start, (uint32_t)(stop - start), TP_LEX_STRING};
}

static tp_lexeme piece(const scan *s, size_t start, tp_lexeme_kind kind) {
    return (tp_lexeme){s->source + start, (uint32_t)(s->at - start), kind};
}

static tp_lexeme number(scan *s) {
    size_t start = s->at;
    while (in_word(peek(s, 0)) || (peek(s, 0) == '.' && peek(s, 1) != '.')) {
        s->at++;
    }
    return piece(s, start, TP_LEX_NUMBER);
}

/* A word, or a literal with a letter in front of it. */
static tp_lexeme word(scan *s) {
    size_t start = s->at;
    char first = peek(s, 0);
    if (peek(s, 1) == '\'' && strchr("eEbBxXnN", first) != NULL) {
        s->at += 2;
        return quoted(s, '\'', first == 'e' || first == 'E', TP_LEX_STRING);
    }
    if ((first == 'u' || first == 'U') && peek(s, 1) == '&' &&
        (peek(s, 2) == '\'' || peek(s, 2) == '"')) {
        char quote = peek(s, 2);
        s->at += 3;
        return quoted(s, quote, false, quote == '"' ? TP_LEX_NAME : TP_LEX_STRING);
    }
    while (in_word(peek(s, 0))) {
        s->at++;
    }
    return piece(s, start, TP_LEX_WORD);
}

static bool comment_here(const scan *s) {
    return (peek(s, 0) == '-' && peek(s, 1) == '-') || (peek(s, 0) == '/' && peek(s, 1) == '*');
}

static tp_lexeme sign(scan *s) {
    size_t start = s->at;
    char first = peek(s, 0);
    char second = peek(s, 1);
    if ((first == ':' && (second == ':' || second == '=')) || (first == '.' && second == '.')) {
        s->at += 2;
    } else if (is_operator(first)) {
        do {
            s->at++;
        } while (is_operator(peek(s, 0)) && !comment_here(s));
    } else {
        s->at++;
    }
    return piece(s, start, TP_LEX_SIGN);
}

static tp_lexeme next(scan *s) {
    char first = peek(s, 0);
    size_t tag = first == '$' ? dollar_tag(s) : 0;
    if (tag > 0) {
        return dollar_quoted(s, tag);
    }
    if (first == '\'' || first == '"') {
        s->at++;
        return quoted(s, first, false, first == '"' ? TP_LEX_NAME : TP_LEX_STRING);
    }
    return is_digit(first) ? number(s) : begins_word(first) ? word(s) : sign(s);
}

int32_t tp_sql_lex(const char *source, size_t length, tp_lexemes *out, trigperf_error **err) {
    scan s = {source, length, 0};
    tp_lexemes found = {NULL, 0, 0};
    while (s.at < s.length) {
        if (skip_blank(&s)) {
            continue;
        }
        tp_lexeme *items =
            tp_array_reserve(found.items, &found.capacity, found.count + 1, sizeof *items);
        if (items == NULL) {
            tp_lexemes_free(&found);
            return tp_error_nomem(err);
        }
        found.items = items;
        found.items[found.count++] = next(&s);
    }
    *out = found;
    return TRIGPERF_OK;
}

void tp_lexemes_free(tp_lexemes *lexemes) {
    free(lexemes->items);
    *lexemes = (tp_lexemes){NULL, 0, 0};
}

static char folded(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static bool same_folded(const tp_lexeme *lexeme, const char *word) {
    size_t length = strlen(word);
    bool same = length == lexeme->length;
    for (size_t i = 0; same && i < length; i++) {
        same = folded(lexeme->text[i]) == word[i];
    }
    return same;
}

bool tp_lex_word(const tp_lexemes *lexemes, uint32_t index, const char *word) {
    return index < lexemes->count && lexemes->items[index].kind == TP_LEX_WORD &&
           same_folded(&lexemes->items[index], word);
}

bool tp_lex_sign(const tp_lexemes *lexemes, uint32_t index, const char *text) {
    return index < lexemes->count && lexemes->items[index].kind == TP_LEX_SIGN &&
           lexemes->items[index].length == strlen(text) &&
           memcmp(lexemes->items[index].text, text, strlen(text)) == 0;
}

bool tp_lex_begins_statement(const tp_lexemes *lexemes, uint32_t index) {
    static const char *const openers[] = {"begin", "then", "else", "loop"};
    bool begins =
        index == 0 || tp_lex_sign(lexemes, index - 1, ";") || tp_lex_sign(lexemes, index - 1, ">>");
    for (size_t i = 0; !begins && i < sizeof openers / sizeof openers[0]; i++) {
        begins = tp_lex_word(lexemes, index - 1, openers[i]);
    }
    return begins;
}

bool tp_lex_is_name(const tp_lexemes *lexemes, uint32_t index) {
    return index < lexemes->count &&
           (lexemes->items[index].kind == TP_LEX_WORD || lexemes->items[index].kind == TP_LEX_NAME);
}

bool tp_lex_names(const tp_lexeme *lexeme, const char *name) {
    if (lexeme->kind == TP_LEX_WORD) {
        return same_folded(lexeme, name);
    }
    size_t at = 0;
    for (uint32_t i = 0; lexeme->kind == TP_LEX_NAME && i < lexeme->length; i++, at++) {
        if (name[at] != lexeme->text[i]) {
            return false;
        }
        i += lexeme->text[i] == '"' ? 1 : 0; /* doubled */
    }
    return lexeme->kind == TP_LEX_NAME && name[at] == '\0';
}

char *tp_lex_name(const tp_lexeme *lexeme) {
    char *name = malloc((size_t)lexeme->length + 1);
    size_t used = 0;
    for (uint32_t i = 0; name != NULL && i < lexeme->length; i++) {
        char byte = lexeme->text[i];
        name[used++] = lexeme->kind == TP_LEX_WORD ? folded(byte) : byte;
        i += lexeme->kind == TP_LEX_NAME && byte == '"' ? 1 : 0;
    }
    if (name != NULL) {
        name[used] = '\0';
    }
    return name;
}
