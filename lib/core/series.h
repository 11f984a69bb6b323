/* The registry of series: names and labels resolved to handles, recorders for threads, and summing
 * up. Resolving, recorders and reading are not thread-safe (the context holds its lock); recording
 * and gauges are. */
#ifndef TP_CORE_SERIES_H
#define TP_CORE_SERIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/reading.h"
#include "core/recorder.h"

typedef struct tp_metrics tp_metrics;

/* What recording looks at comes first; the rest is read when values are. */
typedef struct tp_series {
    uintptr_t owner; /* address of the registry plus the type: one comparison checks both */
    uint32_t slot;   /* of its cells in each recorder; for gauges unused */
    uint32_t type;
    void *host;             /* as given to tp_metrics_new() */
    _Atomic uint64_t gauge; /* bits of a double */
    uint64_t base;          /* of a counter: what it was at the last reset */
    uint64_t base_sum;      /* of a histogram, as the next two */
    int64_t *base_entries;  /* packed; NULL before the first reset */
    uint32_t base_count;
    uint32_t label_count;
    int64_t *next_entries; /* while a reset is prepared */
    uint32_t next_count;
    uint64_t next_sum;
    struct tp_series *next; /* of the same family */
    void *memory;           /* what this stands in, from the allocator */
    tp_label labels[];
} tp_series;

typedef struct tp_series_definition {
    uint32_t type;
    const char *name;
    const char *help;
    const char *const *label_names;
    const char *const *label_values;
    uint32_t label_count;
} tp_series_definition;

typedef struct tp_metrics_counters {
    uint64_t series;
    uint64_t refused;   /* resolved in vain: max_series was reached */
    uint64_t recorders; /* made; their number is that of the threads that recorded at one time */
    uint64_t negative;  /* durations below 0, recorded as 0 */
    uint64_t lost;      /* not recorded because memory was short */
} tp_metrics_counters;

/* host: kept in every series and recorder, for the caller. */
int32_t tp_metrics_new(uint32_t max_series, void *host, tp_metrics **out, trigperf_error **err);
/* With all series and recorders. */
void tp_metrics_free(tp_metrics *metrics);

/* The series of that name and labels, made when there is none yet. Labels with an empty value are
 * as good as not given. help may be NULL when the name is known; the first one stays.
 * E_INVALID; E_EXISTS: the name has another type; E_LIMIT: max_series is reached; E_NOMEM. */
int32_t tp_metrics_resolve(tp_metrics *metrics, const tp_series_definition *definition,
                           tp_series **out, trigperf_error **err);

/* A recorder for one thread; one that was given back comes with what it has recorded, which stays
 * part of the sums. NULL when memory is short. */
tp_recorder *tp_metrics_recorder(tp_metrics *metrics);
void tp_metrics_give_back(tp_metrics *metrics, tp_recorder *recorder);

static inline uintptr_t tp_series_owner(uintptr_t metrics, tp_series_type type) {
    return metrics + (uintptr_t)type;
}

static inline bool tp_series_is(const tp_series *series, uintptr_t metrics, tp_series_type type) {
    return series != NULL && series->owner == tp_series_owner(metrics, type);
}

void tp_series_set(tp_series *series, double value);
void tp_series_change(tp_series *series, double amount);

/* Puts all series into a reading, or those of the families that wanted() says yes to (NULL: all).
 * With reset, counters and histograms count from these very values on. E_NOMEM: nothing was
 * reset. */
int32_t tp_metrics_read(tp_metrics *metrics, bool (*wanted)(void *user, const char *name),
                        void *user, bool reset, tp_reading *into, trigperf_error **err);

void tp_metrics_counters_get(const tp_metrics *metrics, tp_metrics_counters *out);

#endif
