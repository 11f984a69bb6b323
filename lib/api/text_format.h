/* A reading as text of a format that the host names. */
#ifndef TP_API_TEXT_FORMAT_H
#define TP_API_TEXT_FORMAT_H

#include "base/error.h"
#include "core/reading.h"

int32_t tp_text_format_check(const char *format, trigperf_error **err);
int32_t tp_text_format_write(const tp_reading *reading, const char *format, char **text,
                             trigperf_error **err);

#endif
