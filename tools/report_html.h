/* The report as one HTML file. */
#ifndef TRIGPERF_TOOL_REPORT_HTML_H
#define TRIGPERF_TOOL_REPORT_HTML_H

#include <jansson.h>
#include <stdio.h>

/* report: with `advice`, and `previous` when two periods are compared. */
void report_html(FILE *out, const json_t *report);

#endif
