/* A rule is tested against datums, so that a text is read as a number once for all the rules of its
 * column. Bounds of integer columns become 64-bit integers when the rule is made: exact, and
 * without decimals on the way. What a rule demands is put into words when it is made, so that a
 * violation costs no formatting. */
#include "core/check_rule.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/strbuf.h"
#include "base/text.h"

#define SHOWN_WORDS 8u

typedef enum rule_kind {
    RULE_TYPE,
    RULE_NOT_NULL,
    RULE_RANGE,
    RULE_LENGTH,
    RULE_BYTES,
    RULE_ONE_OF,
    RULE_PATTERN,
    RULE_FINITE,
    RULE_FUNCTION,
    RULE_CONDITION
} rule_kind;

struct tp_check_rule {
    rule_kind kind;
    char *name;
    char *expected;
    uint64_t values_hash; /* ONE_OF: expected shows the first values only */
    tp_datum *low;        /* RANGE: NULL when there is none */
    tp_datum *high;
    bool low_open;
    bool high_open;
    uint64_t least; /* LENGTH, BYTES */
    uint64_t most;
    tp_wordset *words; /* ONE_OF of texts */
    tp_datum *numbers; /* ONE_OF of numbers */
    uint32_t number_count;
    tp_pattern *pattern;
    tp_check_fn call;
    void *user;
    tp_condition condition;
};

/* ---- making ---- */

/* Takes expected over. NULL when memory is short. */
static tp_check_rule *rule_new(rule_kind kind, const char *name, tp_strbuf *expected) {
    tp_check_rule *rule = calloc(1, sizeof *rule);
    if (rule != NULL) {
        rule->kind = kind;
        rule->name = tp_text_copy(name);
        rule->expected = tp_strbuf_take(expected);
    }
    tp_strbuf_free(expected);
    if (rule != NULL && (rule->name == NULL || rule->expected == NULL)) {
        tp_check_rule_free(rule);
        return NULL;
    }
    return rule;
}

static int32_t hand_over(tp_check_rule *rule, tp_check_rule **out, trigperf_error **err) {
    if (rule == NULL) {
        return tp_error_nomem(err);
    }
    *out = rule;
    return TRIGPERF_OK;
}

static int32_t worded(rule_kind kind, const char *name, const char *expected, tp_check_rule **out,
                      trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_strbuf_puts(&text, expected);
    return hand_over(rule_new(kind, name, &text), out, err);
}

void tp_check_rule_free(tp_check_rule *rule) {
    if (rule == NULL) {
        return;
    }
    free(rule->name);
    free(rule->expected);
    free(rule->low);
    free(rule->high);
    tp_wordset_free(rule->words);
    free(rule->numbers);
    tp_pattern_free(rule->pattern);
    tp_condition_free(&rule->condition);
    free(rule);
}

static int32_t misfit(const char *rule, const char *wanted, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID, "give the column another type, or drop the rule",
                        "a rule %s needs a column of %s", rule, wanted);
}

static bool is_number(const tp_column_type *type) {
    return type->kind == TP_TYPE_INTEGER || type->kind == TP_TYPE_NUMERIC ||
           type->kind == TP_TYPE_REAL;
}

static void describe_type(const tp_column_type *type, tp_strbuf *out) {
    if (type->kind == TP_TYPE_INTEGER) {
        tp_strbuf_printf(out, "a whole number of %u bytes", type->width);
    } else if (type->kind == TP_TYPE_NUMERIC && type->precision > 0) {
        tp_strbuf_printf(out, "a number that fits numeric(%" PRId32 ",%" PRId32 ")",
                         type->precision, type->scale);
    } else if (type->kind == TP_TYPE_NUMERIC || type->kind == TP_TYPE_REAL) {
        tp_strbuf_puts(out, "a number");
    } else if (type->kind == TP_TYPE_ENUM) {
        tp_strbuf_puts(out, "a label of the enum");
    } else if (type->max_characters > 0) {
        tp_strbuf_printf(out, "UTF-8 text of at most %" PRIu32 " characters", type->max_characters);
    } else {
        tp_strbuf_puts(out, "UTF-8 text without zero bytes");
    }
}

int32_t tp_check_rule_type(const tp_column_type *type, tp_check_rule **out, trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    describe_type(type, &text);
    return hand_over(rule_new(RULE_TYPE, "type", &text), out, err);
}

int32_t tp_check_rule_not_null(tp_check_rule **out, trigperf_error **err) {
    return worded(RULE_NOT_NULL, "not null", "a value", out, err);
}

