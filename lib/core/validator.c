/* Rules over the same columns form a group, and a verdict is one of a group: which rule of it is
 * the first that the values violate. So a value's verdict can be cached under the value alone,
 * whatever the other columns of its row hold, and a rule over two columns is cached under both.
 *
 * Single columns have the groups of their own numbers, whose first rule is their type. A rule over
 * several columns is not judged when one of their values is not of its column's type: that is said
 * once, by the column's own group. */
#include "core/validator.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/map.h"
#include "base/text.h"

typedef struct column {
    char *name;
    tp_column_type type;
    tp_wordset *labels;
    bool lenient;
} column;

typedef struct placed_rule {
    tp_check_rule *rule;
    uint32_t unless;
} placed_rule;

typedef struct group {
    uint32_t columns[TP_CONDITION_COLUMNS_MAX];
    uint32_t column_count;
    placed_rule *rules;
    uint32_t rule_count;
    uint32_t rule_room;
    uint32_t unless;
    bool costly;
    bool never_keep;
    char *table;
} group;

struct tp_validator {
    char *name;
    tp_map *names; /* to the number of the column, plus one */
    column *columns;
    uint32_t column_count;
    uint32_t column_room;
    group *singles; /* one for each column */
    uint32_t single_room;
    group *others; /* over several columns */
    uint32_t other_count;
    uint32_t other_room;
    uint32_t rule_count;
    atomic_bool sealed;
};

int32_t tp_validator_new(const char *name, tp_validator **out, trigperf_error **err) {
    tp_validator *validator = calloc(1, sizeof *validator);
    if (validator == NULL) {
        return tp_error_nomem(err);
    }
    atomic_init(&validator->sealed, false);
    validator->name = tp_text_copy(name);
    validator->names = tp_map_new();
    if (validator->name == NULL || validator->names == NULL) {
        tp_validator_free(validator);
        return tp_error_nomem(err);
    }
    *out = validator;
    return TRIGPERF_OK;
}

static void free_group(group *item) {
    for (uint32_t i = 0; i < item->rule_count; i++) {
        tp_check_rule_free(item->rules[i].rule);
    }
    free(item->rules);
    free(item->table);
}

void tp_validator_free(tp_validator *validator) {
    if (validator == NULL) {
        return;
    }
    for (uint32_t i = 0; i < validator->other_count; i++) {
        free_group(&validator->others[i]);
    }
    for (uint32_t i = 0; i < validator->column_count; i++) {
        free_group(&validator->singles[i]);
        free(validator->columns[i].name);
        tp_wordset_free(validator->columns[i].labels);
    }
    free(validator->others);
    free(validator->singles);
    free(validator->columns);
    tp_map_free(validator->names, NULL);
    free(validator->name);
    free(validator);
}

const char *tp_validator_name(const tp_validator *validator) {
    return validator->name;
}

static int32_t check_open(tp_validator *validator, trigperf_error **err) {
    if (atomic_load(&validator->sealed)) {
        return tp_error_set(err, TRIGPERF_E_STATE, "make another validator, and use it instead",
                            "validator %s is in use already: its rules cannot change",
                            validator->name);
    }
    return TRIGPERF_OK;
}

/* ---- columns ---- */

static bool grow_columns(tp_validator *validator) {
    uint32_t wanted = validator->column_count + 1;
    column *columns = tp_array_reserve(validator->columns, &validator->column_room, wanted,
                                       sizeof *validator->columns);
    validator->columns = columns == NULL ? validator->columns : columns;
    group *singles = tp_array_reserve(validator->singles, &validator->single_room, wanted,
                                      sizeof *validator->singles);
    validator->singles = singles == NULL ? validator->singles : singles;
    return columns != NULL && singles != NULL;
}

