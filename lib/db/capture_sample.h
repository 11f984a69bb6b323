/* Timing a share of the executions of a capture function. */
#ifndef TP_DB_CAPTURE_SAMPLE_H
#define TP_DB_CAPTURE_SAMPLE_H

#include "db/capture.h"

/* Each appends nothing when the sample rate is 0. */
void tp_capture_sample_variables(const tp_capture *capture, tp_strbuf *out);
void tp_capture_sample_begin(const tp_capture *capture, tp_strbuf *out);
/* After the row was written, or the execution was skipped. */
void tp_capture_sample_end(const tp_capture *capture, tp_strbuf *out);

/* Ends the function where there is nothing to tell. */
void tp_capture_skip(const tp_capture *capture, const char *indent, tp_strbuf *out);
/* The label of the block that computes, which a sampled execution leaves in order to end. */
void tp_capture_sample_label(const tp_capture *capture, tp_strbuf *out);
/* The branch of the writing IF for an execution that was skipped. */
void tp_capture_sample_nothing(const tp_capture *capture, tp_strbuf *out);

#endif
