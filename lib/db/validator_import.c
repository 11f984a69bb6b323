/* What a row must satisfy, as far as it can be said without the server: types (the ranges of
 * integers, digits of numeric, length of varchar, labels of enums), NOT NULL, CHECKs of the table
 * and of domains. The rest is left to the database, and named with the reason.
 *
 * A BEFORE ROW trigger or a rewrite rule may store other values than those that were given. Then
 * NOT NULL and CHECKs of the table are left as well; types, enums and domains are not, because
 * values pass them on their way in, before any trigger. */
#include "db/validator_import.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "core/sql_condition.h"

#define NUMERIC_HEADER 4

typedef struct importer {
    const tp_definition *definition;
    tp_validator *validator;
    tp_condition_column *columns; /* as many as the table has; generated ones have no name */
    uint32_t *numbers;            /* of the validator; TP_VALIDATOR_NONE: not in it */
    uint32_t count;
    const char *obstacle; /* a trigger or rule that may change rows, or NULL */
    tp_strbuf left;       /* JSON array */
    tp_strbuf imported;
    trigperf_error **err;
} importer;

static const char *field(const PGresult *result, int row, int column) {
    return PQgetvalue(result, row, column);
}

static bool is_true(const PGresult *result, int row, int column) {
    return field(result, row, column)[0] == 't';
}

static void put(tp_strbuf *out, const char *kind, const char *name, const char *text,
                const char *reason) {
    tp_json_open(out, NULL, '{');
    tp_json_text(out, "kind", kind);
    tp_json_text(out, "name", name);
    if (text[0] != '\0') {
        tp_json_text(out, "text", text);
    }
    if (reason != NULL) {
        tp_json_text(out, "reason", reason);
    }
    tp_json_close(out, '}');
}

/* ---- columns ---- */

static void numeric_of(int32_t modifier, tp_column_type *type) {
    if (modifier >= NUMERIC_HEADER) {
        int32_t packed = modifier - NUMERIC_HEADER;
        type->precision = (packed >> 16) & 0xFFFF;
        type->scale = ((packed & 0x7FF) ^ 1024) - 1024;
    }
}

/* OPAQUE for what is not on the list. */
static tp_column_type type_of(const importer *in, int row) {
    const PGresult *columns = in->definition->columns;
    const char *name = field(columns, row, TP_DEFINITION_TYPE);
    int32_t modifier = (int32_t)strtol(field(columns, row, TP_DEFINITION_MODIFIER), NULL, 10);
    tp_column_type type = {.kind = TP_TYPE_OPAQUE};
    if (field(columns, row, TP_DEFINITION_TYPE_KIND)[0] == 'e') {
        type.kind = TP_TYPE_ENUM;
    } else if (strcmp(name, "int2") == 0 || strcmp(name, "int4") == 0 ||
               strcmp(name, "int8") == 0) {
        type.kind = TP_TYPE_INTEGER;
        type.width = (uint32_t)(name[3] - '0');
    } else if (strcmp(name, "numeric") == 0) {
        type.kind = TP_TYPE_NUMERIC;
        numeric_of(modifier, &type);
    } else if (in->definition->utf8 &&
               (strcmp(name, "text") == 0 || strcmp(name, "varchar") == 0)) {
        type.kind = TP_TYPE_TEXT;
        type.max_characters =
            name[0] == 'v' && modifier > NUMERIC_HEADER ? (uint32_t)(modifier - NUMERIC_HEADER) : 0;
    }
    return type;
}

static int32_t labels_of(const importer *in, int row, tp_wordset **out) {
    const PGresult *labels = in->definition->labels;
    const char *number = field(in->definition->columns, row, TP_DEFINITION_NUMBER);
    int rows = PQntuples(labels);
    tp_value *words = malloc((size_t)(rows + 1) * sizeof *words);
    uint32_t count = 0;
    for (int i = 0; words != NULL && i < rows; i++) {
        if (strcmp(field(labels, i, 0), number) == 0) {
            words[count++] = (tp_value){field(labels, i, 1), (uint32_t)PQgetlength(labels, i, 1)};
        }
    }
    *out = words == NULL ? NULL : tp_wordset_new(words, count);
    free(words);
    return *out == NULL ? tp_error_nomem(in->err) : TRIGPERF_OK;
}