static int32_t check_column(tp_validator *validator, const char *name, trigperf_error **err) {
    int32_t status = check_open(validator, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (name[0] == '\0') {
        return tp_error_set(err, TRIGPERF_E_INVALID, "name the column",
                            "expected the name of a column, got an empty one");
    }
    if (tp_map_get_str(validator->names, name) != NULL) {
        return tp_error_set(err, TRIGPERF_E_EXISTS, "declare each column once",
                            "column \"%s\" is declared already", name);
    }
    if (validator->column_count == TP_VALIDATOR_COLUMNS_MAX) {
        return tp_error_set(err, TRIGPERF_E_LIMIT, "use several validators",
                            "expected at most %u columns", TP_VALIDATOR_COLUMNS_MAX);
    }
    return TRIGPERF_OK;
}

/* A group with the type's rule, ready to be put beside its column. */
static int32_t make_single(uint32_t number, const tp_column_type *type, group *out,
                           trigperf_error **err) {
    group fresh = {.columns = {number}, .column_count = 1};
    fresh.rules = tp_array_reserve(NULL, &fresh.rule_room, 1, sizeof *fresh.rules);
    if (fresh.rules == NULL) {
        return tp_error_nomem(err);
    }
    tp_check_rule *rule = NULL;
    int32_t status = tp_check_rule_type(type, &rule, err);
    if (status != TRIGPERF_OK) {
        free(fresh.rules);
        return status;
    }
    fresh.rules[fresh.rule_count++] = (placed_rule){rule, 0};
    *out = fresh;
    return TRIGPERF_OK;
}

int32_t tp_validator_column(tp_validator *validator, const char *name, const tp_column_type *type,
                            tp_wordset *labels, bool lenient, uint32_t *out, trigperf_error **err) {
    uint32_t number = validator->column_count;
    group single = {.column_count = 0};
    column fresh = {tp_text_copy(name), *type, labels, lenient};
    fresh.type.labels = labels;
    int32_t status = check_column(validator, name, err);
    if (status == TRIGPERF_OK && (fresh.name == NULL || !grow_columns(validator))) {
        status = tp_error_nomem(err);
    }
    if (status == TRIGPERF_OK) {
        status = make_single(number, type, &single, err);
    }
    if (status == TRIGPERF_OK &&
        !tp_map_put_str(validator->names, name, (void *)(uintptr_t)(number + 1), NULL)) {
        status = tp_error_nomem(err);
    }
    if (status != TRIGPERF_OK) {
        free_group(&single);
        free(fresh.name);
        tp_wordset_free(labels);
        return status;
    }
    validator->columns[number] = fresh;
    validator->singles[number] = single;
    validator->column_count++;
    validator->rule_count++;
    *out = number;
    return TRIGPERF_OK;
}

uint32_t tp_validator_find(const tp_validator *validator, const char *name, size_t length) {
    uintptr_t found = (uintptr_t)tp_map_get(validator->names, name, length);
    return found == 0 ? TP_VALIDATOR_NONE : (uint32_t)(found - 1);
}

uint32_t tp_validator_column_count(const tp_validator *validator) {
    return validator->column_count;
}

const char *tp_validator_column_name(const tp_validator *validator, uint32_t number) {
    return validator->columns[number].name;
}

const tp_column_type *tp_validator_column_type(const tp_validator *validator, uint32_t number) {
    return &validator->columns[number].type;
}

/* ---- groups and rules ---- */

static bool same_columns(const group *item, const uint32_t *columns, uint32_t count) {
    return item->column_count == count &&
           memcmp(item->columns, columns, count * sizeof *columns) == 0;
}

/* The group of these columns, made when there is none; NULL when memory is short. */
static group *group_of(tp_validator *validator, const uint32_t *columns, uint32_t count) {
    if (count == 1) {
        return &validator->singles[columns[0]];
    }
    for (uint32_t i = 0; i < validator->other_count; i++) {
        if (same_columns(&validator->others[i], columns, count)) {
            return &validator->others[i];
        }
    }
    group *others = tp_array_reserve(validator->others, &validator->other_room,
                                     validator->other_count + 1, sizeof *others);
    if (others == NULL) {
        return NULL;
    }
    validator->others = others;
    group *fresh = &others[validator->other_count++];
    *fresh = (group){.column_count = count};
    memcpy(fresh->columns, columns, count * sizeof *columns);
    return fresh;
}

static int32_t check_columns(tp_validator *validator, const uint32_t *columns, uint32_t count,
                             trigperf_error **err) {
    int32_t status = check_open(validator, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (count == 0 || count > TP_CONDITION_COLUMNS_MAX) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "split the rule",
                            "expected a rule over 1 to %u columns, got %u",
                            TP_CONDITION_COLUMNS_MAX, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i] >= validator->column_count) {
            return tp_error_set(err, TRIGPERF_E_NOT_FOUND, "declare the column first",
                                "validator %s has no column number %u", validator->name,
                                columns[i]);
        }
    }
    if (validator->rule_count == TP_VALIDATOR_RULES_MAX) {
        return tp_error_set(err, TRIGPERF_E_LIMIT, "use several validators",
                            "expected at most %u rules", TP_VALIDATOR_RULES_MAX);
    }
    return TRIGPERF_OK;
}

