/* Expressions of constraints: whatever is accepted has a truth, for NULLs and for values, and that
 * of its negation is the opposite. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/sql_condition.h"

enum { COLUMNS = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const tp_condition_column columns[COLUMNS] = {
    {.name = "i", .kind = TP_OPERAND_INTEGER, .width = 4},
    {.name = "n", .kind = TP_OPERAND_NUMERIC},
    {.name = "t", .kind = TP_OPERAND_TEXT, .equality = true},
    {.name = "c", .kind = TP_OPERAND_TEXT, .equality = true, .order = true},
    {.name = "d", .kind = TP_OPERAND_OPAQUE},
};

static void check_truth(const tp_condition *condition, bool nulls) {
    tp_datum datums[TP_CONDITION_COLUMNS_MAX];
    tp_datum values[COLUMNS] = {
        {.kind = TP_DATUM_INTEGER, .integer = 5},
        {.kind = TP_DATUM_DECIMAL, .decimal = {.point = 1, .count = 2, .digits = {2, 5}}},
        {.kind = TP_DATUM_TEXT, .text = {"red", 3}, .characters = 3},
        {.kind = TP_DATUM_TEXT, .text = {"b", 1}, .characters = 1},
        {.kind = TP_DATUM_OPAQUE},
    };
    for (uint32_t i = 0; i < condition->column_count; i++) {
        datums[i] = values[condition->columns[i]];
        datums[i].kind = nulls ? TP_DATUM_NULL : datums[i].kind;
    }
    uint32_t negation = tp_predicate_not(condition->predicate, condition->root);
    tp_truth truth = tp_predicate_eval(condition->predicate, condition->root, datums);
    if (negation == TP_PREDICATE_NONE) {
        return;
    }
    tp_truth opposite = tp_predicate_eval(condition->predicate, negation, datums);
    tp_truth expected = truth == TP_TRUE ? TP_FALSE : truth == TP_FALSE ? TP_TRUE : truth;
    if (opposite != expected) {
        abort();
    }
}

static void parse(const char *text, size_t size, bool is_domain) {
    tp_condition condition;
    trigperf_error *error = NULL;
    uint32_t count = is_domain ? 1 : COLUMNS;
    int32_t status =
        tp_sql_condition_parse(text, size, columns, count, is_domain, &condition, &error);
    if (status == TRIGPERF_OK) {
        check_truth(&condition, false);
        check_truth(&condition, true);
        tp_condition_free(&condition);
    } else if (status != TRIGPERF_E_UNSUPPORTED || trigperf_error_message(error)[0] == '\0') {
        abort();
    }
    trigperf_error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1); /* exactly as long, so that reading beyond it is noticed */
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    parse(text, size, false);
    parse(text, size, true);
    free(text);
    return 0;
}
