/* The database rounds: to whole hours, and to whole days where hours have become days. */
#include "report_period.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char report_rounded_why[] = "rounded to whole days, since hours are kept for three days";

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
    double earlier = report_time_of(asked, "since") - report_time_of(report, "since");
    return earlier >= 3600 || report_time_of(report, "until") > report_time_of(asked, "until");
}