static tp_operand_kind operand_of(tp_type_kind kind) {
    return kind == TP_TYPE_INTEGER   ? TP_OPERAND_INTEGER
           : kind == TP_TYPE_NUMERIC ? TP_OPERAND_NUMERIC
           : kind == TP_TYPE_TEXT    ? TP_OPERAND_TEXT
                                     : TP_OPERAND_OPAQUE;
}

/* Composite types are NULL also when all their fields are. */
static bool knows_null(const importer *in, int row) {
    return field(in->definition->columns, row, TP_DEFINITION_TYPE_KIND)[0] != 'c';
}

static int32_t add_column(importer *in, int row) {
    const PGresult *columns = in->definition->columns;
    const char *name = field(columns, row, TP_DEFINITION_NAME);
    const char *shown = field(columns, row, TP_DEFINITION_SHOWN);
    in->columns[row] = (tp_condition_column){.name = "", .kind = TP_OPERAND_OPAQUE};
    in->numbers[row] = TP_VALIDATOR_NONE;
    if (field(columns, row, TP_DEFINITION_GENERATED)[0] != '\0') {
        put(&in->left, "column", name, shown, "a generated column");
        return TRIGPERF_OK;
    }
    tp_column_type type = type_of(in, row);
    tp_wordset *labels = NULL;
    int32_t status = type.kind == TP_TYPE_ENUM ? labels_of(in, row, &labels) : TRIGPERF_OK;
    if (status == TRIGPERF_OK) {
        status = tp_validator_column(in->validator, name, &type, labels, true, &in->numbers[row],
                                     in->err);
    }
    if (type.kind == TP_TYPE_OPAQUE) {
        put(&in->left, "column", name, shown, "a type that is not on the list");
    } else {
        put(&in->imported, "column", name, shown, NULL);
    }
    if (type.kind != TP_TYPE_OPAQUE || knows_null(in, row)) {
        in->columns[row] =
            (tp_condition_column){.name = name,
                                  .kind = operand_of(type.kind),
                                  .width = type.width,
                                  .equality = is_true(columns, row, TP_DEFINITION_DETERMINISTIC),
                                  .order = is_true(columns, row, TP_DEFINITION_BYTEWISE)};
    }
    return status;
}

static int32_t add_not_null(importer *in, uint32_t number, const char *name) {
    tp_check_rule *rule = NULL;
    int32_t status = tp_check_rule_not_null(&rule, in->err);
    if (status == TRIGPERF_OK) {
        status = tp_validator_add(in->validator, &number, 1, rule, 0, in->err);
        put(&in->imported, "not null", name, "", NULL);
    }
    return status;
}

static int32_t add_columns(importer *in) {
    const PGresult *columns = in->definition->columns;
    int32_t status = TRIGPERF_OK;
    for (int row = 0; status == TRIGPERF_OK && row < (int)in->count; row++) {
        const char *name = field(columns, row, TP_DEFINITION_NAME);
        status = add_column(in, row);
        if (status != TRIGPERF_OK || !is_true(columns, row, TP_DEFINITION_NOT_NULL)) {
            continue;
        }
        if (in->obstacle != NULL || in->numbers[row] == TP_VALIDATOR_NONE) {
            put(&in->left, "not null", name, "",
                in->obstacle != NULL ? in->obstacle : "a generated column");
        } else {
            status = add_not_null(in, in->numbers[row], name);
        }
    }
    return status;
}

/* ---- constraints ---- */

/* The row in columns of a column's number; -1: there is none. */
static int row_of(const importer *in, const char *number) {
    for (int row = 0; row < (int)in->count; row++) {
        if (strcmp(field(in->definition->columns, row, TP_DEFINITION_NUMBER), number) == 0) {
            return row;
        }
    }
    return -1;
}

