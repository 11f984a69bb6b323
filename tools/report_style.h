/* The style sheet of the report. */
#ifndef TRIGPERF_TOOL_REPORT_STYLE_H
#define TRIGPERF_TOOL_REPORT_STYLE_H

extern const char report_style[];

#endif
