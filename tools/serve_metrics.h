/* Figures of the database as text for Prometheus. */
#ifndef TRIGPERF_TOOL_SERVE_METRICS_H
#define TRIGPERF_TOOL_SERVE_METRICS_H

#include <jansson.h>
#include <stdint.h>

/* What the server says of itself. */
typedef struct serve_figures {
    uint64_t requests;
    uint64_t refused;
    uint64_t clients; /* browsers that are connected now */
    uint64_t missed;  /* messages that slow browsers did not get */
    uint64_t reconnects;
    double age_s; /* of the report; negative: there is none */
} serve_figures;

/* Text that the caller frees. report, status, kpis: NULL while the database does not answer. */
char *serve_metrics_text(const json_t *report, const json_t *status, const json_t *kpis);
/* The part that changes with every request. */
char *serve_metrics_own(const serve_figures *figures, int up);

#endif
