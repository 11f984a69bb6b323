/* The rules of a cascade as they were written, and their templates, distinct by text. */
#ifndef TP_CORE_RULESET_H
#define TP_CORE_RULESET_H

#include <stdint.h>

#include "base/error.h"
#include "core/template.h"

typedef struct tp_rule {
    char *table; /* exactly one of table and scope */
    char *scope;
    uint32_t ops; /* never 0 */
    uint32_t min_interval_ms;
    uint32_t template; /* index */
} tp_rule;

typedef struct tp_ruleset tp_ruleset;

tp_ruleset *tp_ruleset_new(void); /* NULL when memory is short */
void tp_ruleset_free(tp_ruleset *set);

/* Adds a rule: see tp_cascade_rule(). The template is checked for syntax. */
int32_t tp_ruleset_add(tp_ruleset *set, const char *table, const char *scope, uint32_t ops,
                       const char *template_text, uint32_t min_interval_ms, trigperf_error **err);

uint32_t tp_ruleset_count(const tp_ruleset *set);
const tp_rule *tp_ruleset_at(const tp_ruleset *set, uint32_t i);
uint32_t tp_ruleset_template_count(const tp_ruleset *set);
/* Scanned, not bound to the keys of any table. */
const tp_template *tp_ruleset_template(const tp_ruleset *set, uint32_t index);

/* TRIGPERF_E_CONFIG when scope rules form a cycle. */
int32_t tp_ruleset_check(const tp_ruleset *set, trigperf_error **err);

#endif