/* Numbers in the table become numbers in the validator, in rising order, for rules over the same
 * columns share a verdict. */
static uint32_t order_columns(const importer *in, tp_condition *condition, int domain_row,
                              uint32_t *columns) {
    uint32_t places[TP_CONDITION_COLUMNS_MAX];
    uint32_t count = condition->column_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = domain_row >= 0 ? (uint32_t)domain_row : condition->columns[i];
        columns[i] = in->numbers[row];
    }
    for (uint32_t i = 0; i < count; i++) {
        places[i] = 0;
        for (uint32_t j = 0; j < count; j++) {
            places[i] += columns[j] < columns[i];
        }
    }
    tp_predicate_renumber(condition->predicate, places);
    uint32_t sorted[TP_CONDITION_COLUMNS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        sorted[places[i]] = columns[i];
    }
    memcpy(columns, sorted, count * sizeof *columns);
    return count;
}

static int32_t add_condition(importer *in, const char *name, const char *text,
                             tp_condition *condition, int domain_row) {
    uint32_t columns[TP_CONDITION_COLUMNS_MAX];
    uint32_t count = order_columns(in, condition, domain_row, columns);
    tp_strbuf expected = TP_STRBUF_INIT;
    tp_check_rule *rule = NULL;
    tp_strbuf_printf(&expected, "CHECK %s", text);
    int32_t status = expected.failed ? tp_error_nomem(in->err)
                                     : tp_check_rule_condition(name, tp_strbuf_str(&expected),
                                                               condition, &rule, in->err);
    tp_strbuf_free(&expected);
    return status == TRIGPERF_OK ? tp_validator_add(in->validator, columns, count, rule, 0, in->err)
                                 : status;
}

/* What keeps a constraint from being imported before its text is looked at; NULL: nothing. */
static const char *reason_to_leave(const importer *in, int row) {
    const PGresult *all = in->definition->constraints;
    bool of_table = field(all, row, TP_DEFINITION_DOMAIN)[0] == '\0';
    return strchr("cn", field(all, row, TP_DEFINITION_KIND)[0]) == NULL
               ? "it concerns other rows as well"
           : of_table && in->obstacle != NULL ? in->obstacle
           : field(all, row, TP_DEFINITION_FOREIGN)[0] != '\0'
               ? "it depends on something outside pg_catalog"
               : NULL;
}

static const char *kind_of(const PGresult *all, int row) {
    switch (field(all, row, TP_DEFINITION_KIND)[0]) {
    case 'c':
        return field(all, row, TP_DEFINITION_DOMAIN)[0] == '\0' ? "check" : "domain check";
    case 'n':
        return "domain not null";
    case 'f':
        return "foreign key";
    case 'x':
        return "exclusion";
    default:
        return "unique";
    }
}

static int32_t parse_and_add(importer *in, int row, int domain_row, const char *name) {
    const PGresult *all = in->definition->constraints;
    const char *text = field(all, row, TP_DEFINITION_EXPRESSION);
    tp_condition condition = {.predicate = NULL};
    trigperf_error *cause = NULL;
    bool domain = domain_row >= 0;
    int32_t status =
        tp_sql_condition_parse(text, strlen(text), domain ? &in->columns[domain_row] : in->columns,
                               domain ? 1 : in->count, domain, &condition, &cause);
    if (status == TRIGPERF_E_UNSUPPORTED) {
        put(&in->left, kind_of(all, row), name, text, trigperf_error_message(cause));
        trigperf_error_free(cause);
        return TRIGPERF_OK;
    }
    if (status != TRIGPERF_OK) {
        return tp_error_move(in->err, cause, status);
    }
    status = add_condition(in, name, text, &condition, domain_row);
    tp_condition_free(&condition);
    put(&in->imported, kind_of(all, row), name, text, NULL);
    return status;
}

