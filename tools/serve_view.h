/* What the page shows, out of the report: bounded, however many triggers a database has. */
#ifndef TRIGPERF_TOOL_SERVE_VIEW_H
#define TRIGPERF_TOOL_SERVE_VIEW_H

#include <jansson.h>

/* {"type":"view",..} as text that the caller frees. report NULL: the database does not answer, and
 * why. */
char *serve_view(const json_t *report, const json_t *status, const json_t *kpis,
                 const char *reason);

/* Alerts of the report: what stands, whenever that began, then the events of its time. The caller
 * releases it. */
json_t *serve_alerts(const json_t *report);

#endif
