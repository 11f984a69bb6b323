/**
 * @file health.h
 * @brief What triggers cost: measuring them in the database, and the report. Blocking calls on the
 *        connection of an administrator's handle (admin.h), which belongs to one thread at a time.
 *
 * A context with a database measures by itself every `metrics.collect_ms`; one of all contexts does
 * it. See doc/metrics.md for what is measured and how, and doc/sql.md for the tables.
 */
#ifndef TRIGPERF_HEALTH_H
#define TRIGPERF_HEALTH_H

#include <stdint.h>

#include <trigperf/admin.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * @brief Looks at the server's counters of trigger functions and at sampled executions now, and
 * adds what is new to `trigperf.trigger_performance_metrics`. Takes some milliseconds; time and
 *        again does no harm. The first look only notes where the counters stand.
 * @param admin the handle; its role needs the rights of `metrics` (see `trigperf grants`).
 * @param[out] json receives
 * `{"collected":true,"at","first","statistics_lost","functions","samples",
 *        "duration_ms","track_functions","hint"}`: `first` when nothing was known before,
 *        `statistics_lost` when the server's counters had begun anew, `functions` how many had been
 *        called, `samples` sampled executions, `hint` how to switch the counters on or null. Or
 *        `{"collected":false,"reason"}` when another session is at it. Release with
 *        trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (schema not installed), #TRIGPERF_E_VERSION,
 *         #TRIGPERF_E_PERMISSION, #TRIGPERF_E_SERVER, #TRIGPERF_E_CONNECTION, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_admin_collect(trigperf_admin *admin, char **json, trigperf_error **error);

/**
 * @brief What was measured in a time, as one JSON document, which the command's report, the page
 *        and a host all show. Hours are whole: the first one is that in which the time begins,
 *        and a time that ends before now ends where an hour begins, so that two times in a row
 *        have no hour in common; only one that ends in the hour in which it began is of all of
 *        that hour. Hours of days that ended three days ago are kept as whole days: a
 *        time that begins or ends within one is rounded outward, `since` and `until` say to what.
 *
 * `{"format":1,"generated_at","since","until","asked":{"since","until"},"database":{..},
 * "triggers":[..],"timeline":[..],"slowest":[..],"errors":[..],"series":[..],"standing":[..],
 * "alerts":[..], * "delivery":{..},"overhead":{..}}`;
 * doc/metrics.md lists the members. What was not measured is null, never 0.
 * @param admin   the handle; its role needs the rights of `metrics`.
 * @param since_s how many seconds ago, by the server's clock, the time begins; 1 to 3,660 days.
 * @param until_s how many seconds ago it ends; 0: now. Less than since_s.
 * @param[out] json receives the document; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_collect(); #TRIGPERF_E_INVALID (the times).
 */
int32_t trigperf_admin_report(trigperf_admin *admin, int64_t since_s, int64_t until_s, char **json,
                              trigperf_error **error);

/**
 * @brief Puts a first and a last trigger around the triggers of a table that are not ours, for each
 *        time and level (BEFORE or AFTER, row or statement) that has some, or takes these away.
 * They measure a share (the setting `sample_rate`) of the executions of all triggers in between
 *        together; their functions are not touched. In one transaction, with a short lock timeout
 * and retries. Deferred constraint triggers are not between them.
 * @param admin   the handle; its role owns the table, and the schema or its right to execute.
 * @param table   its name as in SQL.
 * @param remove  1: take the brackets away; fine when there are none.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (no such table, no triggers, schema not installed),
 *         #TRIGPERF_E_EXISTS (brackets are there, or a trigger's name comes before or after
 *         theirs), #TRIGPERF_E_UNSUPPORTED (no table: a view, ..), #TRIGPERF_E_INVALID (no name),
 *         #TRIGPERF_E_PERMISSION, #TRIGPERF_E_VERSION, #TRIGPERF_E_SERVER,
 *         #TRIGPERF_E_CONNECTION, #TRIGPERF_E_NOMEM. Nothing is half done.
 */
int32_t trigperf_admin_bracket(trigperf_admin *admin, const char *table, int32_t remove,
                               int32_t dry_run, char **sql, trigperf_error **error);

/**
 * @brief Retention by hand: removes what was measured, sampled and logged longer ago than so many
 *        days, as the elected context does every `metrics.collect_ms`. One call removes at most a
 *        batch of each table, in one transaction, so that it can be stopped between two.
 *
 * A dry run reads each table once and gives `{"format":1,"older_than_days","before","tables",
 * "unmerged_hours","unused_names","outbox_bytes"}`, of each table `table`, `holds`, `rows`, `due`
 * (rows that would go), `oldest`, `bytes` (of its files, indexes too) and `due_bytes` (estimated by
 * the share of rows). Otherwise `{"format":1,"older_than_days","tables":[{"table","removed"}],
 * "merged_hours","unused_names","outbox_bytes","more"}`: call again while `more` is true. When
 * nothing is left to remove, calls merge the hours of closed days into days, about a batch of rows
 * of each table (`merged_hours` rows were taken). The last call also removes names of
 * series that nothing uses any more (`unused_names`), and empties parts of the outbox that every
 * position has passed (`outbox_bytes` less), as contexts do while one is connected.
 * @param admin   the handle; its role owns the schema, or has the rights of `consumer`; those of
 *        `metrics` are enough for a dry run.
 * @param older_than_days 1 to 3,660; 0: the configuration's `metrics.retention_days`.
 * @param batch   at most so many rows of each table in one call, up to 1,000,000; 0: 10,000.
 * @param dry_run 1: change nothing.
 * @param[out] json receives the object; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_collect(); #TRIGPERF_E_INVALID (days or batch).
 */
int32_t trigperf_admin_cleanup(trigperf_admin *admin, uint32_t older_than_days, uint32_t batch,
                               int32_t dry_run, char **json, trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