static int32_t add_constraint(importer *in, int row) {
    const PGresult *all = in->definition->constraints;
    const char *domain = field(all, row, TP_DEFINITION_DOMAIN);
    const char *text = field(all, row, TP_DEFINITION_EXPRESSION);
    bool of_table = domain[0] == '\0';
    int column = of_table ? -1 : row_of(in, field(all, row, TP_DEFINITION_OF_COLUMN));
    tp_strbuf name = TP_STRBUF_INIT;
    tp_strbuf_printf(&name, "%s%s%s", domain, of_table ? "" : ": ",
                     field(all, row, TP_DEFINITION_CONSTRAINT));
    const char *reason = reason_to_leave(in, row);
    if (!of_table && (column < 0 || in->numbers[column] == TP_VALIDATOR_NONE)) {
        reason = "a generated column";
    } else if (!of_table && in->columns[column].name[0] == '\0') {
        reason = "a type that is not on the list";
    }
    int32_t status = TRIGPERF_OK;
    if (name.failed) {
        status = tp_error_nomem(in->err);
    } else if (!is_true(all, row, TP_DEFINITION_ENFORCED)) {
        put(&in->left, kind_of(all, row), tp_strbuf_str(&name), text, "it is not enforced");
    } else if (reason != NULL) {
        put(&in->left, kind_of(all, row), tp_strbuf_str(&name), text, reason);
    } else if (field(all, row, TP_DEFINITION_KIND)[0] == 'n') {
        status = add_not_null(in, in->numbers[column], tp_strbuf_str(&name));
    } else {
        status = parse_and_add(in, row, column, tp_strbuf_str(&name));
    }
    tp_strbuf_free(&name);
    return status;
}

/* ---- the whole ---- */

static void add_obstacles(importer *in) {
    const PGresult *obstacles = in->definition->obstacles;
    for (int row = 0; row < PQntuples(obstacles); row++) {
        const char *kind = field(obstacles, row, 0);
        bool changes = is_true(obstacles, row, 2);
        if (changes) {
            in->obstacle = kind[0] == 't' ? "a BEFORE ROW trigger may store other values"
                                          : "a rule may store other values";
        }
        put(&in->left, kind, field(obstacles, row, 1), "",
            changes ? "it may store other values" : "it is not on the list");
    }
}

static int32_t import(importer *in) {
    if (in->columns == NULL || in->numbers == NULL) {
        return tp_error_nomem(in->err);
    }
    add_obstacles(in);
    int32_t status = tp_validator_new(in->definition->relation.quoted, &in->validator, in->err);
    if (status == TRIGPERF_OK) {
        status = add_columns(in);
    }
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(in->definition->constraints);
         row++) {
        status = add_constraint(in, row);
    }
    if (status == TRIGPERF_OK && (in->left.failed || in->imported.failed)) {
        status = tp_error_nomem(in->err);
    }
    return status;
}

static void put_report(const importer *in, tp_strbuf *report) {
    tp_json_open(report, NULL, '{');
    tp_json_text(report, "table", in->definition->relation.quoted);
    tp_json_raw(report, "imported", tp_strbuf_str(&in->imported));
    tp_json_raw(report, "left_to_the_database", tp_strbuf_str(&in->left));
    tp_json_close(report, '}');
}

int32_t tp_validator_import(const tp_definition *definition, tp_validator **out, tp_strbuf *report,
                            trigperf_error **err) {
    uint32_t count = (uint32_t)PQntuples(definition->columns);
    importer in = {.definition = definition,
                   .columns = calloc(count + 1, sizeof *in.columns),
                   .numbers = calloc(count + 1, sizeof *in.numbers),
                   .count = count,
                   .err = err};
    tp_json_open(&in.left, NULL, '[');
    tp_json_open(&in.imported, NULL, '[');
    int32_t status = import(&in);
    tp_json_close(&in.left, ']');
    tp_json_close(&in.imported, ']');
    if (status == TRIGPERF_OK) {
        put_report(&in, report);
        status = report->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    tp_strbuf_free(&in.left);
    tp_strbuf_free(&in.imported);
    free(in.columns);
    free(in.numbers);
    if (status != TRIGPERF_OK) {
        tp_validator_free(in.validator);
        return status;
    }
    *out = in.validator;
    return TRIGPERF_OK;
}
