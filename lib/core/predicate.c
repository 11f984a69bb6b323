/* Nodes in one array, children by number. Evaluation recurses as deep as the condition is nested,
 * which its makers limit; chains of AND and OR lean to the right and are walked. What cannot be
 * decided (a pattern that is too costly) is a fourth truth value: it makes the whole undecided
 * unless the rest settles it, since a host must not be told more than is known. */
#include "core/predicate.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

typedef enum node_op {
    NODE_COLUMN,
    NODE_CONSTANT,
    NODE_LENGTH,
    NODE_IS_NULL,
    NODE_COMPARE,
    NODE_MATCH,
    NODE_MEMBER,
    NODE_NOT,
    NODE_ALL,
    NODE_ANY,
    NODE_TRUTH
} node_op;

typedef struct node {
    node_op op;
    tp_operand_kind kind;
    uint32_t left; /* a node; of NODE_COLUMN the column */
    uint32_t right;
    tp_comparison comparison;
    tp_truth truth;
    bool negated;
    tp_datum *constant;
    tp_pattern *pattern;
    tp_wordset *words;
} node;

struct tp_predicate {
    node *nodes;
    uint32_t count;
    uint32_t room;
};

tp_predicate *tp_predicate_new(void) {
    return calloc(1, sizeof(tp_predicate));
}

static void free_node(node *item) {
    if (item->constant != NULL && item->constant->kind == TP_DATUM_TEXT) {
        free((void *)(uintptr_t)item->constant->text.data);
    }
    free(item->constant);
    tp_pattern_free(item->pattern);
    tp_wordset_free(item->words);
}

void tp_predicate_free(tp_predicate *predicate) {
    if (predicate == NULL) {
        return;
    }
    for (uint32_t i = 0; i < predicate->count; i++) {
        free_node(&predicate->nodes[i]);
    }
    free(predicate->nodes);
    free(predicate);
}

/* Takes over what the node owns. */
static uint32_t add(tp_predicate *predicate, node item) {
    node *nodes = predicate->count == TP_PREDICATE_NODES_MAX
                      ? NULL
                      : tp_array_reserve(predicate->nodes, &predicate->room, predicate->count + 1,
                                         sizeof *nodes);
    if (nodes == NULL) {
        free_node(&item);
        return TP_PREDICATE_NONE;
    }
    predicate->nodes = nodes;
    nodes[predicate->count] = item;
    return predicate->count++;
}

static uint32_t add_constant(tp_predicate *predicate, tp_operand_kind kind, const tp_datum *datum) {
    node item = {.op = NODE_CONSTANT, .kind = kind, .constant = malloc(sizeof *item.constant)};
    if (item.constant == NULL) {
        return TP_PREDICATE_NONE;
    }
    *item.constant = *datum;
    if (datum->kind == TP_DATUM_TEXT) {
        item.constant->text.data = tp_text_copy_bytes(datum->text.data, datum->text.length);
        if (item.constant->text.data == NULL) {
            free(item.constant);
            return TP_PREDICATE_NONE;
        }
    }
    return add(predicate, item);
}

uint32_t tp_predicate_column(tp_predicate *predicate, uint32_t column, tp_operand_kind kind) {
    return add(predicate, (node){.op = NODE_COLUMN, .kind = kind, .left = column});
}

uint32_t tp_predicate_integer(tp_predicate *predicate, int64_t number) {
    tp_datum datum = {.kind = TP_DATUM_INTEGER, .integer = number};
    return add_constant(predicate, TP_OPERAND_INTEGER, &datum);
}

uint32_t tp_predicate_decimal(tp_predicate *predicate, const tp_decimal *number) {
    tp_datum datum = {.kind = TP_DATUM_DECIMAL, .decimal = *number};
    return add_constant(predicate, TP_OPERAND_NUMERIC, &datum);
}

uint32_t tp_predicate_text(tp_predicate *predicate, const char *bytes, uint32_t length) {
    tp_datum datum = {.kind = TP_DATUM_TEXT, .text = {bytes, length}};
    return add_constant(predicate, TP_OPERAND_TEXT, &datum);
}

