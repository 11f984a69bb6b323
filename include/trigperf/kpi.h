/**
 * @file kpi.h
 * @brief Figures that the database keeps up to date: counts, sums, extremes and other aggregates of
 *        a table, a row a group, in a table of their own (a KPI, or the payload of a dashboard).
 *
 * An *immediate* KPI is right at the end of every statement, within the writer's transaction: its
 * triggers add what the statement changed. A *trailing* one is brought up to date by
 * trigperf_admin_kpi_refresh(): its triggers only note which groups changed, and each of them is
 * refreshed at most once in an interval, and always once more after its last change.
 */
#ifndef TRIGPERF_KPI_H
#define TRIGPERF_KPI_H

#include <stdint.h>

#include <trigperf/admin.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The description of a KPI. Opaque; belongs to one thread at a time. */
typedef struct trigperf_kpi trigperf_kpi;

/**
 * @brief Begins the description of a KPI.
 * @param target name of the table to make, as in SQL; without a schema, it is made in the source's.
 * @param source name of the table that is counted, as in SQL.
 * @param[out] kpi receives the description; release with trigperf_kpi_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (no name), #TRIGPERF_E_NOMEM. O(1).
 */
int32_t trigperf_kpi_new(const char *target, const char *source, trigperf_kpi **kpi,
                         trigperf_error **error);

/**
 * @brief Releases a description.
 * @param kpi a description, or NULL (no effect).
 */
void trigperf_kpi_free(trigperf_kpi *kpi);

/**
 * @brief Adds a column that rows are grouped by; at least one is needed, 16 at most.
 * @param kpi        the description.
 * @param name       name of the column, in the source and in the target.
 * @param expression NULL for a column; else an immutable SQL expression over the source's row,
 *        such as `CAST(started_at AT TIME ZONE 'UTC' AS date)`. NULL is a group like any other.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (empty), #TRIGPERF_E_EXISTS (named twice), #TRIGPERF_E_LIMIT,
 *         #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_kpi_group(trigperf_kpi *kpi, const char *name, const char *expression,
                           trigperf_error **error);

/**
 * @brief Adds a figure; at least one is needed, 64 at most.
 *
 * `count(*)`, `count(X)`, `sum(X)`, `min(X)` and `max(X)`, each also with `FILTER (WHERE ..)`, are
 * kept by immediate and trailing KPIs, X being an immutable expression over the row. A sum of
 * nothing is 0, and what is not finite does not count in it. Any other aggregate expression, such
 * as `jsonb_build_object('calls', count(*))`, is for trailing ones.
 * @param kpi       the description.
 * @param name      name of the column in the target.
 * @param aggregate the SQL of the aggregate.
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_kpi_group().
 */
int32_t trigperf_kpi_value(trigperf_kpi *kpi, const char *name, const char *aggregate,
                           trigperf_error **error);

/**
 * @brief Sets how a KPI is kept, by name.
 *
 * | name | value |
 * |---|---|
 * | `mode` | `immediate` (the default) or `trailing` |
 * | `interval_ms` | trailing: a group is refreshed at most once in it; 0 to 86,400,000, default
 * 60,000 |
 * | `where` | an immutable SQL condition over the row: rows that do not meet it do not count |
 * | `granularity` | shape of the triggers: `auto` (the default), `statement`, `row` |
 * @param kpi   the description.
 * @param name  one of those names.
 * @param value its value.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (no such name or value), #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_kpi_set(trigperf_kpi *kpi, const char *name, const char *value,
                         trigperf_error **error);

/**
 * @brief Makes the KPI: target table, filled from the source, functions and triggers, in one
 *        transaction. Writers of the source wait while it is filled; what reads it does not.
 * @param admin   the handle.
 * @param kpi     the description; may be used again.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0; #TRIGPERF_E_NOT_FOUND (no such table or column, or schema not installed);
 *         #TRIGPERF_E_EXISTS (there is a table of the target's name); #TRIGPERF_E_INVALID (an
 *         expression that is none, or not immutable; an aggregate that an immediate KPI cannot
 *         keep); #TRIGPERF_E_UNSUPPORTED (a view, a table that others inherit from or that receives
 *         rows by replication, ..); otherwise as trigperf_admin_attach(). Nothing is half done.
 */
int32_t trigperf_admin_kpi_add(trigperf_admin *admin, const trigperf_kpi *kpi, int32_t dry_run,
                               char **sql, trigperf_error **error);

/**
 * @brief Takes a KPI back: triggers, functions, and the target table.
 * @param admin   the handle.
 * @param target  its name as in SQL, with its schema.
 * @param keep    1: the target table stays, as an ordinary table.
 * @param dry_run 1: only produce the SQL.
 * @param[out] sql receives the SQL; release with trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (no such KPI), or as trigperf_admin_attach().
 */
int32_t trigperf_admin_kpi_drop(trigperf_admin *admin, const char *target, int32_t keep,
                                int32_t dry_run, char **sql, trigperf_error **error);

/**
 * @brief The KPIs of the database as a JSON array of `{"target","source","groups","values","where",
 *        "mode","interval_ms","granularity","reason","triggers","state","fix","added_at"}`:
 * `groups` of `{"name","expression"}`, `values` of `{"name","aggregate"}`, `state` one of `ok`,
 *        `disabled`, `missing`, `before_trigger`, `dropped`, with the SQL that mends it in `fix`.
 * @param admin the handle.
 * @param[out] json receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return as trigperf_admin_rules().
 */
int32_t trigperf_admin_kpis(trigperf_admin *admin, char **json, trigperf_error **error);

/**
 * @brief Refreshes, rebuilds or checks KPIs, each in a transaction of its own.
 *
 * `"due"`: groups of trailing KPIs that changed and whose interval is over, and KPIs that a failure
 * or a TRUNCATE left in doubt. `"all"`: without regard for intervals. `"rebuild"`: everything from
 * the source, which also finds what no trigger saw. `"check"`: changes nothing, and counts the rows
 * that differ from a recomputation. Several processes may refresh at once: each KPI is left to the
 * first.
 * @param admin  the handle.
 * @param target one KPI, as in SQL, with its schema; NULL: all of them.
 * @param what   one of those words.
 * @param[out] json receives an array of `{"target","rows","waiting","rebuilt","busy","error"}`:
 *        `rows` that were written (check: that differ), `waiting` groups that changed and are not
 *        due yet, `error` null or what failed for this KPI alone; release with
 *        trigperf_string_free(); may be NULL.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (no such word), #TRIGPERF_E_NOT_FOUND (no such KPI), or as
 *         trigperf_admin_rules().
 */
int32_t trigperf_admin_kpi_refresh(trigperf_admin *admin, const char *target, const char *what,
                                   char **json, trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
