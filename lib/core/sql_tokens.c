/* Literals are taken as standard_conforming_strings = on writes them: a backslash is a backslash.
 * Quotes are undone into space that the caller gives, so that no token needs memory of its own. */
#include "core/sql_tokens.h"

#include <string.h>

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool begins_word(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (unsigned char)byte >= 0x80;
}

static bool is_operator(char byte) {
    return byte != '\0' && strchr("+-*/<>=~!@#%^&|`?", byte) != NULL;
}

static char at(const tp_sql_tokens *tokens, size_t place) {
    return place < tokens->length ? tokens->source[place] : '\0';
}

static tp_token piece(tp_sql_tokens *tokens, tp_token_kind kind, size_t start) {
    return (tp_token){kind, tokens->source + start, (uint32_t)(tokens->at - start)};
}

/* From a quote to the same quote; doubled ones within stand for one. */
static tp_token quoted(tp_sql_tokens *tokens, tp_token_kind kind, char quote) {
    size_t start = tokens->used;
    for (tokens->at++; tokens->at < tokens->length; tokens->at++) {
        char byte = tokens->source[tokens->at];
        if (byte == quote && at(tokens, ++tokens->at) != quote) {
            return (tp_token){kind, tokens->space + start, (uint32_t)(tokens->used - start)};
        }
        tokens->space[tokens->used++] = byte;
    }
    return (tp_token){TP_TOKEN_UNKNOWN, "", 0};
}

static tp_token number(tp_sql_tokens *tokens) {
    size_t start = tokens->at;
    while (is_digit(at(tokens, tokens->at)) || at(tokens, tokens->at) == '.') {
        tokens->at++;
    }
    if (begins_word(at(tokens, tokens->at))) {
        return (tp_token){TP_TOKEN_UNKNOWN, "", 0};
    }
    return piece(tokens, TP_TOKEN_NUMBER, start);
}

static tp_token word(tp_sql_tokens *tokens) {
    size_t start = tokens->at;
    while (begins_word(at(tokens, tokens->at)) || is_digit(at(tokens, tokens->at)) ||
           at(tokens, tokens->at) == '$') {
        tokens->at++;
    }
    /* E'..', U&'..', B'..' are never written by the server here. */
    return at(tokens, tokens->at) == '\'' ? (tp_token){TP_TOKEN_UNKNOWN, "", 0}
                                          : piece(tokens, TP_TOKEN_WORD, start);
}

static tp_token sign(tp_sql_tokens *tokens) {
    size_t start = tokens->at;
    char first = tokens->source[start];
    if (first == ':' && at(tokens, start + 1) == ':') {
        tokens->at += 2;
    } else if (is_operator(first)) {
        while (is_operator(at(tokens, tokens->at))) {
            tokens->at++;
        }
    } else {
        tokens->at++;
        return piece(tokens,
                     strchr("()[],.", first) != NULL && first != '\0' ? TP_TOKEN_SIGN
                                                                      : TP_TOKEN_UNKNOWN,
                     start);
    }
    return piece(tokens, TP_TOKEN_SIGN, start);
}

tp_token tp_sql_tokens_next(tp_sql_tokens *tokens) {
    while (tokens->at < tokens->length && strchr(" \t\r\n", tokens->source[tokens->at]) != NULL) {
        if (tokens->source[tokens->at] == '\0') {
            break;
        }
        tokens->at++;
    }
    if (tokens->at >= tokens->length) {
        return (tp_token){TP_TOKEN_END, "", 0};
    }
    char first = tokens->source[tokens->at];
    if (first == '\'') {
        return quoted(tokens, TP_TOKEN_STRING, '\'');
    }
    if (first == '"') {
        return quoted(tokens, TP_TOKEN_NAME, '"');
    }
    return is_digit(first) ? number(tokens) : begins_word(first) ? word(tokens) : sign(tokens);
}

bool tp_token_is(const tp_token *token, tp_token_kind kind, const char *text) {
    return token->kind == kind && strlen(text) == token->length &&
           memcmp(token->text, text, token->length) == 0;
}
