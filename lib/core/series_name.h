/* Which names and labels a series may have: what Prometheus and OpenMetrics can carry, and what
 * `promtool check metrics` has nothing to say against. */
#ifndef TP_CORE_SERIES_NAME_H
#define TP_CORE_SERIES_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef enum tp_series_type {
    TP_SERIES_COUNTER,
    TP_SERIES_GAUGE,
    TP_SERIES_HISTOGRAM
} tp_series_type;

#define TP_SERIES_NAME_MAX 200u
#define TP_SERIES_VALUE_MAX 1024u
#define TP_SERIES_HELP_MAX 1024u
#define TP_SERIES_LABELS_MAX 16u

/* "counter", "gauge", "histogram"; NULL for no type. */
const char *tp_series_type_name(uint32_t type);

/* E_INVALID with what is wrong and how to write it. */
int32_t tp_series_check_name(uint32_t type, const char *name, trigperf_error **err);
int32_t tp_series_check_help(const char *name, const char *help, trigperf_error **err);
int32_t tp_series_check_label(const char *name, const char *value, trigperf_error **err);

#endif
