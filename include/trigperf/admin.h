/**
 * @file admin.h
 * @brief What we keep in the database: schema, capture triggers, rules. Blocking calls on a
 *        connection of their own, for deployment and the command; not for the serving path.
 *
 * An administrator handle belongs to one thread at a time. Every call that would change the
 * database takes `dry_run`: 1 only produces the SQL that would run.
 */
#ifndef TRIGPERF_ADMIN_H
#define TRIGPERF_ADMIN_H

#include <stdint.h>

#include <trigperf/config.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A blocking connection for administration. Opaque. */
typedef struct trigperf_admin trigperf_admin;

/** What to capture of one table. Opaque. */
typedef struct trigperf_attachment trigperf_attachment;

/**
 * @brief Connects to the database of a configuration (`connection`, libpq's variables).
 * @param config a configuration, or NULL for the defaults and the environment.
 * @param[out] admin receives the handle; release with trigperf_admin_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_CONNECTION, #TRIGPERF_E_VERSION (server older than 15),
 * #TRIGPERF_E_CONFIG, #TRIGPERF_E_NOMEM. Blocks up to `connect.timeout_ms`.
 */
int32_t trigperf_admin_new(const trigperf_config *config, trigperf_admin **admin,
                           trigperf_error **error);

/**
 * @brief Disconnects and releases the handle.
 * @param admin a handle, or NULL (no effect).
 */
void trigperf_admin_free(trigperf_admin *admin);

/**
 * @brief Installs the schema `trigperf`, or brings it to this library's version. Idempotent;
 * several processes may do it at once. One transaction: nothing half done.
 * @param admin   the handle.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL of the migrations that were missing, `""` when none was; release
 *        with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_VERSION (the schema is newer than this library), #TRIGPERF_E_PERMISSION,
 *         #TRIGPERF_E_SERVER, #TRIGPERF_E_CONNECTION, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_admin_install(trigperf_admin *admin, int32_t dry_run, char **sql,
                               trigperf_error **error);

/**
 * @brief Detaches every table and removes the schema; leaves nothing behind.
 * @param admin   the handle.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (not installed), #TRIGPERF_E_EXISTS (the schema holds objects of
 *         others: nothing was done), or as trigperf_admin_install().
 */
int32_t trigperf_admin_uninstall(trigperf_admin *admin, int32_t dry_run, char **sql,
                                 trigperf_error **error);

/**
 * @brief Begins the description of a table to capture.
 * @param table   its name as in SQL: `calls`, `public.calls`, `"My Schema"."Calls"`.
 * @param[out] attachment receives the description; release with trigperf_attachment_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_attachment_new(const char *table, trigperf_attachment **attachment,
                                trigperf_error **error);

/**
 * @brief Begins the description of a scope: rules alone, for trigperf_admin_apply().
 * @param scope       its name, see trigperf_config_rule().
 * @param[out] attachment receives the description; release with trigperf_attachment_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID or #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_attachment_new_scope(const char *scope, trigperf_attachment **attachment,
                                      trigperf_error **error);

/**
 * @brief Releases a description.
 * @param attachment a description, or NULL (no effect).
 */
void trigperf_attachment_free(trigperf_attachment *attachment);

/**
 * @brief Adds a key: a column, or an SQL expression over the row under a name of its own.
 * @param attachment the description.
 * @param name       name of the column, or of the key.
 * @param expression NULL for a column; else the expression, such as `lower(email)`. It runs with
 *        the rights of the table's owner and with `search_path = pg_catalog, pg_temp`: qualify
 *        functions of your own.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (empty), #TRIGPERF_E_EXISTS (named twice), #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_attachment_key(trigperf_attachment *attachment, const char *name,
                                const char *expression, trigperf_error **error);

/**
 * @brief Adds a watched column: an UPDATE counts as a change when a key or a watched column has a
 *        different image. Without any, every column is watched.
 * @param attachment the description.
 * @param column     name of the column.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_attachment_key().
 */
int32_t trigperf_attachment_watch(trigperf_attachment *attachment, const char *column,
                                  trigperf_error **error);

