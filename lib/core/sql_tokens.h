/* The words of an SQL expression as pg_get_expr() writes it. */
#ifndef TP_CORE_SQL_TOKENS_H
#define TP_CORE_SQL_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tp_token_kind {
    TP_TOKEN_END,
    TP_TOKEN_WORD,   /* an identifier or a keyword, not quoted */
    TP_TOKEN_NAME,   /* a quoted identifier; the text has no quotes any more */
    TP_TOKEN_NUMBER, /* digits, perhaps with a point or an exponent */
    TP_TOKEN_STRING, /* a literal; the text has no quotes any more */
    TP_TOKEN_SIGN,   /* an operator, a bracket, a comma, :: */
    TP_TOKEN_UNKNOWN /* what pg_get_expr() does not write, or an unfinished literal */
} tp_token_kind;

typedef struct tp_token {
    tp_token_kind kind;
    const char *text; /* in the tokenizer's space for NAME and STRING, else in the source */
    uint32_t length;
} tp_token;

typedef struct tp_sql_tokens {
    const char *source;
    size_t length;
    size_t at;
    char *space; /* at least as long as the source */
    size_t used;
} tp_sql_tokens;

tp_token tp_sql_tokens_next(tp_sql_tokens *tokens);

bool tp_token_is(const tp_token *token, tp_token_kind kind, const char *text);

#endif
