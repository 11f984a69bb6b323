/* Building validators. What a rule means is lib/core/check_rule.h's business; here arguments are
 * checked, and handles are made and released. */
#include "api/validator.h"

#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "base/entropy.h"
#include "base/text.h"
#include "core/rule_text.h"
#include "core/utf8.h"
#include <trigperf/cache.h>

#define OCCASIONS (TRIGPERF_OCCASION_MIGRATION | TRIGPERF_OCCASION_BULK)
#define RANGE_FLAGS (TRIGPERF_RULE_LOW_OPEN | TRIGPERF_RULE_HIGH_OPEN)

int32_t tp_validator_wrap(tp_validator *core, trigperf_validator **out, trigperf_error **err) {
    trigperf_validator *validator = calloc(1, sizeof *validator);
    if (validator == NULL) {
        tp_validator_free(core);
        return tp_error_nomem(err);
    }
    validator->core = core;
    atomic_init(&validator->token, 0);
    atomic_init(&validator->dropped, false);
    if (!tp_entropy_fill(&validator->hash_key, sizeof validator->hash_key)) {
        trigperf_validator_free(validator);
        return tp_error_set(err, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                            "getrandom failed");
    }
    *out = validator;
    return TRIGPERF_OK;
}

static int32_t missing(const char *what, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID, "pass a pointer to it", "expected %s, got NULL",
                        what);
}

int32_t trigperf_validator_new(const char *name, const char *rules, trigperf_validator **validator,
                               trigperf_error **error) {
    if (name == NULL || !tp_utf8_check(name, strlen(name), NULL)) {
        return missing("a name in UTF-8", error);
    }
    tp_validator *core = NULL;
    int32_t status = tp_validator_new(name, &core, error);
    if (status == TRIGPERF_OK && rules != NULL) {
        status = tp_rule_text_parse(rules, core, error);
    }
    if (status != TRIGPERF_OK) {
        tp_validator_free(core);
        return status;
    }
    return tp_validator_wrap(core, validator, error);
}

void trigperf_validator_free(trigperf_validator *validator) {
    if (validator != NULL) {
        tp_validator_free(validator->core);
        free(validator->table);
        free(validator);
    }
}

static int32_t check_rule(const trigperf_validator *validator, const uint32_t *columns,
                          uint32_t count, uint32_t unless, trigperf_error **error) {
    if (validator == NULL) {
        return missing("a validator", error);
    }
    if ((unless & ~(uint32_t)OCCASIONS) != 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use bits of enum trigperf_occasion",
                            "expected occasions, got %u", unless);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i] >= tp_validator_column_count(validator->core)) {
            return tp_error_set(error, TRIGPERF_E_NOT_FOUND, "declare the column first",
                                "validator %s has no column number %u",
                                tp_validator_name(validator->core), columns[i]);
        }
        if (i > 0 && columns[i] <= columns[i - 1]) {
            return tp_error_set(error, TRIGPERF_E_INVALID, "sort the columns by their numbers",
                                "expected different columns in rising order, got %u behind %u",
                                columns[i], columns[i - 1]);
        }
    }
    return TRIGPERF_OK;
}

static const tp_column_type *type_of(const trigperf_validator *validator, uint32_t column) {
    return tp_validator_column_type(validator->core, column);
}

static int32_t add(trigperf_validator *validator, uint32_t column, int32_t status,
                   tp_check_rule *rule, uint32_t unless, trigperf_error **error) {
    return status == TRIGPERF_OK
               ? tp_validator_add(validator->core, &column, 1, rule, unless, error)
               : status;
}

int32_t trigperf_validator_column(trigperf_validator *validator, const char *name, uint32_t type,
                                  uint32_t *column, trigperf_error **error) {
    static const tp_column_type types[] = {{.kind = TP_TYPE_TEXT},
                                           {.kind = TP_TYPE_INTEGER, .width = 8},
                                           {.kind = TP_TYPE_NUMERIC},
                                           {.kind = TP_TYPE_REAL}};
    if (validator == NULL || name == NULL || !tp_utf8_check(name, strlen(name), NULL)) {
        return missing("a validator, and the name of a column in UTF-8", error);
    }
    if (type >= sizeof types / sizeof types[0]) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use enum trigperf_column_type",
                            "expected a type of column from 0 to 3, got %u", type);
    }
    uint32_t number = 0;
    int32_t status =
        tp_validator_column(validator->core, name, &types[type], NULL, false, &number, error);
    if (status == TRIGPERF_OK && column != NULL) {
        *column = number;
    }
    return status;
}

