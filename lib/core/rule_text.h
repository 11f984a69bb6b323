/* Rules of a validator as text, a line for each column. */
#ifndef TP_CORE_RULE_TEXT_H
#define TP_CORE_RULE_TEXT_H

#include "core/validator.h"

#define TP_UNLESS_MIGRATION 1u
#define TP_UNLESS_BULK 2u

/* Adds what the text says; E_INVALID names line and column, and what was expected. When it fails,
 * earlier lines may have been added. */
int32_t tp_rule_text_parse(const char *text, tp_validator *validator, trigperf_error **err);

#endif
