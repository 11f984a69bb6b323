/* Cache-key templates: literal text with {name} parts; '{{' and '}}' write a brace. */
#ifndef TP_CORE_TEMPLATE_H
#define TP_CORE_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "core/change.h"

typedef struct tp_template tp_template;

/* Parses a template; every {name} must be one of names, otherwise the error lists them. An empty
 * template, an empty name, an unbalanced brace are errors that show the position. */
int32_t tp_template_parse(const char *text, const char *const *names, uint32_t name_count,
                          tp_template **out, trigperf_error **err);
void tp_template_free(tp_template *tmpl);

/* Syntax alone, without knowing the keys: used for rules whose table is not known yet. */
int32_t tp_template_check(const char *text, trigperf_error **err);
/* The same, keeping the result: text, prefix and scope are known, but it must not be rendered. */
int32_t tp_template_scan(const char *text, tp_template **out, trigperf_error **err);

const char *tp_template_text(const tp_template *tmpl);
/* Literal text before the first part, braces unescaped: the prefix a resync names. */
const char *tp_template_prefix(const tp_template *tmpl);
/* The scope: the prefix up to its first ':' (or the whole prefix when it has none). Writes at most
 * size bytes with NUL. */
void tp_template_scope(const tp_template *tmpl, char *out, size_t size);
/* The scope is the first so many bytes of the prefix. */
size_t tp_template_scope_length(const tp_template *tmpl);

/* Appends the key to out; false (nothing appended) when a part is NULL. When memory is short, out
 * has failed and the result is true. */
bool tp_template_render(const tp_template *tmpl, const tp_value *values, tp_strbuf *out);

/* How many bytes of a rendered key are its group: all before the second part. */
size_t tp_template_group_length(const tp_template *tmpl, const tp_value *values);

#endif
