/* One line, at most 1,023 bytes, formatted on the stack so that logging cannot fail. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void tp_log_write(const tp_log *log, int32_t level, const char *format, ...) {
    if (log == NULL || log->fn == NULL || level > log->level) {
        return;
    }
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log->fn(log->user, level, message);
}