/* A bound may have a point also where the column has none: x < 2.5 is a rule for integers. */
static int32_t read_bound(const tp_column_type *type, const char *text, tp_datum **out,
                          trigperf_error **err) {
    static const tp_column_type exact = {.kind = TP_TYPE_NUMERIC};
    if (text == NULL) {
        return TRIGPERF_OK;
    }
    tp_datum *datum = malloc(sizeof *datum);
    if (datum == NULL) {
        return tp_error_nomem(err);
    }
    bool real = type->kind == TP_TYPE_REAL;
    tp_value value = {text, (uint32_t)strlen(text)};
    tp_coercion coercion = tp_column_type_read(real ? type : &exact, value, datum);
    bool overflow;
    if (coercion == TP_COERCION_OK && type->kind == TP_TYPE_INTEGER &&
        tp_decimal_read_integer(text, value.length, &datum->integer, &overflow) == TP_DECIMAL_OK) {
        datum->kind = TP_DATUM_INTEGER;
    }
    if (coercion != TP_COERCION_OK ||
        (real ? isnan(datum->real) : datum->decimal.kind == TP_DECIMAL_NAN)) {
        free(datum);
        return tp_error_set(err, TRIGPERF_E_INVALID, "write it as 5, -0.25 or 1e6",
                            "expected a number as bound, got '%.100s'", text);
    }
    datum->text = (tp_value){NULL, 0};
    *out = datum;
    return TRIGPERF_OK;
}

static void describe_bounds(const tp_check_bounds *bounds, tp_strbuf *out) {
    if (bounds->low != NULL) {
        tp_strbuf_printf(out, "%s %s", bounds->low_open ? ">" : ">=", bounds->low);
    }
    if (bounds->high != NULL) {
        tp_strbuf_printf(out, "%s%s %s", bounds->low != NULL ? " and " : "",
                         bounds->high_open ? "<" : "<=", bounds->high);
    }
}

static int32_t check_bounds(const tp_check_rule *rule, const tp_check_bounds *bounds,
                            trigperf_error **err) {
    if (rule->low != NULL && rule->high != NULL) {
        int order = tp_datum_compare_numbers(rule->low, rule->high);
        if (order > 0 || (order == 0 && (rule->low_open || rule->high_open))) {
            return tp_error_set(err, TRIGPERF_E_INVALID, "exchange the bounds",
                                "no number is in the range from %.100s to %.100s", bounds->low,
                                bounds->high);
        }
    }
    return TRIGPERF_OK;
}

int32_t tp_check_rule_range(const tp_column_type *type, const tp_check_bounds *bounds,
                            tp_check_rule **out, trigperf_error **err) {
    if (!is_number(type)) {
        return misfit("'range'", "numbers", err);
    }
    if (bounds->low == NULL && bounds->high == NULL) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "give a lower or an upper bound",
                            "expected a range with at least one bound");
    }
    tp_strbuf text = TP_STRBUF_INIT;
    describe_bounds(bounds, &text);
    tp_check_rule *rule = rule_new(RULE_RANGE, "range", &text);
    if (rule == NULL) {
        return tp_error_nomem(err);
    }
    rule->low_open = bounds->low_open;
    rule->high_open = bounds->high_open;
    int32_t status = read_bound(type, bounds->low, &rule->low, err);
    if (status == TRIGPERF_OK) {
        status = read_bound(type, bounds->high, &rule->high, err);
    }
    if (status == TRIGPERF_OK) {
        status = check_bounds(rule, bounds, err);
    }
    if (status != TRIGPERF_OK) {
        tp_check_rule_free(rule);
        return status;
    }
    *out = rule;
    return TRIGPERF_OK;
}

int32_t tp_check_rule_length(const tp_column_type *type, bool bytes, uint64_t low, uint64_t high,
                             tp_check_rule **out, trigperf_error **err) {
    if (type->kind != TP_TYPE_TEXT) {
        return misfit(bytes ? "'bytes'" : "'length'", "texts", err);
    }
    if (low > high) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "exchange the bounds",
                            "no text is from %" PRIu64 " to %" PRIu64 " long", low, high);
    }
    tp_strbuf text = TP_STRBUF_INIT;
    if (high == UINT64_MAX) {
        tp_strbuf_printf(&text, "at least %" PRIu64, low);
    } else {
        tp_strbuf_printf(&text, "%" PRIu64 " to %" PRIu64, low, high);
    }
    tp_strbuf_puts(&text, bytes ? " bytes" : " characters");
    tp_check_rule *rule =
        rule_new(bytes ? RULE_BYTES : RULE_LENGTH, bytes ? "bytes" : "length", &text);
    if (rule != NULL) {
        rule->least = low;
        rule->most = high;
    }
    return hand_over(rule, out, err);
}

