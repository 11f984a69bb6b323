/* The body of a capture function for statement triggers with transition tables. */
#ifndef TP_DB_CAPTURE_STATEMENT_H
#define TP_DB_CAPTURE_STATEMENT_H

#include "db/capture.h"

/* Variables (after DECLARE) and the part that computes. */
void tp_capture_statement_variables(const tp_capture *capture, tp_strbuf *out);
void tp_capture_statement_keys(const tp_capture *capture, tp_strbuf *out);

#endif
