/* Conditions over the columns of a row, with SQL's three truth values: built node by node, then
 * evaluated any number of times, by any thread. */
#ifndef TP_CORE_PREDICATE_H
#define TP_CORE_PREDICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/column_type.h"
#include "core/pattern.h"

#define TP_PREDICATE_NODES_MAX 4096u
#define TP_PREDICATE_NONE UINT32_MAX

typedef struct tp_predicate tp_predicate;

typedef enum tp_truth { TP_FALSE, TP_TRUE, TP_UNKNOWN, TP_UNDECIDED } tp_truth;

typedef enum tp_comparison { TP_EQ, TP_NE, TP_LT, TP_LE, TP_GT, TP_GE } tp_comparison;

/* What a node yields; comparing is defined between equals of these alone. */
typedef enum tp_operand_kind {
    TP_OPERAND_TRUTH,
    TP_OPERAND_INTEGER,
    TP_OPERAND_NUMERIC,
    TP_OPERAND_TEXT,
    TP_OPERAND_OPAQUE, /* for IS NULL */
    TP_OPERAND_NULL    /* NULL of no type */
} tp_operand_kind;

tp_predicate *tp_predicate_new(void); /* NULL when memory is short */
void tp_predicate_free(tp_predicate *predicate);

/* Each of these makes a node and returns its number, TP_PREDICATE_NONE when memory is short or
 * there are too many; a number that is TP_PREDICATE_NONE makes it TP_PREDICATE_NONE as well. */
uint32_t tp_predicate_column(tp_predicate *predicate, uint32_t column, tp_operand_kind kind);
uint32_t tp_predicate_integer(tp_predicate *predicate, int64_t number);
uint32_t tp_predicate_decimal(tp_predicate *predicate, const tp_decimal *number);
uint32_t tp_predicate_text(tp_predicate *predicate, const char *bytes,
                           uint32_t length); /* copied */
uint32_t tp_predicate_null(tp_predicate *predicate, tp_operand_kind kind);
uint32_t tp_predicate_truth(tp_predicate *predicate, tp_truth truth);
uint32_t tp_predicate_length(tp_predicate *predicate, uint32_t text);
uint32_t tp_predicate_is_null(tp_predicate *predicate, uint32_t operand, bool negated);
uint32_t tp_predicate_compare(tp_predicate *predicate, tp_comparison comparison, uint32_t left,
                              uint32_t right);
/* pattern becomes the predicate's own, also when the result is TP_PREDICATE_NONE. */
uint32_t tp_predicate_match(tp_predicate *predicate, uint32_t text, tp_pattern *pattern,
                            bool negated);
/* text IN words; words becomes the predicate's own in any case. */
uint32_t tp_predicate_member(tp_predicate *predicate, uint32_t text, tp_wordset *words,
                             bool negated);
uint32_t tp_predicate_not(tp_predicate *predicate, uint32_t truth);
/* AND (all) or OR of two; chains of them are evaluated without recursion. */
uint32_t tp_predicate_join(tp_predicate *predicate, bool all, uint32_t left, uint32_t right);

/* Columns get other numbers: n becomes numbers[n]. */
void tp_predicate_renumber(tp_predicate *predicate, const uint32_t *numbers);

bool tp_predicate_has_pattern(const tp_predicate *predicate);
bool tp_predicate_full(const tp_predicate *predicate); /* has TP_PREDICATE_NODES_MAX nodes */

/* The truth of a node; datums are indexed by the columns' numbers. */
tp_truth tp_predicate_eval(const tp_predicate *predicate, uint32_t node, const tp_datum *datums);

#endif
