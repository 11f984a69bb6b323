/* The state of the parser of conditions, shared by core/sql_condition and core/sql_operand. */
#ifndef TP_CORE_SQL_PARSER_H
#define TP_CORE_SQL_PARSER_H

#include "core/sql_condition.h"
#include "core/sql_tokens.h"

#define TP_SQL_DEPTH_MAX 64u

/* An operand, or a condition (kind TRUTH). */
typedef struct tp_sql_term {
    uint32_t node;
    tp_operand_kind kind;
    uint32_t width;
    bool constant;
    bool column;   /* made of a column */
    bool equality; /* of texts: the collation is deterministic */
    bool order;    /* of texts: the collation is that of the bytes */
    tp_value text; /* of a literal of texts; data NULL for NULL */
} tp_sql_term;

typedef struct tp_sql_list {
    tp_sql_term *items;
    uint32_t count;
    uint32_t room;
} tp_sql_list;

typedef struct tp_sql_parser {
    tp_sql_tokens tokens;
    tp_token token; /* the next one */
    const tp_condition_column *columns;
    uint32_t column_count;
    bool is_domain;
    uint32_t depth;
    tp_condition *out;
    trigperf_error **err;
    int32_t status;
} tp_sql_parser;

extern const tp_sql_term tp_sql_nothing; /* what is returned after a failure */

/* Sets E_UNSUPPORTED, unless there is an error already: what, and the token (may be NULL). */
tp_sql_term tp_sql_left(tp_sql_parser *parse, const char *what, const tp_token *token);

bool tp_sql_fine(const tp_sql_parser *parse);
void tp_sql_advance(tp_sql_parser *parse);
bool tp_sql_at_sign(const tp_sql_parser *parse, const char *text);
bool tp_sql_at_word(const tp_sql_parser *parse, const char *text);
bool tp_sql_take_sign(tp_sql_parser *parse, const char *text);
bool tp_sql_take_word(tp_sql_parser *parse, const char *text);
void tp_sql_expect(tp_sql_parser *parse, const char *sign);

/* The term, unless its node could not be made. */
tp_sql_term tp_sql_made(tp_sql_parser *parse, tp_sql_term item);
tp_sql_term tp_sql_truth(tp_sql_parser *parse, uint32_t node);
bool tp_sql_push(tp_sql_parser *parse, tp_sql_list *all, tp_sql_term item);

#endif
