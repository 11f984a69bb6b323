/* A trigger function with another body. */
#ifndef TP_DB_ADVICE_REWRITE_H
#define TP_DB_ADVICE_REWRITE_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "db/advice_facts.h"

/* CREATE OR REPLACE FUNCTION with everything it had but its body; name: another one, quoted and
 * with its schema, for a function beside it (CREATE FUNCTION), or NULL. False when its definition
 * is not understood. */
bool tp_advice_rewrite(tp_strbuf *out, const tp_advice_trigger *trigger, const char *name,
                       const char *body);

/* The function as it is. */
void tp_advice_rewrite_undo(tp_strbuf *out, const tp_advice_trigger *trigger);

/* Where a lexeme begins in the source. */
size_t tp_advice_begins(const tp_advice_trigger *trigger, uint32_t lexeme);

/* The text of lexemes from first up to last (without it), as written. */
void tp_advice_put_source(tp_strbuf *out, const tp_advice_trigger *trigger, uint32_t first,
                          uint32_t last);

#endif