uint32_t tp_predicate_null(tp_predicate *predicate, tp_operand_kind kind) {
    tp_datum datum = {.kind = TP_DATUM_NULL};
    return add_constant(predicate, kind, &datum);
}

uint32_t tp_predicate_truth(tp_predicate *predicate, tp_truth truth) {
    return add(predicate, (node){.op = NODE_TRUTH, .kind = TP_OPERAND_TRUTH, .truth = truth});
}

uint32_t tp_predicate_length(tp_predicate *predicate, uint32_t text) {
    return text == TP_PREDICATE_NONE
               ? TP_PREDICATE_NONE
               : add(predicate,
                     (node){.op = NODE_LENGTH, .kind = TP_OPERAND_INTEGER, .left = text});
}

uint32_t tp_predicate_is_null(tp_predicate *predicate, uint32_t operand, bool negated) {
    return operand == TP_PREDICATE_NONE ? TP_PREDICATE_NONE
                                        : add(predicate, (node){.op = NODE_IS_NULL,
                                                                .kind = TP_OPERAND_TRUTH,
                                                                .left = operand,
                                                                .negated = negated});
}

uint32_t tp_predicate_compare(tp_predicate *predicate, tp_comparison comparison, uint32_t left,
                              uint32_t right) {
    return left == TP_PREDICATE_NONE || right == TP_PREDICATE_NONE
               ? TP_PREDICATE_NONE
               : add(predicate, (node){.op = NODE_COMPARE,
                                       .kind = TP_OPERAND_TRUTH,
                                       .left = left,
                                       .right = right,
                                       .comparison = comparison});
}

uint32_t tp_predicate_match(tp_predicate *predicate, uint32_t text, tp_pattern *pattern,
                            bool negated) {
    node item = {.op = NODE_MATCH,
                 .kind = TP_OPERAND_TRUTH,
                 .left = text,
                 .pattern = pattern,
                 .negated = negated};
    if (text == TP_PREDICATE_NONE) {
        free_node(&item);
        return TP_PREDICATE_NONE;
    }
    return add(predicate, item);
}

uint32_t tp_predicate_member(tp_predicate *predicate, uint32_t text, tp_wordset *words,
                             bool negated) {
    node item = {.op = NODE_MEMBER,
                 .kind = TP_OPERAND_TRUTH,
                 .left = text,
                 .words = words,
                 .negated = negated};
    if (text == TP_PREDICATE_NONE) {
        free_node(&item);
        return TP_PREDICATE_NONE;
    }
    return add(predicate, item);
}

uint32_t tp_predicate_not(tp_predicate *predicate, uint32_t truth) {
    return truth == TP_PREDICATE_NONE
               ? TP_PREDICATE_NONE
               : add(predicate, (node){.op = NODE_NOT, .kind = TP_OPERAND_TRUTH, .left = truth});
}

uint32_t tp_predicate_join(tp_predicate *predicate, bool all, uint32_t left, uint32_t right) {
    return left == TP_PREDICATE_NONE || right == TP_PREDICATE_NONE
               ? TP_PREDICATE_NONE
               : add(predicate, (node){.op = all ? NODE_ALL : NODE_ANY,
                                       .kind = TP_OPERAND_TRUTH,
                                       .left = left,
                                       .right = right});
}

void tp_predicate_renumber(tp_predicate *predicate, const uint32_t *numbers) {
    for (uint32_t i = 0; i < predicate->count; i++) {
        if (predicate->nodes[i].op == NODE_COLUMN) {
            predicate->nodes[i].left = numbers[predicate->nodes[i].left];
        }
    }
}

bool tp_predicate_has_pattern(const tp_predicate *predicate) {
    for (uint32_t i = 0; i < predicate->count; i++) {
        if (predicate->nodes[i].op == NODE_MATCH) {
            return true;
        }
    }
    return false;
}

bool tp_predicate_full(const tp_predicate *predicate) {
    return predicate->count == TP_PREDICATE_NODES_MAX;
}

/* ---- evaluating ---- */

