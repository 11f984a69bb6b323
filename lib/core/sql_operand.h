/* Operands of a condition: literals, columns, their casts and collations, length(). */
#ifndef TP_CORE_SQL_OPERAND_H
#define TP_CORE_SQL_OPERAND_H

#include "core/sql_parser.h"

typedef enum tp_sql_type_name {
    TP_SQL_TYPE_OTHER,
    TP_SQL_TYPE_INTEGER,
    TP_SQL_TYPE_NUMERIC,
    TP_SQL_TYPE_TEXT
} tp_sql_type_name;

/* The type after '::', an array's when it must end in []; *width is that of an integer. */
tp_sql_type_name tp_sql_type(tp_sql_parser *parse, uint32_t *width, bool array);

/* A cast that leaves the comparison as it is; shown is the type for the reason otherwise. */
tp_sql_term tp_sql_cast(tp_sql_parser *parse, tp_sql_term item, tp_sql_type_name name,
                        uint32_t width, const tp_token *shown);

/* An operand, or a condition in parentheses. */
tp_sql_term tp_sql_operand(tp_sql_parser *parse);

/* Defined in core/sql_condition.c: what stands within parentheses. */
tp_sql_term tp_sql_condition(tp_sql_parser *parse);

#endif