/**
 * @brief Adds a rule, stored in the database for every app server.
 * @param attachment   the description.
 * @param key_template cache-key template over the keys, such as `call:{id}`.
 * @param operations   comma-separated subset of `insert,update,delete,truncate`; NULL or `""`: all.
 * @param min_interval_ms see trigperf_config_rule(); 0: the default.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_attachment_rule(trigperf_attachment *attachment, const char *key_template,
                                 const char *operations, uint32_t min_interval_ms,
                                 trigperf_error **error);

/**
 * @brief Chooses the shape of the triggers.
 * @param attachment  the description.
 * @param granularity `"auto"` (the default: from the table's statistics), `"statement"`, `"row"`,
 * or
 *        `"wal"`: no triggers, for hosts with `source = wal`.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_attachment_granularity(trigperf_attachment *attachment, const char *granularity,
                                        trigperf_error **error);

/**
 * @brief Sets how a table is captured, by name.
 *
 * | name | value |
 * |---|---|
 * | `granularity` | as trigperf_attachment_granularity() |
 * | `isolate` | `keys` (the default): a failure to compute keys leaves the user's statement alone,
 * one to write the change fails it. `full`: neither fails it; a change that could not be written is
 * counted, and the table is resynced. Costs a subtransaction, and so a transaction id, a statement
 * | | `max_keys` | a statement that touches more distinct key tuples is captured as one resync: 1
 * to 1,000,000; without it, the setting `capture.max_keys` of the administrator's configuration |
 * | `replicated` | `on`: row triggers that also fire for what logical replication writes, and under
 * `session_replication_role = replica`. `auto` (the default): the same when a subscription of the
 * database writes to the table |
 * | `sample_rate` | 0 to 1: the share of executions of the capture function that is timed and
 * logged, see doc/metrics.md; without it, the setting `sample_rate` of the database (0.01) | |
 * `where` | with granularity `wal`: an SQL condition, rows that do not meet it are not published;
 * with REPLICA IDENTITY FULL over any column, else over those of the identity |
 * @param attachment the description.
 * @param name       one of those names.
 * @param value      its value; words in any case.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (no such name or value), #TRIGPERF_E_NOMEM. O(1).
 */
int32_t trigperf_attachment_set(trigperf_attachment *attachment, const char *name,
                                const char *value, trigperf_error **error);

/**
 * @brief Attaches a table: capture function, triggers, registry, rules, in one transaction with a
 *        short lock timeout and retries.
 * @param admin      the handle.
 * @param attachment the description; may be used again.
 * @param dry_run    1: only produce the SQL.
 * @param[out] sql   receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_NOT_FOUND (no such table or column, or schema not installed);
 *         #TRIGPERF_E_EXISTS (attached already: detach first); #TRIGPERF_E_UNSUPPORTED (a view, a
 *         foreign or temporary table, ..); #TRIGPERF_E_INVALID (a template names no key);
 *         #TRIGPERF_E_PERMISSION; #TRIGPERF_E_VERSION; #TRIGPERF_E_SERVER; #TRIGPERF_E_CONNECTION;
 *         #TRIGPERF_E_NOMEM. Nothing is half done.
 */
int32_t trigperf_admin_attach(trigperf_admin *admin, const trigperf_attachment *attachment,
                              int32_t dry_run, char **sql, trigperf_error **error);

/**
 * @brief Detaches a table: triggers, function, registry row and its rules go.
 * @param admin   the handle.
 * @param table   its name as in SQL.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (not attached), or as trigperf_admin_attach().
 */
int32_t trigperf_admin_detach(trigperf_admin *admin, const char *table, int32_t dry_run, char **sql,
                              trigperf_error **error);

/**
 * @brief Adds a rule to the database.
 * @param admin   the handle.
 * @param table   an attached table as in SQL, or NULL for a scope rule.
 * @param scope   NULL for a table rule; else a scope, see trigperf_config_rule().
 * @param operations   as in trigperf_attachment_rule().
 * @param key_template as in trigperf_attachment_rule().
 * @param min_interval_ms as in trigperf_attachment_rule().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND, #TRIGPERF_E_EXISTS, #TRIGPERF_E_INVALID, #TRIGPERF_E_CONFIG (a
 *         cycle of scopes), or as trigperf_admin_attach().
 */
int32_t trigperf_admin_rule_add(trigperf_admin *admin, const char *table, const char *scope,
                                const char *operations, const char *key_template,
                                uint32_t min_interval_ms, trigperf_error **error);

/**
 * @brief Removes a rule from the database.
 * @param admin   the handle.
 * @param table   as in trigperf_admin_rule_add().
 * @param scope   as in trigperf_admin_rule_add().
 * @param key_template the template's text.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND, or as trigperf_admin_attach().
 */
int32_t trigperf_admin_rule_remove(trigperf_admin *admin, const char *table, const char *scope,
                                   const char *key_template, trigperf_error **error);

