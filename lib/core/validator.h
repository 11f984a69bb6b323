/* A validator: columns with their types, and the rules over them. Built on one thread; from the
 * first judgement on it is immutable, and any number of threads may judge with it. */
#ifndef TP_CORE_VALIDATOR_H
#define TP_CORE_VALIDATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "core/check_rule.h"

#define TP_VALIDATOR_COLUMNS_MAX 1600u
#define TP_VALIDATOR_RULES_MAX 60000u
#define TP_VALIDATOR_NONE UINT32_MAX

/* Verdicts of a group; the others are 2 + the place of the rule that failed. */
#define TP_VERDICT_HOLDS 0u
#define TP_VERDICT_UNDECIDED 1u
#define TP_VERDICT_FIRST_RULE 2u

typedef struct tp_validator tp_validator;

int32_t tp_validator_new(const char *name, tp_validator **out, trigperf_error **err);
void tp_validator_free(tp_validator *validator);
const char *tp_validator_name(const tp_validator *validator);

/* A column with its type; labels (may be NULL) become the validator's own in any case. lenient:
 * what a text means is left open where server versions differ; otherwise it is refused. E_EXISTS
 * when the name is taken. */
int32_t tp_validator_column(tp_validator *validator, const char *name, const tp_column_type *type,
                            tp_wordset *labels, bool lenient, uint32_t *out, trigperf_error **err);
/* The number of a column, TP_VALIDATOR_NONE when there is none of the name. */
uint32_t tp_validator_find(const tp_validator *validator, const char *name, size_t length);
uint32_t tp_validator_column_count(const tp_validator *validator);
const char *tp_validator_column_name(const tp_validator *validator, uint32_t column);
const tp_column_type *tp_validator_column_type(const tp_validator *validator, uint32_t column);

/* Adds a rule over columns (in the order in which the rule knows them); it becomes the validator's
 * own in any case. unless: occasions (bits) in which it is skipped. E_STATE once it has judged. */
int32_t tp_validator_add(tp_validator *validator, const uint32_t *columns, uint32_t count,
                         tp_check_rule *rule, uint32_t unless, trigperf_error **err);
/* The verdicts of these columns also depend on rows of this table. E_INVALID when they depend on
 * another one already. */
int32_t tp_validator_depends(tp_validator *validator, const uint32_t *columns, uint32_t count,
                             const char *table, trigperf_error **err);
/* The verdicts of these columns are not to be kept. */
int32_t tp_validator_never_keep(tp_validator *validator, const uint32_t *columns, uint32_t count,
                                trigperf_error **err);
/* No more rules from now on. Any thread. */
void tp_validator_seal(tp_validator *validator);

/* ---- groups: all the rules over the same columns; group n is column n alone ---- */

typedef struct tp_rule_group {
    const uint32_t *columns;
    uint32_t column_count;
    uint32_t rule_count;
    uint32_t unless;   /* occasions in which some of its rules are skipped */
    bool costly;       /* judging costs clearly more than looking a verdict up */
    bool never_keep;   /* verdicts must not be cached */
    const char *table; /* on which verdicts depend, or NULL */
} tp_rule_group;

uint32_t tp_validator_group_count(const tp_validator *validator);
tp_rule_group tp_validator_group(const tp_validator *validator, uint32_t group);
const tp_check_rule *tp_validator_rule(const tp_validator *validator, uint32_t group,
                                       uint32_t place);

/* Judges values (one for each column of the group); *keep: the verdict may be cached. Returns 0, or
 * the negative status of a function. Needs no memory. */
int32_t tp_validator_judge(const tp_validator *validator, uint32_t group, uint32_t occasion,
                           const tp_value *values, uint32_t *verdict, bool *keep);
/* The same for one column whose value is a number already; E_INVALID when its type does not fit. */
int32_t tp_validator_judge_integer(const tp_validator *validator, uint32_t column,
                                   uint32_t occasion, int64_t number, uint32_t *verdict,
                                   bool *keep);
int32_t tp_validator_judge_real(const tp_validator *validator, uint32_t column, uint32_t occasion,
                                double number, uint32_t *verdict, bool *keep);

/* Of all columns, types and rules, but labels of enums: the same in every process. */
uint64_t tp_validator_hash(const tp_validator *validator);

/* {"name":..,"columns":[{"name":..,"type":..}],"rules":[{"columns":[..],"rule":..,"expected":..}]}
 */
void tp_validator_json(const tp_validator *validator, tp_strbuf *out);

#endif
