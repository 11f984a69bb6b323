/* Messages for the host's own log: handed to its callback, never printed. */
#ifndef TP_BASE_LOG_H
#define TP_BASE_LOG_H

#include <stdint.h>

enum tp_log_level { TP_LOG_ERROR = 0, TP_LOG_WARNING = 1, TP_LOG_INFO = 2, TP_LOG_DEBUG = 3 };

typedef void (*tp_log_fn)(void *user, int32_t level, const char *message);

typedef struct tp_log {
    tp_log_fn fn; /* NULL: silent */
    void *user;
    int32_t level; /* messages above it are not formatted */
} tp_log;

void tp_log_write(const tp_log *log, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