static int32_t open_group(tp_validator *validator, const uint32_t *columns, uint32_t count,
                          group **out, trigperf_error **err) {
    int32_t status = check_columns(validator, columns, count, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    *out = group_of(validator, columns, count);
    return *out == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
}

int32_t tp_validator_add(tp_validator *validator, const uint32_t *columns, uint32_t count,
                         tp_check_rule *rule, uint32_t unless, trigperf_error **err) {
    group *item = NULL;
    int32_t status = open_group(validator, columns, count, &item, err);
    placed_rule *rules = NULL;
    if (status == TRIGPERF_OK) {
        rules =
            tp_array_reserve(item->rules, &item->rule_room, item->rule_count + 1, sizeof *rules);
        status = rules == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    if (status != TRIGPERF_OK) {
        tp_check_rule_free(rule);
        return status;
    }
    item->rules = rules;
    rules[item->rule_count++] = (placed_rule){rule, unless};
    item->unless |= unless;
    item->costly = item->costly || tp_check_rule_is_costly(rule);
    validator->rule_count++;
    return TRIGPERF_OK;
}

int32_t tp_validator_depends(tp_validator *validator, const uint32_t *columns, uint32_t count,
                             const char *table, trigperf_error **err) {
    group *item = NULL;
    int32_t status = open_group(validator, columns, count, &item, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (item->table != NULL && strcmp(item->table, table) != 0) {
        return tp_error_set(err, TRIGPERF_E_INVALID,
                            "let the function of one of them be over more columns",
                            "verdicts of the same columns depend on table %s already, expected no "
                            "other one, got %s",
                            item->table, table);
    }
    char *copy = item->table != NULL ? item->table : tp_text_copy(table);
    item->table = copy;
    return copy == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
}

int32_t tp_validator_never_keep(tp_validator *validator, const uint32_t *columns, uint32_t count,
                                trigperf_error **err) {
    group *item = NULL;
    int32_t status = open_group(validator, columns, count, &item, err);
    if (status == TRIGPERF_OK) {
        item->never_keep = true;
    }
    return status;
}

void tp_validator_seal(tp_validator *validator) {
    if (!atomic_load_explicit(&validator->sealed, memory_order_relaxed)) {
        atomic_store(&validator->sealed, true);
    }
}

static const group *at(const tp_validator *validator, uint32_t number) {
    return number < validator->column_count ? &validator->singles[number]
                                            : &validator->others[number - validator->column_count];
}

uint32_t tp_validator_group_count(const tp_validator *validator) {
    return validator->column_count + validator->other_count;
}

tp_rule_group tp_validator_group(const tp_validator *validator, uint32_t number) {
    const group *item = at(validator, number);
    return (tp_rule_group){item->columns, item->column_count, item->rule_count, item->unless,
                           item->costly,  item->never_keep,   item->table};
}

const tp_check_rule *tp_validator_rule(const tp_validator *validator, uint32_t number,
                                       uint32_t place) {
    return at(validator, number)->rules[place].rule;
}

/* ---- judging ---- */

/* The rules from `place` on, over datums that could be read. */
static int32_t judge_from(const group *item, uint32_t place, uint32_t occasion,
                          const tp_datum *datums, const tp_value *values, uint32_t *verdict,
                          bool *keep) {
    int32_t status = TRIGPERF_OK;
    *verdict = TP_VERDICT_HOLDS;
    *keep = !item->never_keep;
    for (; place < item->rule_count; place++) {
        const placed_rule *placed = &item->rules[place];
        if ((placed->unless & occasion) != 0) {
            continue;
        }
        tp_truth truth =
            tp_check_rule_test(placed->rule, datums, values, item->column_count, &status);
        if (status < 0) {
            return status;
        }
        if (truth == TP_FALSE) {
            *verdict = TP_VERDICT_FIRST_RULE + place;
            return TRIGPERF_OK;
        }
        if (truth == TP_UNDECIDED) {
            *verdict = TP_VERDICT_UNDECIDED;
            *keep = *keep && !tp_check_rule_is_function(placed->rule);
        }
    }
    return TRIGPERF_OK;
}

static tp_coercion read_value(const column *known, tp_value value, tp_datum *out) {
    tp_coercion coercion = tp_column_type_read(&known->type, value, out);
    return coercion == TP_COERCION_UNDECIDED && !known->lenient ? TP_COERCION_REFUSED : coercion;
}

static int32_t judge_single(const tp_validator *validator, uint32_t number, uint32_t occasion,
                            tp_value value, uint32_t *verdict, bool *keep) {
    tp_datum datum;
    tp_coercion coercion = read_value(&validator->columns[number], value, &datum);
    if (coercion != TP_COERCION_OK) {
        *verdict = coercion == TP_COERCION_REFUSED ? TP_VERDICT_FIRST_RULE : TP_VERDICT_UNDECIDED;
        *keep = !validator->singles[number].never_keep;
        return TRIGPERF_OK;
    }
    return judge_from(&validator->singles[number], 1, occasion, &datum, &value, verdict, keep);
}

int32_t tp_validator_judge(const tp_validator *validator, uint32_t number, uint32_t occasion,
                           const tp_value *values, uint32_t *verdict, bool *keep) {
    if (number < validator->column_count) {
        return judge_single(validator, number, occasion, values[0], verdict, keep);
    }
    const group *item = at(validator, number);
    tp_datum datums[TP_CONDITION_COLUMNS_MAX];
    for (uint32_t i = 0; i < item->column_count; i++) {
        if (read_value(&validator->columns[item->columns[i]], values[i], &datums[i]) !=
            TP_COERCION_OK) {
            *verdict = TP_VERDICT_UNDECIDED;
            *keep = !item->never_keep;
            return TRIGPERF_OK;
        }
    }
    return judge_from(item, 0, occasion, datums, values, verdict, keep);
}

/* Functions see text, so a number has to be written out for them. */
static bool has_function(const group *item) {
    for (uint32_t i = 0; i < item->rule_count; i++) {
        if (tp_check_rule_is_function(item->rules[i].rule)) {
            return true;
        }
    }
    return false;
}

static int32_t judge_text(const tp_validator *validator, uint32_t number, uint32_t occasion,
                          const char *text, uint32_t *verdict, bool *keep) {
    tp_value value = {text, (uint32_t)strlen(text)};
    return judge_single(validator, number, occasion, value, verdict, keep);
}

int32_t tp_validator_judge_integer(const tp_validator *validator, uint32_t number,
                                   uint32_t occasion, int64_t value, uint32_t *verdict,
                                   bool *keep) {
    const tp_column_type *type = &validator->columns[number].type;
    const group *item = &validator->singles[number];
    if (type->kind != TP_TYPE_INTEGER || type->width != 8 || has_function(item)) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)value);
        return judge_text(validator, number, occasion, text, verdict, keep);
    }
    tp_datum datum;
    datum.kind = TP_DATUM_INTEGER;
    datum.integer = value;
    return judge_from(item, 1, occasion, &datum, NULL, verdict, keep);
}

