/* Regular expressions whose cost is bounded: the time of a match grows with program times text,
 * whatever both are. */
#ifndef TP_CORE_PATTERN_H
#define TP_CORE_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "core/pattern_tree.h"

#define TP_PATTERN_BYTES_MAX 4096u
#define TP_PATTERN_PROGRAM_MAX 2000u
#define TP_PATTERN_STEPS_MAX 1000000u

typedef struct tp_pattern tp_pattern;

typedef enum tp_pattern_answer {
    TP_PATTERN_NO,
    TP_PATTERN_YES,
    TP_PATTERN_TOO_COSTLY /* TP_PATTERN_STEPS_MAX were not enough */
} tp_pattern_answer;

/* E_INVALID: syntax, or longer than TP_PATTERN_BYTES_MAX bytes; E_LIMIT: its program would be
 * longer than TP_PATTERN_PROGRAM_MAX (repetitions within repetitions). */
int32_t tp_pattern_new(const char *text, size_t length, tp_pattern_syntax syntax, tp_pattern **out,
                       trigperf_error **err);
void tp_pattern_free(tp_pattern *pattern);

/* Whether the pattern is found anywhere in a text that is valid UTF-8. Needs no memory; any thread.
 */
tp_pattern_answer tp_pattern_find(const tp_pattern *pattern, const char *text, size_t length);

#endif
