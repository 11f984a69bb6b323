/* A reading as text: for Prometheus, for OpenMetrics, as JSON. */
#ifndef TP_CORE_EXPOSITION_H
#define TP_CORE_EXPOSITION_H

#include "base/strbuf.h"
#include "core/reading.h"

typedef enum tp_exposition_format {
    TP_EXPOSITION_PROMETHEUS,  /* text format 0.0.4; histograms as cumulative buckets */
    TP_EXPOSITION_OPENMETRICS, /* OpenMetrics 1.0 */
    TP_EXPOSITION_SUMMARY,     /* 0.0.4; histograms as summaries with p50, p95 and p99 */
    TP_EXPOSITION_JSON
} tp_exposition_format;

/* "prometheus", "openmetrics", "summary", "json"; -1 for another name. */
int32_t tp_exposition_parse(const char *name);

void tp_exposition_write(const tp_reading *reading, tp_exposition_format format, tp_strbuf *out);

#endif