int32_t tp_validator_judge_real(const tp_validator *validator, uint32_t number, uint32_t occasion,
                                double value, uint32_t *verdict, bool *keep) {
    const group *item = &validator->singles[number];
    if (validator->columns[number].type.kind != TP_TYPE_REAL) {
        return TRIGPERF_E_INVALID;
    }
    char text[32];
    tp_value shown = {text, 0};
    if (has_function(item)) {
        shown.length = (uint32_t)tp_datum_print_real(value, text, sizeof text);
    }
    tp_datum datum;
    datum.kind = TP_DATUM_REAL;
    datum.real = value;
    return judge_from(item, 1, occasion, &datum, &shown, verdict, keep);
}

/* ---- showing ---- */

static uint64_t hash_column(uint64_t hash, const column *item) {
    uint64_t parts[] = {hash,
                        tp_hash_stable(item->name, strlen(item->name)),
                        item->type.kind,
                        item->type.width,
                        (uint64_t)item->type.precision,
                        (uint64_t)item->type.scale,
                        item->type.max_characters,
                        item->lenient};
    return tp_hash_stable(parts, sizeof parts);
}

static uint64_t hash_group(uint64_t hash, const group *item) {
    uint64_t columns = tp_hash_stable(item->columns, item->column_count * sizeof *item->columns);
    for (uint32_t i = 0; i < item->rule_count; i++) {
        uint64_t parts[] = {hash, columns, item->rules[i].unless,
                            tp_check_rule_hash(item->rules[i].rule)};
        hash = tp_hash_stable(parts, sizeof parts);
    }
    return hash;
}