/* The datum of an operand; space is for what is computed. */
static const tp_datum *operand(const tp_predicate *predicate, uint32_t index,
                               const tp_datum *datums, tp_datum *space) {
    const node *item = &predicate->nodes[index];
    if (item->op == NODE_CONSTANT) {
        return item->constant;
    }
    if (item->op == NODE_COLUMN) {
        return &datums[item->left];
    }
    const tp_datum *text = operand(predicate, item->left, datums, space);
    if (text->kind == TP_DATUM_NULL) {
        return text;
    }
    space->kind = TP_DATUM_INTEGER;
    space->integer = (int64_t)text->characters;
    return space;
}

static bool holds(tp_comparison comparison, int order) {
    switch (comparison) {
    case TP_EQ:
        return order == 0;
    case TP_NE:
        return order != 0;
    case TP_LT:
        return order < 0;
    case TP_LE:
        return order <= 0;
    case TP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static tp_truth compare(const tp_predicate *predicate, const node *item, const tp_datum *datums) {
    tp_datum space_left;
    tp_datum space_right;
    const tp_datum *left = operand(predicate, item->left, datums, &space_left);
    const tp_datum *right = operand(predicate, item->right, datums, &space_right);
    if (left->kind == TP_DATUM_NULL || right->kind == TP_DATUM_NULL) {
        return TP_UNKNOWN;
    }
    int order = left->kind == TP_DATUM_TEXT ? tp_datum_compare_texts(left, right)
                                            : tp_datum_compare_numbers(left, right);
    return holds(item->comparison, order) ? TP_TRUE : TP_FALSE;
}

static tp_truth match(const tp_predicate *predicate, const node *item, const tp_datum *datums) {
    tp_datum space;
    const tp_datum *text = operand(predicate, item->left, datums, &space);
    if (text->kind == TP_DATUM_NULL) {
        return TP_UNKNOWN;
    }
    tp_pattern_answer answer = tp_pattern_find(item->pattern, text->text.data, text->text.length);
    return answer == TP_PATTERN_TOO_COSTLY               ? TP_UNDECIDED
           : (answer == TP_PATTERN_YES) != item->negated ? TP_TRUE
                                                         : TP_FALSE;
}

static tp_truth member(const tp_predicate *predicate, const node *item, const tp_datum *datums) {
    tp_datum space;
    const tp_datum *text = operand(predicate, item->left, datums, &space);
    if (text->kind == TP_DATUM_NULL) {
        return TP_UNKNOWN;
    }
    bool found = tp_wordset_has(item->words, text->text.data, text->text.length);
    return found != item->negated ? TP_TRUE : TP_FALSE;
}

static tp_truth negate(tp_truth truth) {
    return truth == TP_TRUE ? TP_FALSE : truth == TP_FALSE ? TP_TRUE : truth;
}

/* AND ends at false, OR at true, whatever the other parts are. */
static tp_truth chain(const tp_predicate *predicate, uint32_t index, const tp_datum *datums) {
    node_op op = predicate->nodes[index].op;
    tp_truth ending = op == NODE_ALL ? TP_FALSE : TP_TRUE;
    tp_truth result = negate(ending);
    for (bool last = false; !last;) {
        const node *item = &predicate->nodes[index];
        last = item->op != op;
        tp_truth part = tp_predicate_eval(predicate, last ? index : item->left, datums);
        if (part == ending) {
            return ending;
        }
        if (part == TP_UNDECIDED || (part == TP_UNKNOWN && result != TP_UNDECIDED)) {
            result = part;
        }
        index = item->right;
    }
    return result;
}

tp_truth tp_predicate_eval(const tp_predicate *predicate, uint32_t index, const tp_datum *datums) {
    const node *item = &predicate->nodes[index];
    tp_datum space;
    switch (item->op) {
    case NODE_TRUTH:
        return item->truth;
    case NODE_IS_NULL:
        return (operand(predicate, item->left, datums, &space)->kind == TP_DATUM_NULL) !=
                       item->negated
                   ? TP_TRUE
                   : TP_FALSE;
    case NODE_COMPARE:
        return compare(predicate, item, datums);
    case NODE_MATCH:
        return match(predicate, item, datums);
    case NODE_MEMBER:
        return member(predicate, item, datums);
    case NODE_NOT:
        return negate(tp_predicate_eval(predicate, item->left, datums));
    default:
        return chain(predicate, index, datums);
    }
}