/**
 * @brief The rules of the database as a JSON array of `{"table","scope","ops","template",
 *        "min_interval_ms"}`.
 * @param admin the handle.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (not installed), #TRIGPERF_E_SERVER, #TRIGPERF_E_CONNECTION,
 *         #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_admin_rules(trigperf_admin *admin, char **json, trigperf_error **error);

/**
 * @brief What is installed: versions, attached tables and the state of their triggers, consumers
 * and their lag, notifier, outbox size, capture errors, and what does not fit together.
 * @param admin the handle.
 * @param[out] json receives a JSON object; release with trigperf_string_free(). A database without
 *        the schema gives `{"installed":false, ..}`.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_SERVER, #TRIGPERF_E_CONNECTION, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_admin_status(trigperf_admin *admin, char **json, trigperf_error **error);

/**
 * @brief Brings one table, or one scope, to its description, in one transaction: nothing is half
 *        done, and what fits already is not touched.
 *
 * A table that is not attached is attached. One whose keys, watched columns or settings differ,
 * or whose triggers are missing or disabled, is detached and attached anew; it keeps its
 * `max_keys` and its `sample_rate` unless the description sets them. One whose rules alone differ
 * gets those of the description, and loses others.
 * @param admin      the handle.
 * @param attachment the description; may be used again.
 * @param dry_run    1: only say what would be done, after all checks.
 * @param[out] json  receives `{"table","scope","was","action","reasons","rules_added",
 *        "rules_changed","rules_removed"}`: `table` (or `scope`) is what it is about, `was` the
 * name in the registry or null, `action` one of `attach`, `replace`, `rules`, `none`; release with
 *        trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_attach(); #TRIGPERF_E_CONFIG (a cycle of scopes).
 */
int32_t trigperf_admin_apply(trigperf_admin *admin, const trigperf_attachment *attachment,
                             int32_t dry_run, char **json, trigperf_error **error);

/**
 * @brief The attached tables as they were described, as a JSON array of `{"table","keys","watch",
 *        "granularity","shape","isolate","replicated","max_keys","sample_rate"}`: `keys` of
 *        `{"name","expression"}` (null: a column), `granularity` as it was asked for, `shape` what
 *        was chosen, `replicated` a boolean. Their rules are in
 *        trigperf_admin_rules().
 * @param admin the handle.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_rules().
 */
int32_t trigperf_admin_attachments(trigperf_admin *admin, char **json, trigperf_error **error);

/**
 * @brief Grants a role the least rights for what it does, or takes them back.
 *
 * `"installer"`: to install the schema and attach tables of its own; for those of others it is made
 * a member of their owners (and of the schema's owner), unless these are superusers. `"consumer"`:
 * to follow changes. `"metrics"`: to read the status. `"writer"`: nothing, and the SQL says so.
 * Revoking leaves what the role holds as another kind, or as owner of a captured table.
 * @param admin  the handle.
 * @param kind   one of those words.
 * @param role   name of the role, taken as it is written; it must exist.
 * @param tables names as in SQL, for an installer: tables of others that it attaches; may be NULL.
 * @param count  number of tables.
 * @param revoke 1: take the rights back.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (no such kind, tables for another kind), #TRIGPERF_E_NOT_FOUND (no
 *         such role or table; schema not installed, for a consumer and metrics), or as
 *         trigperf_admin_install(). Nothing is half done.
 */
int32_t trigperf_admin_grants(trigperf_admin *admin, const char *kind, const char *role,
                              const char *const *tables, uint32_t count, int32_t revoke,
                              int32_t dry_run, char **sql, trigperf_error **error);

/**
 * @brief Every trigger of the database, or of a table, whoever made it. Needs neither the schema
 *        nor rights on the tables.
 * @param admin the handle.
 * @param table name as in SQL; NULL: all tables.
 * @param[out] json receives `{"format":1,"generated_at","database","server_version",
 *        "track_functions","statistics_since","hint","triggers":[..]}`, of each trigger `table`,
 *        `trigger`, `timing` (`before`, `after`, `instead of`), `level` (`row`, `statement`),
 *        `events`, `update_of`, `when` and `transition_tables` (whether it has them), `constraint`,
 *        `inherited` (from a partitioned table), `function`, `language`, `enabled` (`on`, `off`,
 *        `replica`, `always`), `ours`, `shared_by` (triggers with this function), `calls`,
 *        `total_ms`, `self_ms`, `mean_ms` of the function since `statistics_since`, `no_op_share`
 *        (executions that found nothing to do, where sampled) and `definition`. null is what was
 * not measured; `hint` then says how to measure it. Release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (no such table), #TRIGPERF_E_INVALID (no name),
 *         #TRIGPERF_E_SERVER, #TRIGPERF_E_CONNECTION, #TRIGPERF_E_NOMEM. One query, linear in the
 *         number of triggers.
 */
int32_t trigperf_admin_triggers(trigperf_admin *admin, const char *table, char **json,
                                trigperf_error **error);