int32_t trigperf_validator_find(const trigperf_validator *validator, const char *name,
                                uint32_t *column, trigperf_error **error) {
    if (validator == NULL || name == NULL) {
        return missing("a validator and a name", error);
    }
    uint32_t found = tp_validator_find(validator->core, name, strlen(name));
    if (found == TP_VALIDATOR_NONE) {
        return tp_error_set(
            error, TRIGPERF_E_NOT_FOUND, "trigperf_validator_describe() lists the columns",
            "validator %s has no column \"%s\"", tp_validator_name(validator->core), name);
    }
    *column = found;
    return TRIGPERF_OK;
}

int32_t trigperf_validator_not_null(trigperf_validator *validator, uint32_t column, uint32_t unless,
                                    trigperf_error **error) {
    tp_check_rule *rule = NULL;
    int32_t status = check_rule(validator, &column, 1, unless, error);
    status = status == TRIGPERF_OK ? tp_check_rule_not_null(&rule, error) : status;
    return add(validator, column, status, rule, unless, error);
}

int32_t trigperf_validator_range(trigperf_validator *validator, uint32_t column, const char *low,
                                 const char *high, uint32_t flags, uint32_t unless,
                                 trigperf_error **error) {
    tp_check_rule *rule = NULL;
    tp_check_bounds bounds = {low, high, (flags & TRIGPERF_RULE_LOW_OPEN) != 0,
                              (flags & TRIGPERF_RULE_HIGH_OPEN) != 0};
    int32_t status = check_rule(validator, &column, 1, unless, error);
    if (status == TRIGPERF_OK && (flags & ~(uint32_t)RANGE_FLAGS) != 0) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "use TRIGPERF_RULE_LOW_OPEN, _HIGH_OPEN",
                              "expected flags of a range, got %u", flags);
    }
    if (status == TRIGPERF_OK) {
        status = tp_check_rule_range(type_of(validator, column), &bounds, &rule, error);
    }
    return add(validator, column, status, rule, unless, error);
}

int32_t trigperf_validator_length(trigperf_validator *validator, uint32_t column, uint64_t low,
                                  uint64_t high, uint32_t flags, uint32_t unless,
                                  trigperf_error **error) {
    tp_check_rule *rule = NULL;
    int32_t status = check_rule(validator, &column, 1, unless, error);
    if (status == TRIGPERF_OK && (flags & ~(uint32_t)TRIGPERF_RULE_BYTES) != 0) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "use 0 or TRIGPERF_RULE_BYTES",
                              "expected flags of a length, got %u", flags);
    }
    if (status == TRIGPERF_OK) {
        status =
            tp_check_rule_length(type_of(validator, column), flags != 0, low, high, &rule, error);
    }
    return add(validator, column, status, rule, unless, error);
}

static int32_t check_texts(const char *const *values, uint32_t count, trigperf_error **error) {
    if (values == NULL && count > 0) {
        return missing("an array of values", error);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] == NULL) {
            return missing("values that are not NULL", error);
        }
    }
    return TRIGPERF_OK;
}

int32_t trigperf_validator_one_of(trigperf_validator *validator, uint32_t column,
                                  const char *const *values, uint32_t count, uint32_t unless,
                                  trigperf_error **error) {
    if (count > TP_CHECK_WORDS_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use a function instead",
                            "expected at most %u values, got %u", TP_CHECK_WORDS_MAX, count);
    }
    int32_t status = check_rule(validator, &column, 1, unless, error);
    status = status == TRIGPERF_OK ? check_texts(values, count, error) : status;
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_value *words = malloc((count + 1) * sizeof *words);
    if (words == NULL) {
        return tp_error_nomem(error);
    }
    for (uint32_t i = 0; i < count; i++) {
        words[i] = (tp_value){values[i], (uint32_t)strlen(values[i])};
    }
    tp_check_rule *rule = NULL;
    status = tp_check_rule_one_of(type_of(validator, column), words, count, &rule, error);
    free(words);
    return add(validator, column, status, rule, unless, error);
}

