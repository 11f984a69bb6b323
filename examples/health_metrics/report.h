/* What is printed, and whether every promise held. */
#ifndef EXAMPLES_HEALTH_METRICS_REPORT_H
#define EXAMPLES_HEALTH_METRICS_REPORT_H

#include "intake.h"
#include "study.h"

typedef struct hm_report {
    hm_study imported; /* the tables' own constraints */
    hm_study checked;  /* and a function of the host */
    hm_intake intake;
    bool noticed;
    bool holds;
} hm_report;

bool report_imports(hm_host *host);
void report_study(const char *title, const hm_study *study);
bool report_durations(hm_host *host);
void report_claims(hm_host *host, const hm_report *report);
bool report_promises(const hm_report *report);

#endif
