/* Rules: which cache keys a change of a table means. Table rules map (table, operations) to
 * templates; scope rules add templates wherever a template of a scope is used (scope to scope, a
 * cycle is an error). Immutable once prepared, except for tables added to it. */
#ifndef TP_CORE_CASCADE_H
#define TP_CORE_CASCADE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "core/change.h"

typedef struct tp_cascade tp_cascade;

int32_t tp_cascade_new(tp_cascade **out, trigperf_error **err);
void tp_cascade_free(tp_cascade *cascade);

/* Declares a table (strings are copied). Declaring it again replaces its keys; the former tp_table
 * stays valid until the cascade is freed. */
int32_t tp_cascade_table(tp_cascade *cascade, const char *name, int32_t id,
                         const char *const *key_names, uint32_t key_count, const tp_table **out,
                         trigperf_error **err);
const tp_table *tp_cascade_find(const tp_cascade *cascade, const char *name);
const tp_table *tp_cascade_find_id(const tp_cascade *cascade, int32_t id);

/* Adds a rule (strings are copied). Exactly one of table and scope is not NULL. ops 0 means all.
 * min_interval_ms 0: the configured default; where several rules of a table give the same template
 * for an operation, the first one's interval holds. A rule for a table that is not declared yet
 * waits for it: its template is checked for syntax now, for names when the table comes. */
int32_t tp_cascade_rule(tp_cascade *cascade, const char *table, const char *scope, uint32_t ops,
                        const char *template_text, uint32_t min_interval_ms, trigperf_error **err);

/* Resolves scope rules; a cycle is TRIGPERF_E_CONFIG and names its members. Call once after the
 * last rule, before expanding. A scope rule whose template needs a key that the table lacks yields
 * no key for that table (but scope rules that follow from it apply all the same). */
int32_t tp_cascade_prepare(tp_cascade *cascade, trigperf_error **err);

/* Calls emit for every distinct, non-empty key that a change yields: the table's own rules in the
 * order they were added, then what scope rules bring in. emit must not expand. template_index
 * identifies the template (see tp_cascade_template). False when memory is short or emit returned
 * false. */
typedef bool (*tp_cascade_emit)(void *user, const char *key, size_t length, uint32_t template_index,
                                uint32_t min_interval_ms);
bool tp_cascade_expand(tp_cascade *cascade, const tp_change *change, tp_cascade_emit emit,
                       void *user);

/* How many bytes of the key that a change yields by a template are its group: all of it, unless the
 * template has several parts (see tp_template_group_length()). */
size_t tp_cascade_group_length(const tp_cascade *cascade, const tp_change *change,
                               uint32_t template_index);

/* All templates, distinct by text: for generations and for resyncs. */
uint32_t tp_cascade_template_count(const tp_cascade *cascade);
const char *tp_cascade_template(const tp_cascade *cascade, uint32_t index);
const char *tp_cascade_template_prefix(const tp_cascade *cascade, uint32_t index);
/* Templates that a table feeds (scope rules included), in rule order: the index of the i-th. */
uint32_t tp_cascade_table_template_count(const tp_cascade *cascade, const tp_table *table);
uint32_t tp_cascade_table_template(const tp_cascade *cascade, const tp_table *table, uint32_t i);

#endif
