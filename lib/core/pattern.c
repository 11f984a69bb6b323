/* Thompson's construction (Ken Thompson, "Regular expression search algorithm", 1968), run as
 * Pike's machine without captures: all states at once, one character of the text after another. A
 * state is entered at most once a character, so a match costs at most program times text steps, and
 * those are counted: hostile patterns and values end at a limit. Backtracking matchers have no such
 * bound; PCRE2's match limit counts neither single-character loops nor begins again less than once
 * for each start (a*[bc] on 40,000 a took 0.35 s under a limit of 100,000), and libc's regexec()
 * depends on the process's locale besides.
 *
 * The states of a match live on the stack, 24 KB of it. */
#include "core/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define WORK_MAX 100000u

typedef enum opcode {
    OP_CHAR,
    OP_ANY,
    OP_SET,
    OP_BEGIN,
    OP_END,
    OP_SPLIT, /* go on at both x and y */
    OP_JUMP,  /* at x */
    OP_FOUND
} opcode;

typedef struct instruction {
    opcode op;
    uint32_t x; /* character, set, or target */
    uint32_t y;
} instruction;

typedef struct char_set {
    uint64_t ascii[2]; /* a bit for each character below 128 */
    uint32_t first;    /* of ranges[] */
    uint32_t count;
    bool negated;
} char_set;

struct tp_pattern {
    instruction *program;
    uint32_t length;
    char_set *sets;
    uint32_t set_count;
    tp_pattern_range *ranges;
    bool anchored; /* can begin at the beginning only */
};

/* ---- compiling ---- */

typedef struct compiler {
    const tp_pattern_tree *tree;
    tp_pattern *pattern;
    uint32_t work;
    bool too_long;
} compiler;

static uint32_t emit(compiler *compile, opcode op, uint32_t x, uint32_t y) {
    tp_pattern *pattern = compile->pattern;
    if (pattern->length == TP_PATTERN_PROGRAM_MAX) {
        compile->too_long = true;
        return 0;
    }
    pattern->program[pattern->length] = (instruction){op, x, y};
    return pattern->length++;
}

static bool in_ranges(const tp_pattern_range *ranges, uint32_t count, uint32_t character) {
    for (uint32_t i = 0; i < count; i++) {
        if (character >= ranges[i].low && character <= ranges[i].high) {
            return true;
        }
    }
    return false;
}

static uint32_t add_set(compiler *compile, const tp_pattern_node *node) {
    tp_pattern *pattern = compile->pattern;
    for (uint32_t i = 0; i < pattern->set_count; i++) {
        const char_set *known = &pattern->sets[i];
        if (known->first == node->left && known->count == node->right) {
            return i;
        }
    }
    char_set *set = &pattern->sets[pattern->set_count];
    *set = (char_set){.first = node->left, .count = node->right, .negated = node->negated};
    for (uint32_t c = 0; c < 128; c++) {
        bool in = in_ranges(compile->tree->ranges + node->left, node->right, c) != node->negated;
        set->ascii[c / 64] |= (uint64_t)in << (c % 64);
    }
    return pattern->set_count++;
}

static void compile_node(compiler *compile, uint32_t index);

/* The jumps to the end are chained through x until the end is known. */
static void compile_or(compiler *compile, uint32_t index) {
    const tp_pattern_node *nodes = compile->tree->nodes;
    instruction *program = compile->pattern->program;
    uint32_t jumps = TP_PATTERN_NONE;
    for (; nodes[index].right != TP_PATTERN_NONE && !compile->too_long;
         index = nodes[index].right) {
        uint32_t split = emit(compile, OP_SPLIT, 0, 0);
        compile_node(compile, nodes[index].left);
        jumps = emit(compile, OP_JUMP, jumps, 0);
        program[split].x = split + 1;
        program[split].y = compile->pattern->length;
    }
    compile_node(compile, nodes[index].left);
    while (jumps != TP_PATTERN_NONE && !compile->too_long) {
        uint32_t next = program[jumps].x;
        program[jumps].x = compile->pattern->length;
        jumps = next;
    }
}