/**
 * @brief Advice about triggers and CHECK constraints, from catalogs, bodies of functions and
 *        statistics. Reads in one transaction and changes nothing. Triggers of the schema trigperf
 *        and those that are disabled are left out.
 * @param admin the handle.
 * @param table name as in SQL; NULL: all tables.
 * @param[out] json receives `{"format":1,"database","triggers","statements_from","findings":[..]}`,
 *        of each finding `id`, `severity` (`info`, `warning`, `critical`), `object`, `table`,
 *        `trigger`, `function`, `message`, `evidence` (an object of figures), `why`, `steps`,
 * `sql`, `undo` and `no_sql`. `sql` is null where no statement is right by itself, and `no_sql`
 * then says why; `undo` brings the catalogs back to where they were. The ids stand in
 * doc/operations. Release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_triggers(). Linear in the text of the functions, quadratic in the
 *         triggers of a table.
 */
int32_t trigperf_admin_advise(trigperf_admin *admin, const char *table, char **json,
                              trigperf_error **error);

/**
 * @brief Who reads changes and how far behind: named consumers of the outbox and of the write-ahead
 *        log, and contexts without a name that were seen within a minute, as a JSON array of
 *        `{"name","source","state","owner","claim","application","connected","seen_age_s",
 *        "needs_resync","position","oldest_unread","lag_transactions","lag_bytes","lag_seconds",
 *        "slot","slot_active","slot_status","retained_bytes","created_at","seen_at","acked_at",
 *        "fix"}`.
 *
 * `state` is `reading` (its owner is there), `away`, `expired` (away for longer than
 * `retention.max_age_s`: what it has not read is no longer kept) or `overtaken` (what it had not
 * read is gone: it resyncs everything when it comes back). `owner` is the instance that claimed the
 * name last and `claim` the number of that claim. Of the outbox the lag is what stands after the
 * oldest row that was not acknowledged: transactions, estimated bytes, seconds to within about
 * five; all 0 when there is none. Of the log it is what the slot has not confirmed. What is not
 * known is null. `slot_status` and `retained_bytes` are the server's `wal_status` and the log it
 * keeps.
 * @param admin the handle.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_rules(). A few index lookups for each consumer.
 */
int32_t trigperf_admin_consumers(trigperf_admin *admin, char **json, trigperf_error **error);

/**
 * @brief Lets a consumer begin anew at the present: what it has not read is no longer kept for it,
 *        and it resyncs everything. A process that holds the name does so within 10 seconds, one
 *        that is away when it comes back. A slot that nobody follows is dropped.
 * @param admin   the handle.
 * @param name    its name.
 * @param source  `"outbox"` or `"wal"`; NULL: the one that has this name.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND, #TRIGPERF_E_INVALID (no name, no such source, or both sources
 *         have a consumer of that name), or as trigperf_admin_install().
 */
int32_t trigperf_admin_consumer_reset(trigperf_admin *admin, const char *name, const char *source,
                                      int32_t dry_run, char **sql, trigperf_error **error);

/**
 * @brief Forgets a consumer: its position, and its replication slot with the log that it holds
 * back.
 * @param admin   the handle.
 * @param name    its name.
 * @param source  as in trigperf_admin_consumer_reset().
 * @param force   1: also while a process reads under that name. It loses the slot and its place,
 * and as long as it runs it claims the name anew, with a resync.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_consumer_reset(); #TRIGPERF_E_STATE (a process reads, and not `force`).
 */
int32_t trigperf_admin_consumer_drop(trigperf_admin *admin, const char *name, const char *source,
                                     int32_t force, int32_t dry_run, char **sql,
                                     trigperf_error **error);

/**
 * @brief Looks for what may keep changes from arriving: server and pooler, schema and rights,
 * tables, rules, publications, consumers and their lag, slots, limits. Changes nothing. Ask as the
 *        role, and through the door, that the programs use.
 *
 * `{"findings":[{"severity","area","check","subject","found","why","fix"}],"worst","counts",
 * "database","role","server_version","library_version"}`. `severity` is `ok` (one for each check
 * that found nothing), `info`, `warn`, `critical`, or `unknown` (could not be told, `found` says
 * why). `why` is why it matters (null for `ok`), `fix` SQL, a setting or a command (may be null).
 * `worst` is the first of `critical`, `unknown`, `warn`, `info`, `ok` that occurs. A server without
 * the schema, or a standby, is a finding; checks that need it are left out then.
 * @param admin the handle.
 * @param[out] json receives the object; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0 whatever was found; #TRIGPERF_E_CONNECTION, #TRIGPERF_E_SERVER, #TRIGPERF_E_NOMEM. Some
 *         dozens of small queries; where a pooler stands between, two more connections and up to 3
 *         seconds.
 */
int32_t trigperf_admin_doctor(trigperf_admin *admin, char **json, trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
