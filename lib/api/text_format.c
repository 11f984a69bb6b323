/* The names are part of the interface; lib/core/exposition.c knows them. */
#include "api/text_format.h"

#include <stddef.h>

#include "core/exposition.h"

int32_t tp_text_format_check(const char *format, trigperf_error **err) {
    if (format == NULL || tp_exposition_parse(format) < 0) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "choose one of them",
                            "expected prometheus, openmetrics, summary or json, got \"%.100s\"",
                            format == NULL ? "" : format);
    }
    return TRIGPERF_OK;
}

int32_t tp_text_format_write(const tp_reading *reading, const char *format, char **text,
                             trigperf_error **err) {
    int32_t status = tp_text_format_check(format, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_strbuf out = TP_STRBUF_INIT;
    tp_exposition_write(reading, (tp_exposition_format)tp_exposition_parse(format), &out);
    char *taken = tp_strbuf_take(&out);
    if (taken == NULL) {
        return tp_error_nomem(err);
    }
    *text = taken;
    return TRIGPERF_OK;
}
