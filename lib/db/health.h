/* Measuring triggers, and the report of what was measured. */
#ifndef TP_DB_HEALTH_H
#define TP_DB_HEALTH_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Runs a query over our schema that yields one text, most often a JSON document. */
int32_t tp_health_document(PGconn *connection, const char *sql, int count,
                           const char *const *values, const char *what, tp_strbuf *json,
                           trigperf_error **err);

/* trigperf.collect(): one JSON object. */
int32_t tp_health_collect(PGconn *connection, tp_strbuf *json, trigperf_error **err);

/* trigperf.report() of the time from so many seconds ago to so many. */
int32_t tp_health_report(PGconn *connection, int64_t since_s, int64_t until_s, tp_strbuf *json,
                         trigperf_error **err);

/* Puts brackets around a table's triggers, or takes them away; sql receives what ran, or would. */
int32_t tp_health_bracket(PGconn *connection, const char *table, bool remove, bool dry_run,
                          tp_strbuf *sql, trigperf_error **err);

/* What retention would remove of what is older than so many days: one JSON object. */
int32_t tp_health_cleanup_plan(PGconn *connection, uint32_t days, tp_strbuf *json,
                               trigperf_error **err);

/* Removes a batch of each table; the object says whether there is more. */
int32_t tp_health_cleanup_step(PGconn *connection, uint32_t days, uint32_t batch, tp_strbuf *json,
                               trigperf_error **err);

#endif