/* Without limit: a loop. With one: as many optional copies, of which each skips to the end. */
static void compile_repeat(compiler *compile, const tp_pattern_node *node) {
    instruction *program = compile->pattern->program;
    for (uint32_t i = 0; i < node->low && !compile->too_long; i++) {
        compile_node(compile, node->left);
    }
    if (node->high == TP_PATTERN_NONE) {
        uint32_t split = emit(compile, OP_SPLIT, 0, 0);
        compile_node(compile, node->left);
        emit(compile, OP_JUMP, split, 0);
        program[split].x = split + 1;
        program[split].y = compile->pattern->length;
        return;
    }
    uint32_t splits[TP_PATTERN_REPEAT_MAX];
    uint32_t count = 0;
    for (uint32_t i = node->low; i < node->high && !compile->too_long; i++) {
        splits[count++] = emit(compile, OP_SPLIT, 0, 0);
        compile_node(compile, node->left);
    }
    for (uint32_t i = 0; i < count; i++) {
        program[splits[i]].x = splits[i] + 1;
        program[splits[i]].y = compile->pattern->length;
    }
}

static void compile_leaf(compiler *compile, const tp_pattern_node *node) {
    switch (node->kind) {
    case TP_PATTERN_CHAR:
        emit(compile, OP_CHAR, node->left, 0);
        break;
    case TP_PATTERN_ANY:
        emit(compile, OP_ANY, 0, 0);
        break;
    case TP_PATTERN_SET:
        emit(compile, OP_SET, add_set(compile, node), 0);
        break;
    case TP_PATTERN_BEGIN:
        emit(compile, OP_BEGIN, 0, 0);
        break;
    case TP_PATTERN_END:
        emit(compile, OP_END, 0, 0);
        break;
    default:
        break;
    }
}

/* What is empty makes no program, so the work is counted as well. */
static void compile_node(compiler *compile, uint32_t index) {
    const tp_pattern_node *nodes = compile->tree->nodes;
    if (compile->too_long || compile->work++ > WORK_MAX) {
        compile->too_long = true;
        return;
    }
    switch (nodes[index].kind) {
    case TP_PATTERN_THEN:
        for (; index != TP_PATTERN_NONE && !compile->too_long; index = nodes[index].right) {
            compile_node(compile, nodes[index].left);
        }
        break;
    case TP_PATTERN_OR:
        compile_or(compile, index);
        break;
    case TP_PATTERN_REPEAT:
        compile_repeat(compile, &nodes[index]);
        break;
    default:
        compile_leaf(compile, &nodes[index]);
    }
}

/* Takes the tree's ranges over. */
static int32_t compile_tree(tp_pattern *pattern, tp_pattern_tree *tree, trigperf_error **err) {
    pattern->program = malloc(TP_PATTERN_PROGRAM_MAX * sizeof *pattern->program);
    pattern->sets = malloc(tree->node_count * sizeof *pattern->sets);
    if (pattern->program == NULL || pattern->sets == NULL) {
        return tp_error_nomem(err);
    }
    compiler compile = {tree, pattern, 0, false};
    compile_node(&compile, tree->root);
    emit(&compile, OP_FOUND, 0, 0);
    if (compile.too_long) {
        return tp_error_set(err, TRIGPERF_E_LIMIT, "use fewer or smaller repetitions",
                            "a pattern needs more than %u steps when its repetitions are written "
                            "out",
                            TP_PATTERN_PROGRAM_MAX);
    }
    instruction *fitting = realloc(pattern->program, pattern->length * sizeof *pattern->program);
    if (fitting == NULL) {
        return tp_error_nomem(err);
    }
    pattern->program = fitting;
    pattern->anchored = pattern->program[0].op == OP_BEGIN;
    pattern->ranges = tree->ranges;
    tree->ranges = NULL;
    return TRIGPERF_OK;
}

