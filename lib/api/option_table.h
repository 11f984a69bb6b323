/* The one table behind configuration: parser, environment, files, documentation and --help read it.
 */
#ifndef TP_API_OPTION_TABLE_H
#define TP_API_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum tp_option_type {
    TP_OPTION_UINT,
    TP_OPTION_BOOL,
    TP_OPTION_TEXT,
    TP_OPTION_ENUM
} tp_option_type;

typedef enum tp_option_id {
    TP_OPTION_CONNECTION,
    TP_OPTION_SOURCE,
    TP_OPTION_CONSUMER,
    TP_OPTION_APPLICATION_NAME,
    TP_OPTION_ALERT_INTERVAL_MS,
    TP_OPTION_ALERT_COMMAND,
    TP_OPTION_BATCH_WINDOW_MS,
    TP_OPTION_BATCH_FRESH_MS,
    TP_OPTION_BATCH_MAX_KEYS,
    TP_OPTION_BATCH_MAX_PENDING,
    TP_OPTION_LIMIT_KEY_INTERVAL_MS,
    TP_OPTION_MEMORY_MAX_BYTES,
    TP_OPTION_MEMORY_GROUP_PERCENT,
    TP_OPTION_MEMORY_TABLE_PERCENT,
    TP_OPTION_MEMORY_MAX_GROUPS,
    TP_OPTION_JOBS_ENABLED,
    TP_OPTION_JOBS_CONNECTION,
    TP_OPTION_JOBS_IDLE_MS,
    TP_OPTION_JOBS_TIMEOUT_MS,
    TP_OPTION_KPI_REFRESH_MS,
    TP_OPTION_METRICS_MAX_SERIES,
    TP_OPTION_METRICS_COLLECT_MS,
    TP_OPTION_METRICS_FLUSH_MS,
    TP_OPTION_METRICS_RETENTION_DAYS,
    TP_OPTION_NACK_DELAY_MS,
    TP_OPTION_NACK_DELAY_MAX_MS,
    TP_OPTION_ACK_INTERVAL_MS,
    TP_OPTION_POLL_MIN_MS,
    TP_OPTION_POLL_MAX_MS,
    TP_OPTION_NOTIFIER_ENABLED,
    TP_OPTION_NOTIFIER_BEAT_MS,
    TP_OPTION_CONNECT_TIMEOUT_MS,
    TP_OPTION_CONNECT_SILENCE_MS,
    TP_OPTION_RECONNECT_MIN_MS,
    TP_OPTION_RECONNECT_MAX_MS,
    TP_OPTION_NOTIFY_CHANNEL,
    TP_OPTION_NOTIFY_KEYS,
    TP_OPTION_CAPTURE_MAX_KEYS,
    TP_OPTION_CACHE_CAPACITY,
    TP_OPTION_CACHE_POLICY,
    TP_OPTION_CACHE_EXACT,
    TP_OPTION_CACHE_TTL_MS,
    TP_OPTION_CACHE_TTL_JITTER,
    TP_OPTION_CACHE_MIN_HIT_RATE,
    TP_OPTION_CACHE_MIN_LOOKUPS,
    TP_OPTION_COUNT
} tp_option_id;

/* Values of the option source, in the order of its choices. */
enum tp_source_kind { TP_SOURCE_OUTBOX, TP_SOURCE_WAL, TP_SOURCE_NOTIFY, TP_SOURCE_NONE };

/* Values of the option jobs.connection. */
enum tp_jobs_connection { TP_JOBS_OWN, TP_JOBS_SHARED };

typedef struct tp_option {
    const char *name;
    tp_option_type type;
    const char *unit; /* "" when it has none */
    uint64_t minimum; /* of numbers */
    uint64_t maximum;
    const char *choices; /* of enums, separated by blanks */
    const char *initial;
    const char *doc;
} tp_option;

const tp_option *tp_option_at(uint32_t index);
/* TP_OPTION_COUNT when there is none of that name. */
uint32_t tp_option_find(const char *name, size_t length);
/* The known name nearest to one that is not known (Levenshtein distance). */
const char *tp_option_nearest(const char *name);

/* Checks a value; number receives it for numbers and booleans, the index for enums. */
int32_t tp_option_check(const tp_option *option, const char *value, uint64_t *number,
                        trigperf_error **err);

#endif
