/* The database rounds: to whole hours, and to whole days where hours have become days. */
#include "report_period.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { HOUR_S = 3600, DAY_S = 86400, KEPT_DAYS = 3 };

const char report_rounded_why[] = "rounded to whole days, since hours are kept for three days";
const char report_measured[] = "measured since";
const char report_not_measured[] =
    "triggers were not measured yet: a context of the library does so, "
    "or trigperf collect";

double report_time(const char *text) {
    struct tm when;
    memset(&when, 0, sizeof when);
    const char *rest = text == NULL ? NULL : strptime(text, "%Y-%m-%dT%H:%M:%S", &when);
    if (rest == NULL) {
        return (double)NAN;
    }
    rest += strspn(rest, ".0123456789");
    int hours = 0;
    int minutes = 0;
    if (*rest == '+' || *rest == '-') {
        sscanf(rest + 1, "%2d:%2d", &hours, &minutes);
    }
    double offset = (hours * 60.0 + minutes) * 60;
    return (double)timegm(&when) - (*rest == '-' ? -offset : offset);
}

double report_time_of(const json_t *object, const char *member) {
    return report_time(json_string_value(json_object_get(object, member)));
}

int64_t report_begins_ago(const json_t *report) {
    double ago = report_time_of(report, "generated_at") - report_time_of(report, "since");
    return ago > 1 ? (int64_t)ago : 1;
}

bool report_is_rounded(const json_t *report) {
    const json_t *asked = json_object_get(report, "asked");
    double since = report_time_of(report, "since");
    double until = report_time_of(report, "until");
    double later = until - report_time_of(asked, "until");
    return report_time_of(asked, "since") - since >= HOUR_S ||
           (later > 0 && until - since > HOUR_S);
}

int64_t report_length(const json_t *report) {
    double length = report_time_of(report, "until") - report_time_of(report, "since");
    int64_t unit = length > KEPT_DAYS * DAY_S ? DAY_S : HOUR_S;
    int64_t units = llround(length / (double)unit);
    return (units > 0 ? units : 1) * unit;
}

const char *report_measured_since(const json_t *report) {
    const json_t *database = json_object_get(report, "database");
    const char *since = json_string_value(json_object_get(database, "measured_since"));
    return since == NULL ? "" : report_time(since) > report_time_of(report, "since") ? since : NULL;
}
