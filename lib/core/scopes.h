/* Which scopes lead to which: a directed graph of names that must not have a cycle. */
#ifndef TP_CORE_SCOPES_H
#define TP_CORE_SCOPES_H

#include <stddef.h>

#include "base/error.h"

typedef struct tp_scopes tp_scopes;

tp_scopes *tp_scopes_new(void); /* NULL when memory is short */
void tp_scopes_free(tp_scopes *scopes);

/* An edge between two scopes (names are copied). */
int32_t tp_scopes_add(tp_scopes *scopes, const char *from, size_t from_length, const char *to,
                      size_t to_length, trigperf_error **err);

/* TRIGPERF_E_CONFIG when there is a cycle; the message names its members in order. */
int32_t tp_scopes_check(const tp_scopes *scopes, trigperf_error **err);

#endif
