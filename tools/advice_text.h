/* Findings as text for people; the SQL can be copied from it. */
#ifndef TRIGPERF_TOOL_ADVICE_TEXT_H
#define TRIGPERF_TOOL_ADVICE_TEXT_H

#include <jansson.h>

/* answer: what trigperf_admin_advise() gives. */
void advice_text_print(const json_t *answer);

#endif
