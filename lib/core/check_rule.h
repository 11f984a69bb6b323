/* One rule of a validator: what it demands of the values of one column, or of several. */
#ifndef TP_CORE_CHECK_RULE_H
#define TP_CORE_CHECK_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/column_type.h"
#include "core/predicate.h"
#include "core/sql_condition.h"

typedef struct tp_check_rule tp_check_rule;

#define TP_CHECK_WORDS_MAX 65536u

typedef struct tp_check_bounds {
    const char *low; /* numbers as text; NULL: none */
    const char *high;
    bool low_open; /* the bound itself is not allowed */
    bool high_open;
} tp_check_bounds;

/* 0: holds, 1: violated, 2: cannot tell, below 0: a status that the validation returns. */
typedef int32_t (*tp_check_fn)(void *user, const char *const *values, const uint64_t *lengths,
                               uint32_t count);

typedef struct tp_check_function {
    const char *name;
    const char *expected; /* a phrase for the result */
    tp_check_fn call;
    void *user;
} tp_check_function;

/* E_INVALID when the rule does not fit the column's type. NULL passes all of them but not_null and
 * functions. */
int32_t tp_check_rule_type(const tp_column_type *type, tp_check_rule **out, trigperf_error **err);
int32_t tp_check_rule_not_null(tp_check_rule **out, trigperf_error **err);
int32_t tp_check_rule_range(const tp_column_type *type, const tp_check_bounds *bounds,
                            tp_check_rule **out, trigperf_error **err);
/* Characters, or bytes. */
int32_t tp_check_rule_length(const tp_column_type *type, bool bytes, uint64_t low, uint64_t high,
                             tp_check_rule **out, trigperf_error **err);
int32_t tp_check_rule_one_of(const tp_column_type *type, const tp_value *values, uint32_t count,
                             tp_check_rule **out, trigperf_error **err);
int32_t tp_check_rule_pattern(const tp_column_type *type, const char *pattern, tp_check_rule **out,
                              trigperf_error **err);
int32_t tp_check_rule_finite(const tp_column_type *type, tp_check_rule **out, trigperf_error **err);
int32_t tp_check_rule_function(const tp_check_function *function, tp_check_rule **out,
                               trigperf_error **err);
/* Takes the condition over on success. expected: its text. */
int32_t tp_check_rule_condition(const char *name, const char *expected, tp_condition *condition,
                                tp_check_rule **out, trigperf_error **err);
void tp_check_rule_free(tp_check_rule *rule);

/* Names what the rule demands: the same in every process; of functions their names. */
uint64_t tp_check_rule_hash(const tp_check_rule *rule);
const char *tp_check_rule_name(const tp_check_rule *rule);
const char *tp_check_rule_expected(const tp_check_rule *rule);
/* Whether the rule judges the type alone: it is settled when the datum could be read. */
bool tp_check_rule_is_type(const tp_check_rule *rule);
bool tp_check_rule_is_function(const tp_check_rule *rule);
/* Whether testing it costs clearly more than looking a verdict up: patterns and functions. */
bool tp_check_rule_is_costly(const tp_check_rule *rule);

/* datums and values are those of the columns, in order. TP_FALSE: violated; TP_UNKNOWN passes. A
 * function's own status goes to *status. */
tp_truth tp_check_rule_test(const tp_check_rule *rule, const tp_datum *datums,
                            const tp_value *values, uint32_t count, int32_t *status);

#endif