int32_t tp_pattern_new(const char *text, size_t length, tp_pattern_syntax syntax, tp_pattern **out,
                       trigperf_error **err) {
    if (length > TP_PATTERN_BYTES_MAX) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "shorten it, or use a function instead",
                            "expected a pattern of at most %u bytes, got %zu", TP_PATTERN_BYTES_MAX,
                            length);
    }
    tp_pattern_tree tree = {0};
    tp_pattern *pattern = NULL;
    int32_t status = tp_pattern_tree_parse(text, length, syntax, &tree, err);
    if (status == TRIGPERF_OK) {
        pattern = calloc(1, sizeof *pattern);
        status = pattern == NULL ? tp_error_nomem(err) : compile_tree(pattern, &tree, err);
    }
    tp_pattern_tree_free(&tree);
    if (status != TRIGPERF_OK) {
        tp_pattern_free(pattern);
        return status;
    }
    *out = pattern;
    return TRIGPERF_OK;
}

void tp_pattern_free(tp_pattern *pattern) {
    if (pattern != NULL) {
        free(pattern->program);
        free(pattern->sets);
        free(pattern->ranges);
        free(pattern);
    }
}

/* ---- matching ---- */

typedef struct matcher {
    const tp_pattern *pattern;
    uint32_t steps;
    uint32_t round;                              /* the number of the character, from 1 */
    uint32_t entered[TP_PATTERN_PROGRAM_MAX];    /* the last round in which a state was entered */
    uint16_t waiting[2][TP_PATTERN_PROGRAM_MAX]; /* states that want a character */
    uint16_t open[TP_PATTERN_PROGRAM_MAX + 1];
} matcher;

/* Follows what needs no character, from one state on. True: the pattern was found. */
static bool enter(matcher *match, uint32_t state, bool first, bool last, uint16_t *list,
                  uint32_t *count) {
    uint32_t depth = 0;
    match->open[depth++] = (uint16_t)state;
    while (depth > 0) {
        uint32_t at = match->open[--depth];
        if (match->entered[at] == match->round) {
            continue;
        }
        match->entered[at] = match->round;
        match->steps++;
        const instruction *step = &match->pattern->program[at];
        if (step->op == OP_FOUND) {
            return true;
        }
        if (step->op == OP_SPLIT || step->op == OP_JUMP) {
            if (step->op == OP_SPLIT && match->entered[step->y] != match->round) {
                match->open[depth++] = (uint16_t)step->y;
            }
            match->open[depth++] = (uint16_t)step->x;
        } else if (step->op == OP_BEGIN || step->op == OP_END) {
            if (step->op == OP_BEGIN ? first : last) {
                match->open[depth++] = (uint16_t)(at + 1);
            }
        } else {
            list[(*count)++] = (uint16_t)at;
        }
    }
    return false;
}

static bool in_set(const tp_pattern *pattern, const char_set *set, uint32_t character) {
    if (character < 128) {
        return (set->ascii[character / 64] >> (character % 64) & 1) != 0;
    }
    return in_ranges(pattern->ranges + set->first, set->count, character) != set->negated;
}

static bool accepts(const tp_pattern *pattern, const instruction *step, uint32_t character) {
    return step->op == OP_CHAR  ? step->x == character
           : step->op == OP_ANY ? true
                                : in_set(pattern, &pattern->sets[step->x], character);
}

tp_pattern_answer tp_pattern_find(const tp_pattern *pattern, const char *text, size_t length) {
    matcher match;
    match.pattern = pattern;
    match.steps = 0;
    match.round = 1;
    memset(match.entered, 0, pattern->length * sizeof match.entered[0]);
    uint32_t count = 0;
    uint32_t side = 0;
    if (enter(&match, 0, true, length == 0, match.waiting[0], &count)) {
        return TP_PATTERN_YES;
    }
    size_t at = 0;
    while (at < length && (count > 0 || !pattern->anchored)) {
        uint32_t character = tp_utf8_next(text, length, &at);
        uint32_t next = 0;
        match.round++;
        match.steps += count + 1;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t state = match.waiting[side][i];
            if (accepts(pattern, &pattern->program[state], character) &&
                enter(&match, state + 1, false, at == length, match.waiting[1 - side], &next)) {
                return TP_PATTERN_YES;
            }
        }
        if (!pattern->anchored &&
            enter(&match, 0, false, at == length, match.waiting[1 - side], &next)) {
            return TP_PATTERN_YES;
        }
        if (match.steps > TP_PATTERN_STEPS_MAX) {
            return TP_PATTERN_TOO_COSTLY;
        }
        side = 1 - side;
        count = next;
    }
    return TP_PATTERN_NO;
}
