/* What the body of a trigger function does, as far as its text tells: for advice, not for proof. */
#ifndef TP_CORE_TRIGGER_BODY_H
#define TP_CORE_TRIGGER_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sql_lexer.h"

typedef enum tp_body_op {
    TP_BODY_INSERT,
    TP_BODY_UPDATE,
    TP_BODY_DELETE,
    TP_BODY_TRUNCATE,
    TP_BODY_REFRESH /* of a materialized view */
} tp_body_op;

#define TP_BODY_NONE UINT32_MAX
#define TP_BODY_COLUMNS 16u

/* A statement that writes. Numbers are places among the lexemes. */
typedef struct tp_body_write {
    tp_body_op op;
    uint32_t schema; /* TP_BODY_NONE: not said */
    uint32_t name;
    bool filtered;   /* has a WHERE, or takes rows from elsewhere than a whole table */
    bool increments; /* sets a column to itself plus or minus something */
    bool more_columns;
    uint32_t column_count; /* that it sets, by UPDATE or ON CONFLICT DO UPDATE */
    uint32_t columns[TP_BODY_COLUMNS];
} tp_body_write;

typedef struct tp_trigger_body {
    tp_lexemes lexemes;
    tp_body_write *writes;
    uint32_t write_count;
    uint32_t write_capacity;
    uint32_t handlers;       /* blocks with EXCEPTION */
    uint32_t write_handlers; /* of them, with a write inside */
    uint32_t dynamic;        /* EXECUTE statements */
    bool pasted;             /* one of them has a value of the row pasted into its text */
    bool notifies;
    bool raises;      /* RAISE that ends the statement */
    bool depth_guard; /* asks pg_trigger_depth() */
    bool rate_limited;
    bool touches; /* assigns the clock to a column of NEW */
    bool aggregates;
    uint32_t guard_first; /* condition of an IF around everything, over OLD and NEW alone */
    uint32_t guard_count; /* 0: there is none */
} tp_trigger_body;

/* source must outlive the body. E_NOMEM. */
int32_t tp_trigger_body_read(const char *source, tp_trigger_body *out, trigperf_error **err);
void tp_trigger_body_free(tp_trigger_body *body);

#endif
