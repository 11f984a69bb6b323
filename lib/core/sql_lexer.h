/* The words of SQL and PL/pgSQL as people write it: comments, quotes of every kind, any case. */
#ifndef TP_CORE_SQL_LEXER_H
#define TP_CORE_SQL_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum tp_lexeme_kind {
    TP_LEX_WORD,   /* an identifier or keyword that is not quoted, as written */
    TP_LEX_NAME,   /* a quoted identifier; the text is what stands between the quotes */
    TP_LEX_STRING, /* a literal, also dollar-quoted; the text is what stands between the quotes */
    TP_LEX_NUMBER,
    TP_LEX_SIGN /* an operator, or one of ( ) [ ] , ; . and := :: .. */
} tp_lexeme_kind;

typedef struct tp_lexeme {
    const char *text; /* in the source */
    uint32_t length;
    tp_lexeme_kind kind;
} tp_lexeme;

typedef struct tp_lexemes {
    tp_lexeme *items;
    uint32_t count;
    uint32_t capacity;
} tp_lexemes;

/* All of them; what is not finished at the end of the source ends there. E_NOMEM. */
int32_t tp_sql_lex(const char *source, size_t length, tp_lexemes *out, trigperf_error **err);
void tp_lexemes_free(tp_lexemes *lexemes);

/* Whether one is this keyword (in lower case); false beyond the end. */
bool tp_lex_word(const tp_lexemes *lexemes, uint32_t index, const char *word);
bool tp_lex_sign(const tp_lexemes *lexemes, uint32_t index, const char *sign);

/* Whether a statement of PL/pgSQL begins here, by what stands before. */
bool tp_lex_begins_statement(const tp_lexemes *lexemes, uint32_t index);

/* Whether one is an identifier with this name, as the server folds it. */
bool tp_lex_names(const tp_lexeme *lexeme, const char *name);
bool tp_lex_is_name(const tp_lexemes *lexemes, uint32_t index);

/* The name itself, folded, quotes undone; NULL when memory is short. The caller frees it. */
char *tp_lex_name(const tp_lexeme *lexeme);

#endif