uint64_t tp_validator_hash(const tp_validator *validator) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < validator->column_count; i++) {
        hash = hash_column(hash, &validator->columns[i]);
    }
    for (uint32_t i = 0; i < tp_validator_group_count(validator); i++) {
        hash = hash_group(hash, at(validator, i));
    }
    return hash;
}

static const char *type_name(const tp_column_type *type) {
    static const char *const names[] = {"text", "integer", "numeric", "real", "enum", "other"};
    return names[type->kind];
}

static void put_group(const tp_validator *validator, const group *item, tp_strbuf *out) {
    for (uint32_t i = 0; i < item->rule_count; i++) {
        const tp_check_rule *rule = item->rules[i].rule;
        if (tp_check_rule_is_type(rule)) {
            continue;
        }
        tp_json_open(out, NULL, '{');
        tp_json_open(out, "columns", '[');
        for (uint32_t j = 0; j < item->column_count; j++) {
            tp_json_text(out, NULL, validator->columns[item->columns[j]].name);
        }
        tp_json_close(out, ']');
        tp_json_text(out, "rule", tp_check_rule_name(rule));
        tp_json_text(out, "expected", tp_check_rule_expected(rule));
        tp_json_close(out, '}');
    }
}

void tp_validator_json(const tp_validator *validator, tp_strbuf *out) {
    tp_json_open(out, NULL, '{');
    tp_json_text(out, "name", validator->name);
    tp_json_open(out, "columns", '[');
    for (uint32_t i = 0; i < validator->column_count; i++) {
        tp_json_open(out, NULL, '{');
        tp_json_text(out, "name", validator->columns[i].name);
        tp_json_text(out, "type", type_name(&validator->columns[i].type));
        tp_json_close(out, '}');
    }
    tp_json_close(out, ']');
    tp_json_open(out, "rules", '[');
    for (uint32_t i = 0; i < tp_validator_group_count(validator); i++) {
        put_group(validator, at(validator, i), out);
    }
    tp_json_close(out, ']');
    tp_json_close(out, '}');
}
