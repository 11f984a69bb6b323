/* A pattern's text as a tree, for core/pattern. */
#ifndef TP_CORE_PATTERN_TREE_H
#define TP_CORE_PATTERN_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TP_PATTERN_NONE UINT32_MAX
#define TP_PATTERN_REPEAT_MAX 255u

typedef enum tp_pattern_kind {
    TP_PATTERN_EMPTY,
    TP_PATTERN_CHAR,   /* left: the character */
    TP_PATTERN_ANY,    /* any one character */
    TP_PATTERN_SET,    /* left: index of the first range, right: how many; negated */
    TP_PATTERN_BEGIN,  /* before the first character */
    TP_PATTERN_END,    /* after the last one */
    TP_PATTERN_THEN,   /* left, then right: the next one of these, or TP_PATTERN_NONE */
    TP_PATTERN_OR,     /* left, or right: the next one of these, or TP_PATTERN_NONE */
    TP_PATTERN_REPEAT, /* left, from low to high times; high TP_PATTERN_NONE: without limit */
} tp_pattern_kind;

typedef struct tp_pattern_node {
    tp_pattern_kind kind;
    bool negated;
    uint32_t left;
    uint32_t right;
    uint32_t low;
    uint32_t high;
} tp_pattern_node;

typedef struct tp_pattern_range {
    uint32_t low;
    uint32_t high;
} tp_pattern_range;

typedef struct tp_pattern_tree {
    tp_pattern_node *nodes;
    tp_pattern_range *ranges;
    uint32_t node_count;
    uint32_t node_room;
    uint32_t range_count;
    uint32_t range_room;
    uint32_t root;
} tp_pattern_tree;

/* What may be written; see tp_pattern_new(). */
typedef enum tp_pattern_syntax {
    TP_PATTERN_OWN,   /* all that this library knows */
    TP_PATTERN_SHARED /* only what means the same in PostgreSQL's regular expressions, whatever the
                         locale */
} tp_pattern_syntax;

/* Parses; E_INVALID names the place. tree is empty (zeroed) before; release it in any case. */
int32_t tp_pattern_tree_parse(const char *text, size_t length, tp_pattern_syntax syntax,
                              tp_pattern_tree *tree, trigperf_error **err);
void tp_pattern_tree_free(tp_pattern_tree *tree);

#endif
