/* The body of a capture function for row triggers. */
#ifndef TP_DB_CAPTURE_ROW_H
#define TP_DB_CAPTURE_ROW_H

#include "db/capture.h"

void tp_capture_row_variables(const tp_capture *capture, tp_strbuf *out);
void tp_capture_row_keys(const tp_capture *capture, tp_strbuf *out);

#endif
