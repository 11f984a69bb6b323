/**
 * @file config.h
 * @brief Configuration: string keys with one table behind it.
 *
 * Every key has a type, a unit, a range and a default; trigperf_config_describe() prints the table,
 * and the page "configuration" of the documentation is made from it. Values come from
 * trigperf_config_set(), an INI file, or `TRIGPERF_*` environment variables; the last one set wins.
 * A configuration is not safe for use by several threads at once; a context copies it.
 */
#ifndef TRIGPERF_CONFIG_H
#define TRIGPERF_CONFIG_H

#include <stdint.h>

#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A set of configuration values and rules. Opaque. */
typedef struct trigperf_config trigperf_config;

/**
 * @brief Makes a configuration that holds the defaults.
 * @param[out] config receives the configuration; the caller releases it with
 * trigperf_config_free().
 * @param[out] error  see error.h; may be NULL.
 * @return 0 or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_config_new(trigperf_config **config, trigperf_error **error);

/**
 * @brief Releases a configuration. Contexts made from it keep their own copy.
 * @param config a configuration, or NULL (no effect).
 */
void trigperf_config_free(trigperf_config *config);

/**
 * @brief Sets one value.
 * @param config the configuration.
 * @param name   a key of the table, such as `"batch.window_ms"`.
 * @param value  its value as text: numbers in decimal, booleans `on` or `off`.
 * @param[out] error says which values are allowed, or names the nearest known key; may be NULL.
 * @return 0, #TRIGPERF_E_CONFIG (unknown key, malformed or out of range: the former value stays) or
 *         #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_config_set(trigperf_config *config, const char *name, const char *value,
                            trigperf_error **error);

/**
 * @brief Reads one value back as text.
 * @param config the configuration.
 * @param name   a key of the table.
 * @param[out] value receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_CONFIG (unknown key) or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_config_get(const trigperf_config *config, const char *name, char **value,
                            trigperf_error **error);

/**
 * @brief Reads an INI file.
 *
 * `window_ms = 100` in section `[batch]` sets `batch.window_ms`; keys before the first section are
 * taken as they stand. Section `[rules]` holds lines `public.calls = dashboard:{user_id}
 * call:{id}`: templates separated by white space, added as by trigperf_config_rule(); a key `scope
 * NAME` adds scope rules, and `TABLE on insert,delete` limits the operations. Section `[alerts]`
 * holds lines `slow_queries = measure=mean series=host_query_seconds warn=0.1`, up to 200 bytes
 * each, taken as by trigperf_config_alert().
 * @param config the configuration.
 * @param path   path of the file.
 * @param[out] error names file, line and what was expected; may be NULL.
 * @return 0, #TRIGPERF_E_CONFIG, #TRIGPERF_E_NOT_FOUND (no such file), #TRIGPERF_E_SYSTEM or
 *         #TRIGPERF_E_NOMEM. Values before the faulty line stay set.
 */
int32_t trigperf_config_load_file(trigperf_config *config, const char *path,
                                  trigperf_error **error);

/**
 * @brief Reads `TRIGPERF_*` environment variables: `TRIGPERF_BATCH_WINDOW_MS` sets
 *        `batch.window_ms`. Variables of that prefix that name no key are ignored, since others may
 *        own them.
 * @param config the configuration.
 * @param[out] error names the variable and what was expected; may be NULL.
 * @return 0, #TRIGPERF_E_CONFIG or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_config_load_env(trigperf_config *config, trigperf_error **error);

/**
 * @brief Adds a rule of this process, beside those that stand in the database.
 * @param config the configuration.
 * @param table  the table, as `schema.table` in the form of quote_ident, or NULL for a scope rule.
 * @param scope  NULL for a table rule; else a scope: wherever a key of that scope (the part of a
 *               template before its first colon) is produced, this template is produced as well.
 * @param operations comma-separated subset of `insert,update,delete,truncate`; NULL or `""`: all.
 * @param key_template cache-key template, such as `"dashboard:{user_id}"`; `{{` and `}}` write
 *               braces.
 * @param min_interval_ms a key of this rule is delivered at most once per interval, and always once
 *               after its last change; 0: `limit.key_interval_ms` applies.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_CONFIG, #TRIGPERF_E_INVALID or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_config_rule(trigperf_config *config, const char *table, const char *scope,
                             const char *operations, const char *key_template,
                             uint32_t min_interval_ms, trigperf_error **error);

/**
 * @brief Adds an alert rule, or replaces the one of that name: every context made with this
 *        configuration has it from the beginning. `cache_hit_rate` replaces the one that is built
 * in.
 * @param config     the configuration.
 * @param name       1 to 100 bytes of UTF-8.
 * @param definition see alert.h.
 * @param[out] error says which key is wrong and what it takes; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_config_alert(trigperf_config *config, const char *name, const char *definition,
                              trigperf_error **error);

/**
 * @brief Describes every key: name, type, unit, range, default, documentation.
 * @param format `"json"`, `"markdown"`, `"ini"` (a commented file with the defaults) or `"text"`.
 * @param[out] text receives the description; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (unknown format) or #TRIGPERF_E_NOMEM. Any thread.
 */
int32_t trigperf_config_describe(const char *format, char **text, trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