static int32_t read_numbers(tp_check_rule *rule, const tp_column_type *type, const tp_value *values,
                            uint32_t count, trigperf_error **err) {
    rule->numbers = calloc(count, sizeof *rule->numbers);
    if (rule->numbers == NULL) {
        return tp_error_nomem(err);
    }
    rule->number_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (tp_column_type_read(type, values[i], &rule->numbers[i]) != TP_COERCION_OK) {
            return tp_error_set(err, TRIGPERF_E_INVALID, "list values of the column's type",
                                "expected a number in the list, got '%.*s'",
                                values[i].length > 100 ? 100 : (int)values[i].length,
                                values[i].data);
        }
        rule->numbers[i].text = (tp_value){NULL, 0};
    }
    return TRIGPERF_OK;
}

static int32_t read_words(tp_check_rule *rule, const tp_value *values, uint32_t count,
                          trigperf_error **err) {
    rule->words = tp_wordset_new(values, count);
    return rule->words == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
}

/* At most so many bytes, without half a character at the end. */
static uint32_t shown_bytes(tp_value text, uint32_t most) {
    uint32_t length = text.length < most ? text.length : most;
    while (length > 0 && length < text.length &&
           ((unsigned char)text.data[length] & 0xC0) == 0x80) {
        length--;
    }
    return length;
}

static void describe_words(const tp_value *values, uint32_t count, tp_strbuf *out) {
    tp_strbuf_puts(out, "one of ");
    for (uint32_t i = 0; i < count && i < SHOWN_WORDS; i++) {
        tp_strbuf_puts(out, i == 0 ? "'" : ", '");
        tp_strbuf_add(out, values[i].data, shown_bytes(values[i], 60));
        tp_strbuf_putc(out, '\'');
    }
    if (count > SHOWN_WORDS) {
        tp_strbuf_printf(out, " .. (%u in all)", count);
    }
}

static uint64_t hash_values(const tp_value *values, uint32_t count) {
    uint64_t hash = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t parts[] = {hash, tp_hash_stable(values[i].data, values[i].length)};
        hash = tp_hash_stable(parts, sizeof parts);
    }
    return hash;
}

int32_t tp_check_rule_one_of(const tp_column_type *type, const tp_value *values, uint32_t count,
                             tp_check_rule **out, trigperf_error **err) {
    if (!is_number(type) && type->kind != TP_TYPE_TEXT) {
        return misfit("'one of'", "texts or numbers", err);
    }
    if (count == 0 || count > TP_CHECK_WORDS_MAX) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "list the values that are allowed",
                            "expected 1 to %u values, got %u", TP_CHECK_WORDS_MAX, count);
    }
    tp_strbuf text = TP_STRBUF_INIT;
    describe_words(values, count, &text);
    tp_check_rule *rule = rule_new(RULE_ONE_OF, "one of", &text);
    if (rule == NULL) {
        return tp_error_nomem(err);
    }
    rule->values_hash = hash_values(values, count);
    int32_t status = type->kind == TP_TYPE_TEXT ? read_words(rule, values, count, err)
                                                : read_numbers(rule, type, values, count, err);
    if (status != TRIGPERF_OK) {
        tp_check_rule_free(rule);
        return status;
    }
    *out = rule;
    return TRIGPERF_OK;
}