int32_t trigperf_validator_pattern(trigperf_validator *validator, uint32_t column,
                                   const char *pattern, uint32_t unless, trigperf_error **error) {
    tp_check_rule *rule = NULL;
    int32_t status = check_rule(validator, &column, 1, unless, error);
    if (status == TRIGPERF_OK && pattern == NULL) {
        status = missing("a pattern", error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_check_rule_pattern(type_of(validator, column), pattern, &rule, error);
    }
    return add(validator, column, status, rule, unless, error);
}

int32_t trigperf_validator_finite(trigperf_validator *validator, uint32_t column, uint32_t unless,
                                  trigperf_error **error) {
    tp_check_rule *rule = NULL;
    int32_t status = check_rule(validator, &column, 1, unless, error);
    if (status == TRIGPERF_OK) {
        status = tp_check_rule_finite(type_of(validator, column), &rule, error);
    }
    return add(validator, column, status, rule, unless, error);
}

static int32_t check_function(const tp_check_function *function, const uint32_t *columns,
                              uint32_t count, uint32_t flags, trigperf_error **error) {
    if (function->name == NULL || function->expected == NULL || function->call == NULL ||
        columns == NULL) {
        return missing("columns, a name, a phrase and a function", error);
    }
    if (count == 0 || count > TP_CONDITION_COLUMNS_MAX ||
        (flags & ~(uint32_t)TRIGPERF_RULE_VOLATILE) != 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use 0 or TRIGPERF_RULE_VOLATILE as flags",
                            "expected 1 to %u columns and flags of a function, got %u and %u",
                            TP_CONDITION_COLUMNS_MAX, count, flags);
    }
    return TRIGPERF_OK;
}

/* The table before the rule: what fails then has changed nothing that matters. */
static int32_t add_function(trigperf_validator *validator, const uint32_t *columns, uint32_t count,
                            const tp_check_function *function, const char *table, uint32_t flags,
                            uint32_t unless, trigperf_error **error) {
    tp_check_rule *rule = NULL;
    int32_t status = TRIGPERF_OK;
    if (table != NULL) {
        status = tp_validator_depends(validator->core, columns, count, table, error);
    }
    if (status == TRIGPERF_OK && flags != 0) {
        status = tp_validator_never_keep(validator->core, columns, count, error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_check_rule_function(function, &rule, error);
    }
    return status == TRIGPERF_OK
               ? tp_validator_add(validator->core, columns, count, rule, unless, error)
               : status;
}

int32_t trigperf_validator_function(trigperf_validator *validator, const uint32_t *columns,
                                    uint32_t count, const char *name, const char *expected,
                                    trigperf_check_fn fn, void *user, const char *table,
                                    uint32_t flags, uint32_t unless, trigperf_error **error) {
    tp_check_function function = {name, expected, fn, user};
    int32_t status = check_function(&function, columns, count, flags, error);
    if (status == TRIGPERF_OK) {
        status = check_rule(validator, columns, count, unless, error);
    }
    return status == TRIGPERF_OK
               ? add_function(validator, columns, count, &function, table, flags, unless, error)
               : status;
}

int32_t trigperf_validator_describe(const trigperf_validator *validator, char **json,
                                    trigperf_error **error) {
    if (validator == NULL) {
        return missing("a validator", error);
    }
    tp_strbuf text = TP_STRBUF_INIT;
    tp_validator_json(validator->core, &text);
    char *taken = tp_strbuf_take(&text);
    if (taken == NULL) {
        return tp_error_nomem(error);
    }
    *json = taken;
    return TRIGPERF_OK;
}

int32_t trigperf_validator_use(trigperf_validator *validator, trigperf_context *context,
                               uint32_t number, int64_t ttl_ms, uint32_t keep,
                               trigperf_error **error) {
    if (validator == NULL) {
        return missing("a validator", error);
    }
    if (keep > TRIGPERF_KEEP_ALL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "use enum trigperf_keep",
                            "expected which verdicts to keep, 0 or 1, got %u", keep);
    }
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (validator->context != NULL) {
        return tp_error_set(error, TRIGPERF_E_STATE, "make one for each context",
                            "validator %s was given to a context already",
                            tp_validator_name(validator->core));
    }
    uint64_t version = tp_validator_hash(validator->core) ^ validator->fingerprint;
    status = trigperf_cache_validator_set(context, number, version, ttl_ms, error);
    if (status == TRIGPERF_OK) {
        tp_validator_seal(validator->core);
        validator->number = number;
        validator->ttl_ms = ttl_ms;
        validator->keep_all = keep == TRIGPERF_KEEP_ALL;
        validator->context = context;
    }
    return status;
}

int32_t tp_validator_ready(trigperf_validator *validator, trigperf_error **err) {
    if (validator == NULL) {
        return missing("a validator", err);
    }
    tp_validator_seal(validator->core);
    bool stale = atomic_load_explicit(&validator->dropped, memory_order_acquire);
    if (!stale && validator->watched != NULL) {
        if (tp_context_forked(validator->watched)) {
            return tp_context_check(validator->watched, err);
        }
        tp_engine *engine = tp_context_engine(validator->watched);
        stale = !tp_definitions_check(tp_engine_definitions(engine), atomic_load(&validator->token),
                                      validator->table);
    }
    return !stale ? TRIGPERF_OK
                  : tp_error_set(err, TRIGPERF_E_STALE,
                                 "call trigperf_validator_recheck(); when that says the same, "
                                 "import the table anew",
                                 "the definition of table %s may have changed", validator->table);
}
