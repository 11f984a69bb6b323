/* Alerts that the database keeps: judged, told, silenced and taken there. */
#ifndef TP_DB_ALERTS_H
#define TP_DB_ALERTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Rules, what stands, and events younger than since_s (0: all) with a number above after. */
int32_t tp_alerts_list(PGconn *connection, int64_t since_s, uint64_t after, tp_strbuf *json,
                       trigperf_error **err);
/* Judges; an array of the events that this raised. */
int32_t tp_alerts_judge_all(PGconn *connection, bool at_once, tp_strbuf *json,
                            trigperf_error **err);
/* Claims events for running commands; an array. */
int32_t tp_alerts_take(PGconn *connection, tp_strbuf *json, trigperf_error **err);
/* E_NOT_FOUND: no such rule. NULL: all. */
int32_t tp_alerts_silence_rule(PGconn *connection, const char *rule, int64_t duration_ms,
                               trigperf_error **err);

#endif