int32_t tp_check_rule_pattern(const tp_column_type *type, const char *pattern, tp_check_rule **out,
                              trigperf_error **err) {
    if (type->kind != TP_TYPE_TEXT) {
        return misfit("'pattern'", "texts", err);
    }
    tp_pattern *compiled = NULL;
    int32_t status = tp_pattern_new(pattern, strlen(pattern), TP_PATTERN_OWN, &compiled, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_strbuf text = TP_STRBUF_INIT;
    tp_strbuf_printf(&text, "a match of '%s'", pattern);
    tp_check_rule *rule = rule_new(RULE_PATTERN, "pattern", &text);
    if (rule == NULL) {
        tp_pattern_free(compiled);
        return tp_error_nomem(err);
    }
    rule->pattern = compiled;
    *out = rule;
    return TRIGPERF_OK;
}

int32_t tp_check_rule_finite(const tp_column_type *type, tp_check_rule **out,
                             trigperf_error **err) {
    if (!is_number(type)) {
        return misfit("'finite'", "numbers", err);
    }
    return worded(RULE_FINITE, "finite", "a finite number", out, err);
}

int32_t tp_check_rule_function(const tp_check_function *function, tp_check_rule **out,
                               trigperf_error **err) {
    tp_check_rule *rule = NULL;
    int32_t status = worded(RULE_FUNCTION, function->name, function->expected, &rule, err);
    if (status == TRIGPERF_OK) {
        rule->call = function->call;
        rule->user = function->user;
        *out = rule;
    }
    return status;
}

int32_t tp_check_rule_condition(const char *name, const char *expected, tp_condition *condition,
                                tp_check_rule **out, trigperf_error **err) {
    tp_check_rule *rule = NULL;
    int32_t status = worded(RULE_CONDITION, name, expected, &rule, err);
    if (status == TRIGPERF_OK) {
        rule->condition = *condition;
        *condition = (tp_condition){.predicate = NULL};
        *out = rule;
    }
    return status;
}

uint64_t tp_check_rule_hash(const tp_check_rule *rule) {
    uint64_t parts[] = {rule->kind, rule->values_hash,
                        tp_hash_stable(rule->name, strlen(rule->name)),
                        tp_hash_stable(rule->expected, strlen(rule->expected))};
    return tp_hash_stable(parts, sizeof parts);
}

const char *tp_check_rule_name(const tp_check_rule *rule) {
    return rule->name;
}

const char *tp_check_rule_expected(const tp_check_rule *rule) {
    return rule->expected;
}

bool tp_check_rule_is_type(const tp_check_rule *rule) {
    return rule->kind == RULE_TYPE;
}

bool tp_check_rule_is_function(const tp_check_rule *rule) {
    return rule->kind == RULE_FUNCTION;
}

bool tp_check_rule_is_costly(const tp_check_rule *rule) {
    return rule->kind == RULE_PATTERN || rule->kind == RULE_FUNCTION ||
           (rule->kind == RULE_CONDITION && tp_predicate_has_pattern(rule->condition.predicate));
}

/* ---- testing ---- */

static bool in_range(const tp_check_rule *rule, const tp_datum *datum) {
    if (datum->kind == TP_DATUM_REAL && isnan(datum->real)) {
        return false;
    }
    if (rule->low != NULL) {
        int order = tp_datum_compare_numbers(datum, rule->low);
        if (order < 0 || (order == 0 && rule->low_open)) {
            return false;
        }
    }
    if (rule->high != NULL) {
        int order = tp_datum_compare_numbers(datum, rule->high);
        return order < 0 || (order == 0 && !rule->high_open);
    }
    return datum->kind != TP_DATUM_DECIMAL || datum->decimal.kind != TP_DECIMAL_NAN;
}

static bool is_listed(const tp_check_rule *rule, const tp_datum *datum) {
    if (rule->words != NULL) {
        return tp_wordset_has(rule->words, datum->text.data, datum->text.length);
    }
    for (uint32_t i = 0; i < rule->number_count; i++) {
        if (tp_datum_compare_numbers(datum, &rule->numbers[i]) == 0 &&
            !(datum->kind == TP_DATUM_REAL && isnan(datum->real))) {
            return true;
        }
    }
    return false;
}

static bool is_finite(const tp_datum *datum) {
    return datum->kind == TP_DATUM_REAL      ? isfinite(datum->real) != 0
           : datum->kind == TP_DATUM_DECIMAL ? datum->decimal.kind == TP_DECIMAL_FINITE
                                             : true;
}

static bool within(const tp_check_rule *rule, uint64_t size) {
    return size >= rule->least && size <= rule->most;
}

static tp_truth call_function(const tp_check_rule *rule, const tp_value *values, uint32_t count,
                              int32_t *status) {
    const char *texts[TP_CONDITION_COLUMNS_MAX];
    uint64_t lengths[TP_CONDITION_COLUMNS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        texts[i] = values[i].data;
        lengths[i] = values[i].length;
    }
    int32_t answer = rule->call(rule->user, texts, lengths, count);
    if (answer < 0) {
        *status = answer;
    }
    return answer == 0 ? TP_TRUE : answer == 1 ? TP_FALSE : TP_UNDECIDED;
}

/* What a column's value that is not NULL is asked. */
static bool holds(const tp_check_rule *rule, const tp_datum *datum) {
    switch (rule->kind) {
    case RULE_RANGE:
        return in_range(rule, datum);
    case RULE_LENGTH:
        return within(rule, datum->characters);
    case RULE_BYTES:
        return within(rule, datum->text.length);
    case RULE_ONE_OF:
        return is_listed(rule, datum);
    case RULE_FINITE:
        return is_finite(datum);
    case RULE_PATTERN:
        return tp_pattern_find(rule->pattern, datum->text.data, datum->text.length) ==
               TP_PATTERN_YES;
    default:
        return true;
    }
}

tp_truth tp_check_rule_test(const tp_check_rule *rule, const tp_datum *datums,
                            const tp_value *values, uint32_t count, int32_t *status) {
    if (rule->kind == RULE_CONDITION) {
        return tp_predicate_eval(rule->condition.predicate, rule->condition.root, datums);
    }
    if (rule->kind == RULE_FUNCTION) {
        return call_function(rule, values, count, status);
    }
    bool null = datums[0].kind == TP_DATUM_NULL;
    bool fine = rule->kind == RULE_NOT_NULL ? !null : null || holds(rule, &datums[0]);
    return fine ? TP_TRUE : TP_FALSE;
}
