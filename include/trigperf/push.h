/**
 * @file push.h
 * @brief The host's own changes: they go the same way as those of the database, and work without
 *        one. Any thread.
 *
 * Pushed changes live in memory only: they are delivered to this context and lost with it.
 */
#ifndef TRIGPERF_PUSH_H
#define TRIGPERF_PUSH_H

#include <stdint.h>

#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * @brief Pushes a change of a table.
 * @param context the context.
 * @param table   `schema.table` as quote_ident would write it; must be known from a rule or from
 *        the database, otherwise the change is delivered without keys.
 * @param operation one of #trigperf_op.
 * @param names   count key names.
 * @param values  count key values as UTF-8 text; NULL means SQL NULL; one that is no UTF-8 makes
 * the change a resync of its table. Keys that are not named count as NULL.
 * @param count   0 to 64.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID; #TRIGPERF_E_NOMEM (nothing was taken: forget the keys yourself);
 *         #TRIGPERF_E_FORKED. When memory for what waits is short (`memory.max_bytes`) the change
 *         becomes part of a resync: of groups of keys, of its table, or of everything. It is never
 *         dropped.
 */
int32_t trigperf_push(trigperf_context *context, const char *table, uint32_t operation,
                      const char *const *names, const char *const *values, uint32_t count,
                      trigperf_error **error);

/**
 * @brief Pushes a change as JSON: `{"table":"public.calls","op":"update","keys":{"id":"9"}}`.
 * @param context the context.
 * @param json    the text, UTF-8; numbers and booleans as key values are taken as text.
 * @param length  its length in bytes.
 * @param[out] error says where the text is malformed; may be NULL.
 * @return as trigperf_push().
 */
int32_t trigperf_push_json(trigperf_context *context, const char *json, uint64_t length,
                           trigperf_error **error);

/**
 * @brief Pushes a cache key to forget.
 * @param context the context.
 * @param key     the key, UTF-8.
 * @param length  its length in bytes, 1 to 1048576.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_push().
 */
int32_t trigperf_push_key(trigperf_context *context, const char *key, uint64_t length,
                          trigperf_error **error);

/**
 * @brief Says that anything under a table, or at all, may have changed.
 * @param context the context.
 * @param table   the table as in trigperf_push(), or NULL for everything.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_FORKED. An unknown table counts as everything.
 */
int32_t trigperf_push_resync(trigperf_context *context, const char *table, trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
