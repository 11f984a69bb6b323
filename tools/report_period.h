/* The time of a report: what was asked for, and what it is of. */
#ifndef TRIGPERF_TOOL_REPORT_PERIOD_H
#define TRIGPERF_TOOL_REPORT_PERIOD_H

#include <jansson.h>
#include <stdbool.h>

/* Seconds since 1970 of an ISO time as the server writes it; NaN when it is none. */
double report_time(const char *text);

/* Such a time of a member. */
double report_time_of(const json_t *object, const char *member);

/* How long before the report was made its time begins, in whole seconds from 1 on. */
int64_t report_begins_ago(const json_t *report);

/* How long its time is, in whole hours, and in whole days where hours have become days. */
int64_t report_length(const json_t *report);

/* Whether it begins or ends elsewhere than asked for, by more than whole hours do. */
bool report_is_rounded(const json_t *report);

/* Why it does. */
extern const char report_rounded_why[];

/* Since when the server's counters are looked at, when that is not all the time of the report: a
 * moment within it, "" when they were not yet. NULL: all the time. */
const char *report_measured_since(const json_t *report);

/* What to say of the two. */
extern const char report_measured[];
extern const char report_not_measured[];

#endif
