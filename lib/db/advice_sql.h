/* The SQL that advice proposes about triggers, and the SQL that takes it back. */
#ifndef TP_DB_ADVICE_SQL_H
#define TP_DB_ADVICE_SQL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "db/advice_facts.h"

/* How a trigger is to be made: as it is, but for these. */
typedef struct tp_trigger_shape {
    const char *quoted; /* its name; NULL: its own */
    uint32_t events;    /* 0: its own */
    const char *when;   /* condition to add; NULL: none */
    bool replace;
} tp_trigger_shape;

/* Whether it can be made again from its parts: what we would write is what the server says. */
bool tp_advice_can_rewrite(const tp_advice_trigger *trigger);

/* Why not, as half a sentence; NULL when it can be. */
const char *tp_advice_why_not(const tp_advice_trigger *trigger);

/* Its condition as the server writes it, such as `WHEN ((a)) `; empty without one. False when it is
 * not understood. */
bool tp_advice_when(const tp_advice_trigger *trigger, const char **when, size_t *length);

/* CREATE [OR REPLACE] TRIGGER, and the state that this would lose. */
void tp_advice_sql_create(tp_strbuf *out, const tp_advice_trigger *trigger,
                          const tp_trigger_shape *shape);

/* Makes a dropped trigger again: definition, state, comment. */
void tp_advice_sql_restore(tp_strbuf *out, const tp_advice_trigger *trigger);
/* The comment that it has, if any, on the trigger of its name. */
void tp_advice_sql_comment(tp_strbuf *out, const tp_advice_trigger *trigger);
void tp_advice_sql_drop(tp_strbuf *out, const tp_advice_trigger *trigger, const char *quoted);

/* ALTER TABLE .. ENABLE [REPLICA|ALWAYS] TRIGGER, or DISABLE. */
void tp_advice_sql_enable(tp_strbuf *out, const tp_advice_trigger *trigger, char state,
                          const char *quoted);

#endif
